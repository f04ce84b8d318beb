import { Field, Last, RECORD_SHIFT, WINDOW_WORDS, Window, word } from "./flow-record.ts";
import type { TcpSegment } from "./tcp-segment.ts";

/*
 * TCP's part of a flow record: the two directions' windows (`struct ip_ct_tcp_state`) and the last segment seen (`struct ip_ct_tcp`,
 * include/linux/netfilter/nf_conntrack_tcp.h).
 */

/** Bits of `Window.flags`; the window scale stands above them. */
export const WindowFlag = {
  scale: 1,
  sackPermitted: 2,
  closeInitiated: 4,
  beLiberal: 8,
  unacknowledged: 16,
  maxAckSet: 32,
  /** Of an ignored SYN only: the answer may be a challenge ACK (RFC 5961 §4). */
  challenge: 64,
} as const;
const SCALE_SHIFT = 8;

/** Where the window of a direction begins. */
export function windowAt(slot: number, direction: number): number {
  return (slot << RECORD_SHIFT) + Field.windows + direction * WINDOW_WORDS;
}

export function lastAt(slot: number): number {
  return (slot << RECORD_SHIFT) + Field.last;
}

export function flagsOf(words: Int32Array, window: number): number {
  return word(words, window + Window.flags);
}

export function addFlags(words: Int32Array, window: number, bits: number): void {
  words[window + Window.flags] = word(words, window + Window.flags) | bits;
}

export function clearFlags(words: Int32Array, window: number, bits: number): void {
  words[window + Window.flags] = word(words, window + Window.flags) & ~bits;
}

export function scaleOf(words: Int32Array, window: number): number {
  return word(words, window + Window.flags) >>> SCALE_SHIFT;
}

export function clearScale(words: Int32Array, window: number): void {
  words[window + Window.flags] = word(words, window + Window.flags) & ((1 << SCALE_SHIFT) - 1);
}

/** What a SYN's options say, as a word for `Window.flags`. */
export function optionFlags(segment: TcpSegment): number {
  const scale = segment.windowScale;
  const flags = segment.permitsSack ? WindowFlag.sackPermitted : 0;
  return scale < 0 ? flags : flags | WindowFlag.scale | (scale << SCALE_SHIFT);
}

/** The last segment's kind, direction and repetitions share a word: kind, direction × 16, count × 256, and the flags of an ignored SYN × 65536. */
export function lastKind(words: Int32Array, slot: number): number {
  return word(words, lastAt(slot) + Last.kind) & 7;
}

export function lastDirection(words: Int32Array, slot: number): number {
  return (word(words, lastAt(slot) + Last.kind) >>> 4) & 1;
}

export function setLast(words: Int32Array, slot: number, kind: number, direction: number): void {
  const at = lastAt(slot) + Last.kind;
  words[at] = (word(words, at) & ~0xff) | (direction << 4) | kind;
}

export function repetitions(words: Int32Array, slot: number): number {
  return (word(words, lastAt(slot) + Last.kind) >>> 8) & 0xff;
}

export function setRepetitions(words: Int32Array, slot: number, count: number): void {
  const at = lastAt(slot) + Last.kind;
  words[at] = (word(words, at) & ~0xff00) | (Math.min(count, 255) << 8);
}

/** Flags of the SYN that was let through without effect, as {@link optionFlags} gives them. */
export function ignoredSynFlags(words: Int32Array, slot: number): number {
  return word(words, lastAt(slot) + Last.kind) >>> 16;
}

export function setIgnoredSynFlags(words: Int32Array, slot: number, flags: number): void {
  const at = lastAt(slot) + Last.kind;
  words[at] = (word(words, at) & 0xffff) | (flags << 16);
}

/** Sequence numbers modulo 2^32 (RFC 9293 §3.4). */
export function isBefore(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}

export function isAfter(a: number, b: number): boolean {
  return ((b - a) | 0) < 0;
}
