import {
  type CapturedInterface,
  type CapturedPacket,
  type CaptureFile,
  type CaptureFileError,
  LinkType,
} from "./captured-packet.ts";
import { type ByteSink, ChunkWriter } from "./chunk-writer.ts";
import { DEFAULT_START_DATE, type OutgoingPacket } from "./pcapng.ts";

/*
 * Classic pcap, draft-ietf-opsawg-pcap: a 24-byte file header (magic, version 2.4, two unused words, snap length, link type), then
 * records of four u32 (seconds, fraction, captured length, original length) and the packet. One interface, no options.
 */
const FILE_HEADER_BYTES = 24;
const RECORD_HEADER_BYTES = 16;
const MAGIC_MICROSECONDS = 0xa1b2c3d4;
const MAGIC_NANOSECONDS = 0xa1b23c4d;
/** What libpcap writes for "no limit"; readers refuse records beyond it. */
const MAX_SNAP_LENGTH = 262_144;
/** The upper half tells about a frame check sequence. */
const LINK_TYPE_MASK = 0xffff;

const DEFAULT_BUFFER_BYTES = 64 * 1024;
const GIGA = 1_000_000_000;

/** What the file's header says. */
export interface PcapWriterOptions {
  readonly linkType?: number;
  /** What time 0 is, in nanoseconds since 1970; `DEFAULT_START_DATE` when left out. */
  readonly startDate?: bigint;
  /** Packets are cut off after so many bytes; 0, the default, means 262,144. */
  readonly snapLength?: number;
  readonly bufferBytes?: number;
}

/** Writes classic pcap, little-endian, with nanoseconds. Directions, packet ids and comments have no place in it. */
export class PcapWriter {
  readonly #out: ChunkWriter;
  readonly #startSecond: number;
  readonly #startFraction: number;
  readonly #snapLength: number;

  constructor(sink: ByteSink, options: PcapWriterOptions = {}) {
    const start = options.startDate ?? DEFAULT_START_DATE;
    this.#startSecond = Number(start / BigInt(GIGA));
    this.#startFraction = Number(start % BigInt(GIGA));
    this.#snapLength = Math.min(options.snapLength || MAX_SNAP_LENGTH, MAX_SNAP_LENGTH);
    this.#out = new ChunkWriter(sink, options.bufferBytes ?? DEFAULT_BUFFER_BYTES);
    this.#writeFileHeader(options.linkType ?? LinkType.ethernet);
  }

  /** Writes a packet record. */
  writePacket(packet: Pick<OutgoingPacket, "time" | "bytes" | "start" | "end">): void {
    if (!(packet.time >= 0)) throw new RangeError(`Cannot write a packet: its time is ${packet.time}`);
    const length = packet.end - packet.start;
    const captured = Math.min(length, this.#snapLength);
    const second = Math.floor(packet.time / GIGA);
    const fraction = this.#startFraction + (packet.time - second * GIGA);
    const carry = fraction >= GIGA ? 1 : 0;
    const out = this.#out;
    out.reserve(RECORD_HEADER_BYTES + captured);
    out.u32(this.#startSecond + second + carry);
    out.u32(fraction - carry * GIGA);
    out.u32(captured);
    out.u32(length);
    out.bytes(packet.bytes, packet.start, packet.start + captured);
  }

  /** Hands everything written so far to the sink. A pcap file has no end mark: this is also how it is closed. */
  flush(): void {
    this.#out.flush();
  }

  #writeFileHeader(linkType: number): void {
    const out = this.#out;
    out.reserve(FILE_HEADER_BYTES);
    out.u32(MAGIC_NANOSECONDS);
    out.u16(2);
    out.u16(4);
    out.u32(0);
    out.u32(0);
    out.u32(this.#snapLength);
    out.u32(linkType);
  }
}

interface FileHeader {
  readonly littleEndian: boolean;
  /** Nanoseconds in one unit of the fraction. */
  readonly unit: bigint;
}

/**
 * Reads a classic pcap file of either byte order and resolution. Never throws: what is cut off or not valid ends the reading and
 * is told in `error`.
 */
export function readPcap(bytes: Uint8Array): CaptureFile {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const packets: CapturedPacket[] = [];
  const file = { format: "pcap", packets, names: [] } as const;
  if (bytes.length < FILE_HEADER_BYTES) {
    const message = `${bytes.length} bytes, a pcap file has at least ${FILE_HEADER_BYTES}`;
    return { ...file, interfaces: [], error: { kind: "truncated", offset: 0, message } };
  }
  const header = parseMagic(view);
  if (header === undefined) {
    const message = "not a pcap file: its magic number is none of pcap's";
    return { ...file, interfaces: [], error: { kind: "corrupt", offset: 0, message } };
  }
  const source = interfaceOf(view, header);
  let at = FILE_HEADER_BYTES;
  let error: CaptureFileError | undefined;
  while (at < bytes.length && error === undefined) {
    const record = parseRecord(bytes, view, at, header);
    if ("message" in record) {
      error = record;
    } else {
      packets.push({ ...record, interface: source });
      at += RECORD_HEADER_BYTES + record.bytes.length;
    }
  }
  return { ...file, interfaces: [source], error };
}

function parseMagic(view: DataView): FileHeader | undefined {
  for (const littleEndian of [true, false]) {
    const magic = view.getUint32(0, littleEndian);
    if (magic === MAGIC_MICROSECONDS) return { littleEndian, unit: 1000n };
    if (magic === MAGIC_NANOSECONDS) return { littleEndian, unit: 1n };
  }
  return undefined;
}

function interfaceOf(view: DataView, { littleEndian }: FileHeader): CapturedInterface {
  return {
    name: undefined,
    description: undefined,
    linkType: view.getUint32(20, littleEndian) & LINK_TYPE_MASK,
    snapLength: view.getUint32(16, littleEndian),
    mac: undefined,
    ipv4: undefined,
    filter: undefined,
    comments: [],
  };
}

function parseRecord(
  bytes: Uint8Array,
  view: DataView,
  offset: number,
  header: FileHeader,
): Omit<CapturedPacket, "interface"> | CaptureFileError {
  const { littleEndian, unit } = header;
  const left = bytes.length - offset - RECORD_HEADER_BYTES;
  if (left < 0) return { kind: "truncated", offset, message: "the file ends within a record's header" };
  const length = view.getUint32(offset + 8, littleEndian);
  if (length > Math.max(MAX_SNAP_LENGTH, view.getUint32(16, littleEndian))) {
    return { kind: "corrupt", offset, message: `record of ${length} bytes, more than any packet has` };
  }
  if (length > left) return { kind: "truncated", offset, message: `record of ${length} bytes, ${left} left` };
  const seconds = BigInt(view.getUint32(offset, littleEndian));
  const fraction = BigInt(view.getUint32(offset + 4, littleEndian));
  const start = offset + RECORD_HEADER_BYTES;
  return {
    time: seconds * BigInt(GIGA) + fraction * unit,
    bytes: bytes.subarray(start, start + length),
    originalLength: view.getUint32(offset + 12, littleEndian),
    direction: undefined,
    packetId: undefined,
    comments: [],
    offset,
  };
}
