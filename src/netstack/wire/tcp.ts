import { getU8, getU16, getU32, setU8, setU16, setU32 } from "../bytes.ts";
import { finishChecksum, sumPseudoHeader, sumWords } from "../checksum.ts";
import type { Ipv4Address } from "../ipv4-address.ts";
import { IpProtocol } from "./ipv4.ts";

/**
 * RFC 9293 §3.1
 * ```
 * |          Source Port          |       Destination Port        |
 * |                        Sequence Number                        |
 * |                    Acknowledgment Number                      |
 * | Offset| Rsrvd |C|E|U|A|P|R|S|F|            Window             |
 * |           Checksum            |         Urgent Pointer        |
 * |                           [Options]                           |
 * ```
 */
const SOURCE_PORT = 0;
const DESTINATION_PORT = 2;
const SEQUENCE = 4;
const ACKNOWLEDGMENT = 8;
const DATA_OFFSET = 12;
const FLAGS = 13;
const WINDOW = 14;
const CHECKSUM = 16;
const URGENT_POINTER = 18;
export const TCP_HEADER_LENGTH = 20;
export const TCP_LONGEST_HEADER = 60;

/** Bits of the flags. */
export const TcpFlag = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16, urg: 32, ece: 64, cwr: 128 } as const;

/** A TCP header, RFC 9293, without its options. */
export interface TcpHeader {
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Unsigned 32-bit, as on the wire. */
  readonly sequence: number;
  readonly acknowledgment: number;
  /** Options included, in bytes. */
  readonly headerLength: number;
  /** Masks of {@link TcpFlag}. */
  readonly flags: number;
  /** As on the wire: not scaled. */
  readonly window: number;
  readonly checksum: number;
  readonly urgentPointer: number;
}

/** Reads the header at `at`; `undefined` when the bytes cannot be a TCP segment. Options lie behind its 20 bytes, to `headerLength`. */
export function parseTcp(bytes: Uint8Array, at: number, end: number): TcpHeader | undefined {
  if (end - at < TCP_HEADER_LENGTH) return undefined;
  const headerLength = (getU8(bytes, at + DATA_OFFSET) >>> 4) * 4;
  if (headerLength < TCP_HEADER_LENGTH || at + headerLength > end) return undefined;
  return {
    sourcePort: getU16(bytes, at + SOURCE_PORT),
    destinationPort: getU16(bytes, at + DESTINATION_PORT),
    sequence: getU32(bytes, at + SEQUENCE),
    acknowledgment: getU32(bytes, at + ACKNOWLEDGMENT),
    headerLength,
    flags: getU8(bytes, at + FLAGS),
    window: getU16(bytes, at + WINDOW),
    checksum: getU16(bytes, at + CHECKSUM),
    urgentPointer: getU16(bytes, at + URGENT_POINTER),
  };
}

export function emitTcp(header: TcpHeader, bytes: Uint8Array, at: number): void {
  setU16(bytes, at + SOURCE_PORT, header.sourcePort);
  setU16(bytes, at + DESTINATION_PORT, header.destinationPort);
  setU32(bytes, at + SEQUENCE, header.sequence);
  setU32(bytes, at + ACKNOWLEDGMENT, header.acknowledgment);
  setU8(bytes, at + DATA_OFFSET, (header.headerLength / 4) << 4);
  setU8(bytes, at + FLAGS, header.flags);
  setU16(bytes, at + WINDOW, header.window);
  setU16(bytes, at + CHECKSUM, header.checksum);
  setU16(bytes, at + URGENT_POINTER, header.urgentPointer);
}

/** The addresses and extent of a segment, for its checksum. */
export interface SegmentRange {
  readonly at: number;
  readonly end: number;
  readonly source: Ipv4Address;
  readonly destination: Ipv4Address;
}

export function fillTcpChecksum(bytes: Uint8Array, range: SegmentRange): void {
  setTcpChecksum(bytes, range.at, 0);
  setTcpChecksum(bytes, range.at, tcpSum(bytes, range));
}

/** Of a header that was found sound, options included. */
export function tcpHeaderLength(bytes: Uint8Array, at: number): number {
  return (getU8(bytes, at + DATA_OFFSET) >>> 4) * 4;
}

/** Makes a copied header that of a segment `offset` bytes further on, without the flags in `cleared`; its checksum is a step of its own. */
export function advanceTcp(bytes: Uint8Array, at: number, offset: number, cleared: number): void {
  setU32(bytes, at + SEQUENCE, getU32(bytes, at + SEQUENCE) + offset);
  setU8(bytes, at + FLAGS, getU8(bytes, at + FLAGS) & ~cleared);
}

/** Writes a computed checksum. */
export function setTcpChecksum(bytes: Uint8Array, at: number, sum: number): void {
  setU16(bytes, at + CHECKSUM, sum);
}

export function isTcpChecksumRight(bytes: Uint8Array, range: SegmentRange): boolean {
  return tcpSum(bytes, range) === 0;
}

function tcpSum(bytes: Uint8Array, range: SegmentRange): number {
  const pseudo = sumPseudoHeader(range.source, range.destination, IpProtocol.tcp, range.end - range.at);
  return finishChecksum(sumWords(bytes, range.at, range.end, pseudo));
}

/** Flags as tcpdump writes them: `S`, `S.`, `P.`, `F.`, `R`. */
export function describeTcpFlags(flags: number): string {
  const letters = [
    [TcpFlag.syn, "S"],
    [TcpFlag.fin, "F"],
    [TcpFlag.rst, "R"],
    [TcpFlag.psh, "P"],
    [TcpFlag.urg, "U"],
    [TcpFlag.ece, "E"],
    [TcpFlag.cwr, "W"],
    [TcpFlag.ack, "."],
  ] as const;
  return letters.map(([mask, letter]) => ((flags & mask) !== 0 ? letter : "")).join("") || "none";
}

/** In one line, flags as tcpdump has them. */
export function describeTcp(header: TcpHeader): string {
  const ack = (header.flags & TcpFlag.ack) !== 0 ? ` ack ${header.acknowledgment}` : "";
  return `TCP ${header.sourcePort} > ${header.destinationPort} [${describeTcpFlags(header.flags)}] seq ${header.sequence}${ack} win ${header.window}`;
}
