import type { CaptureFile } from "./captured-packet.ts";
import { readPcap } from "./pcap.ts";
import { BlockType } from "./pcapng-format.ts";
import { readPcapng } from "./pcapng-reader.ts";

/** Reads a capture of either format, told apart by its first four bytes. Never throws; see `CaptureFile.error`. */
export function readCapture(bytes: Uint8Array): CaptureFile {
  return isPcapng(bytes) ? readPcapng(bytes) : readPcap(bytes);
}

/** A Section Header Block's type reads the same in both byte orders. */
function isPcapng(bytes: Uint8Array): boolean {
  if (bytes.length < 4) return false;
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) === BlockType.sectionHeader;
}
