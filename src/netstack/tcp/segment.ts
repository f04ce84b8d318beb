import { emitTcp, parseTcp, TCP_HEADER_LENGTH, TcpFlag } from "../wire/tcp.ts";
import { emitTcpOptions, parseTcpOptions, type TcpOptions, tcpOptionsLength } from "../wire/tcp-options.ts";
import { type Seq, seq, seqAdd } from "./seq.ts";

/** Segments that leave or arrive as one: how many, and the bytes of payload in each; the last one may have fewer. */
export interface SegmentTrain {
  readonly count: number;
  readonly size: number;
}

/**
 * One segment without ports and checksum. The payload is a reference: into the sender's buffer, valid until the next call on that
 * connection, or into the received frame.
 */
export interface Segment {
  readonly sequence: Seq;
  readonly acknowledgment: Seq;
  /** Masks of {@link TcpFlag}. */
  readonly flags: number;
  /** As on the wire: not scaled. */
  readonly window: number;
  readonly options: TcpOptions;
  /** ECN's two bits of the IP header (RFC 3168 §5); not ECT when left out. */
  readonly codepoint?: number;
  /** The payload is `bytes` from `at`, `length` of them. */
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly length: number;
  /** Where it is several as one: the headers are those of the first, the flags and the payload those of all. */
  readonly train?: SegmentTrain | undefined;
}

/** The ports a segment goes out with. */
export interface Ports {
  readonly sourcePort: number;
  readonly destinationPort: number;
}

export const NO_OPTIONS: TcpOptions = {};
export const NO_BYTES: Uint8Array = new Uint8Array(0);

/** Reads the segment from `at` to `end`; `undefined` when it is none. Its payload stays where it is; `codepoint` is ECN's, from the IP header. */
export function segmentFromWire(bytes: Uint8Array, at: number, end: number, codepoint = 0): Segment | undefined {
  const header = parseTcp(bytes, at, end);
  if (header === undefined) return undefined;
  const { headerLength } = header;
  return {
    sequence: header.sequence as Seq,
    acknowledgment: header.acknowledgment as Seq,
    flags: header.flags,
    window: header.window,
    options: headerLength === TCP_HEADER_LENGTH ? NO_OPTIONS : parseTcpOptions(bytes, at, headerLength),
    codepoint,
    bytes,
    at: at + headerLength,
    length: end - at - headerLength,
  };
}

/** The segments that `whole` is, in their order. */
export function takeApart(whole: Segment, { count, size }: SegmentTrain): Segment[] {
  const apart: Segment[] = [];
  for (let number = 0; number < count; number++) {
    const offset = number * size;
    const isLast = number === count - 1;
    const notLast = isLast ? 0 : TcpFlag.psh | TcpFlag.fin;
    const flags = whole.flags & ~notLast & ~(number > 0 ? TcpFlag.cwr : 0);
    const length = isLast ? whole.length - offset : size;
    apart.push({ ...whole, sequence: seqAdd(whole.sequence, offset), flags, at: whole.at + offset, length });
  }
  return apart;
}

/** Bytes that {@link writeSegment} will write: header, options and payload. */
export function segmentLength(segment: Segment): number {
  return TCP_HEADER_LENGTH + tcpOptionsLength(segment.options) + segment.length;
}

/** Writes header, options and payload at `at`, the checksum left zero (see `fillTcpChecksum`). Returns the bytes written. */
export function writeSegment(segment: Segment, ports: Ports, bytes: Uint8Array, at: number): number {
  const headerLength = TCP_HEADER_LENGTH + emitTcpOptions(segment.options, bytes, at + TCP_HEADER_LENGTH);
  emitTcp(
    {
      sourcePort: ports.sourcePort,
      destinationPort: ports.destinationPort,
      sequence: segment.sequence,
      acknowledgment: segment.acknowledgment,
      headerLength,
      flags: segment.flags,
      window: segment.window,
      checksum: 0,
      urgentPointer: 0,
    },
    bytes,
    at,
  );
  copyPayload(segment, bytes, at + headerLength);
  return headerLength + segment.length;
}

/** Copies the payload to `target`. */
export function copyPayload(segment: Segment, target: Uint8Array, at: number): void {
  if (segment.length > 0) target.set(segment.bytes.subarray(segment.at, segment.at + segment.length), at);
}

/** SEG.LEN of RFC 9293 §3.3.1: payload bytes, and one each for SYN and FIN. */
export function sequenceLength(segment: Segment): number {
  const { flags } = segment;
  return segment.length + ((flags & TcpFlag.syn) >>> 1) + (flags & TcpFlag.fin);
}

/** The sequence number after the segment's last. */
export function segmentEnd(segment: Segment): Seq {
  return seqAdd(segment.sequence, sequenceLength(segment));
}

/**
 * The RST that answers a segment for which there is no connection (RFC 9293 §3.10.7.1); `undefined` for a RST, which is never answered.
 * As Linux builds it (`tcp_v4_send_reset`): window 0, no options.
 */
export function resetFor(segment: Segment): Segment | undefined {
  if (has(segment, TcpFlag.rst)) return undefined;
  const acknowledges = has(segment, TcpFlag.ack);
  return {
    sequence: acknowledges ? segment.acknowledgment : seq(0),
    acknowledgment: acknowledges ? seq(0) : segmentEnd(segment),
    flags: acknowledges ? TcpFlag.rst : TcpFlag.rst | TcpFlag.ack,
    window: 0,
    options: NO_OPTIONS,
    bytes: NO_BYTES,
    at: 0,
    length: 0,
  };
}

/** Whether all flags in `mask` are set. */
export function has(segment: Segment, mask: number): boolean {
  return (segment.flags & mask) === mask;
}
