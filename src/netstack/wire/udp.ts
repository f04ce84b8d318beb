import { getU16, setU16 } from "../bytes.ts";
import { finishChecksum, sumPseudoHeader, sumWords } from "../checksum.ts";
import type { Ipv4Address } from "../ipv4-address.ts";
import { IpProtocol } from "./ipv4.ts";

/** Field offsets, RFC 768. */
const SOURCE_PORT = 0;
const DESTINATION_PORT = 2;
const LENGTH = 4;
const CHECKSUM = 6;
export const UDP_HEADER_LENGTH = 8;

/** A UDP header, RFC 768. */
export interface UdpHeader {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly length: number;
  readonly checksum: number;
}

/** Reads the header at `at`; `undefined` when the bytes cannot be a UDP datagram. */
export function parseUdp(bytes: Uint8Array, at: number, end: number): UdpHeader | undefined {
  if (end - at < UDP_HEADER_LENGTH) return undefined;
  const length = getU16(bytes, at + LENGTH);
  if (length < UDP_HEADER_LENGTH || at + length > end) return undefined;
  return {
    sourcePort: getU16(bytes, at + SOURCE_PORT),
    destinationPort: getU16(bytes, at + DESTINATION_PORT),
    length,
    checksum: getU16(bytes, at + CHECKSUM),
  };
}

export function emitUdp(header: UdpHeader, bytes: Uint8Array, at: number): void {
  setU16(bytes, at + SOURCE_PORT, header.sourcePort);
  setU16(bytes, at + DESTINATION_PORT, header.destinationPort);
  setU16(bytes, at + LENGTH, header.length);
  setU16(bytes, at + CHECKSUM, header.checksum);
}

/** Computes and writes the checksum, see {@link setUdpChecksum}. */
export function fillUdpChecksum(bytes: Uint8Array, at: number, source: Ipv4Address, destination: Ipv4Address): void {
  setU16(bytes, at + CHECKSUM, 0);
  const length = getU16(bytes, at + LENGTH);
  const sum = sumWords(bytes, at, at + length, sumPseudoHeader(source, destination, IpProtocol.udp, length));
  setUdpChecksum(bytes, at, finishChecksum(sum));
}

/** Writes a computed checksum; a sum of zero is sent as 0xffff, as zero means "none" (RFC 768). */
export function setUdpChecksum(bytes: Uint8Array, at: number, sum: number): void {
  setU16(bytes, at + CHECKSUM, sum || 0xffff);
}

/** True when the datagram carries no checksum or the right one. */
export function isUdpChecksumRight(
  bytes: Uint8Array,
  at: number,
  source: Ipv4Address,
  destination: Ipv4Address,
): boolean {
  if (getU16(bytes, at + CHECKSUM) === 0) return true;
  const length = getU16(bytes, at + LENGTH);
  return (
    finishChecksum(sumWords(bytes, at, at + length, sumPseudoHeader(source, destination, IpProtocol.udp, length))) === 0
  );
}

/** In one line. */
export function describeUdp(header: UdpHeader): string {
  return `UDP ${header.sourcePort} > ${header.destinationPort} length ${header.length}`;
}
