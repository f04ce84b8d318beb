import { getU8, getU16, getU32, setU8, setU16, setU32 } from "../bytes.ts";
import { TCP_HEADER_LENGTH, TCP_LONGEST_HEADER } from "./tcp.ts";

/** Option kinds: RFC 9293 §3.2, RFC 7323, RFC 2018. */
const KIND = { end: 0, noOperation: 1, mss: 2, windowScale: 3, sackPermitted: 4, sack: 5, timestamps: 8 } as const;

/** One block of received bytes, `start` up to but not including `end` (RFC 2018 §3). */
export interface SackBlock {
  readonly start: number;
  readonly end: number;
}

/** The options of a segment that natscope reads; others are skipped. */
export interface TcpOptions {
  readonly mss?: number;
  readonly windowScale?: number;
  readonly sackPermitted?: boolean;
  readonly timestamps?: { readonly value: number; readonly echo: number };
  readonly sack?: readonly SackBlock[];
}

/**
 * Reads the options between the fixed header at `at` and `at + headerLength`. Unknown and malformed options are skipped; a length
 * that cannot be true ends the reading, as in `tcp_parse_options` (net/ipv4/tcp_input.c).
 */
export function parseTcpOptions(bytes: Uint8Array, at: number, headerLength: number): TcpOptions {
  const options: { -readonly [K in keyof TcpOptions]: TcpOptions[K] } = {};
  const end = at + headerLength;
  let i = at + TCP_HEADER_LENGTH;
  while (i < end) {
    const kind = getU8(bytes, i);
    if (kind === KIND.end) break;
    if (kind === KIND.noOperation) {
      i += 1;
      continue;
    }
    const length = i + 1 < end ? getU8(bytes, i + 1) : 0;
    if (length < 2 || i + length > end) break;
    if (kind === KIND.mss && length === 4) options.mss = getU16(bytes, i + 2);
    else if (kind === KIND.windowScale && length === 3) options.windowScale = getU8(bytes, i + 2);
    else if (kind === KIND.sackPermitted && length === 2) options.sackPermitted = true;
    else if (kind === KIND.timestamps && length === 10)
      options.timestamps = { value: getU32(bytes, i + 2), echo: getU32(bytes, i + 6) };
    else if (kind === KIND.sack && length >= 10 && (length - 2) % 8 === 0)
      options.sack = readSack(bytes, i + 2, i + length);
    i += length;
  }
  return options;
}

function readSack(bytes: Uint8Array, at: number, end: number): SackBlock[] {
  const blocks: SackBlock[] = [];
  for (let i = at; i < end; i += 8) blocks.push({ start: getU32(bytes, i), end: getU32(bytes, i + 4) });
  return blocks;
}

/** Bytes that {@link emitTcpOptions} will write: a multiple of four, at most 40. */
export function tcpOptionsLength(options: TcpOptions): number {
  let length = 0;
  if (options.mss !== undefined) length += 4;
  if (options.timestamps !== undefined) length += options.sackPermitted ? 10 : 12;
  if (options.sackPermitted) length += options.timestamps === undefined ? 4 : 2;
  if (options.windowScale !== undefined) length += 4;
  if (options.sack?.length) length += 4 + 8 * sackBlocksThatFit(options);
  return length;
}

function sackBlocksThatFit(options: TcpOptions): number {
  const room = TCP_LONGEST_HEADER - TCP_HEADER_LENGTH - (options.timestamps === undefined ? 0 : 12) - 4;
  return Math.min(options.sack?.length ?? 0, Math.floor(room / 8));
}

/**
 * Writes options in Linux's order and padding (`tcp_options_write`, net/ipv4/tcp_output.c): MSS, SACK-permitted, timestamps, window
 * scale on a SYN; timestamps, then SACK blocks on others. Returns the bytes written.
 */
export function emitTcpOptions(options: TcpOptions, bytes: Uint8Array, at: number): number {
  let i = at;
  if (options.mss !== undefined) {
    setU16(bytes, i, (KIND.mss << 8) | 4);
    setU16(bytes, i + 2, options.mss);
    i += 4;
  }
  if (options.timestamps !== undefined) {
    setU16(
      bytes,
      i,
      options.sackPermitted ? (KIND.sackPermitted << 8) | 2 : (KIND.noOperation << 8) | KIND.noOperation,
    );
    setU16(bytes, i + 2, (KIND.timestamps << 8) | 10);
    setU32(bytes, i + 4, options.timestamps.value);
    setU32(bytes, i + 8, options.timestamps.echo);
    i += 12;
  } else if (options.sackPermitted) {
    setU16(bytes, i, (KIND.noOperation << 8) | KIND.noOperation);
    setU16(bytes, i + 2, (KIND.sackPermitted << 8) | 2);
    i += 4;
  }
  if (options.windowScale !== undefined) {
    setU16(bytes, i, (KIND.noOperation << 8) | KIND.windowScale);
    setU16(bytes, i + 2, (3 << 8) | options.windowScale);
    i += 4;
  }
  return emitSack(options, bytes, i) - at;
}

function emitSack(options: TcpOptions, bytes: Uint8Array, at: number): number {
  if (!options.sack?.length) return at;
  const count = sackBlocksThatFit(options);
  setU16(bytes, at, (KIND.noOperation << 8) | KIND.noOperation);
  setU8(bytes, at + 2, KIND.sack);
  setU8(bytes, at + 3, 2 + 8 * count);
  let i = at + 4;
  for (const block of options.sack.slice(0, count)) {
    setU32(bytes, i, block.start);
    setU32(bytes, i + 4, block.end);
    i += 8;
  }
  return i;
}
