import type { SackBlock } from "../wire/tcp-options.ts";
import { isAfter, isBefore, type Seq, seqAdd, seqDiff, seqMax, seqMin } from "./seq.ts";

const SMALLEST_CAPACITY = 1024;
/** An empty queue gives a store larger than this back. */
const KEPT_CAPACITY = 131_072;
/** Pieces between gaps; a peer that sends single bytes must not make us keep a list as long as the window. */
const MOST_RANGES = 1024;
/** Blocks remembered for SACK: what fits into the options without timestamps (RFC 2018 §3). */
const MOST_BLOCKS = 4;

interface Range {
  start: Seq;
  end: Seq;
}

/** What became of a piece of data: bytes by which the in-order part grew, or why it was not kept. */
export type Insertion = number | "too-many-gaps";

/**
 * Received data: the in-order part that the program may read, and pieces beyond gaps, in one store at the place they belong. `next` is
 * given by the caller: RCV.NXT, the sequence number after the in-order part.
 */
export class ReceiveQueue {
  #store: Uint8Array = new Uint8Array(0);
  #head = 0;
  #readable = 0;
  /** Beyond gaps: ascending, apart from each other. */
  readonly #ranges: Range[] = [];
  /** The same objects, most recently changed first (RFC 2018 §4). */
  readonly #recent: Range[] = [];

  /** In-order bytes not read yet. */
  get readable(): number {
    return this.#readable;
  }

  get hasGaps(): boolean {
    return this.#ranges.length > 0;
  }

  /** Bytes held beyond gaps. */
  get beyondGaps(): number {
    let count = 0;
    for (const range of this.#ranges) count += seqDiff(range.end, range.start);
    return count;
  }

  /** The sequence number after the last byte held; `undefined` when there is nothing beyond a gap. */
  get highest(): Seq | undefined {
    return this.#ranges.at(-1)?.end;
  }

  /** What to report in a SACK option, most recent block first. */
  get blocks(): readonly SackBlock[] {
    return this.#recent;
  }

  /** The held piece that contains `sequence`, for a report of data received twice (RFC 2883 §4). */
  blockAt(sequence: Seq): SackBlock | undefined {
    return this.#ranges.find((range) => !isBefore(sequence, range.start) && isBefore(sequence, range.end));
  }

  /** Stores data whose first byte is numbered `start`, not before `next`. */
  insert(start: Seq, next: Seq, data: { bytes: Uint8Array; at: number; length: number }): Insertion {
    const { bytes, at, length } = data;
    const offset = this.#readable + seqDiff(start, next);
    if (start !== next && this.#ranges.length >= MOST_RANGES) return "too-many-gaps";
    this.#reach(offset + length);
    if (length > 0) this.#store.set(bytes.subarray(at, at + length), this.#head + offset);
    if (start !== next) {
      this.#note(start, seqAdd(start, length));
      return 0;
    }
    const grown = this.#ranges.length === 0 ? length : this.#closeGap(next, length);
    this.#readable += grown;
    return grown;
  }

  /** Takes out up to `most` bytes: a view that is valid until the next insertion. */
  read(most: number): Uint8Array {
    const count = Math.max(0, Math.min(most, this.#readable));
    const taken = this.#store.subarray(this.#head, this.#head + count);
    this.#head += count;
    this.#readable -= count;
    if (this.#readable === 0 && this.#ranges.length === 0) {
      this.#head = 0;
      if (this.#store.length > KEPT_CAPACITY) this.#store = new Uint8Array(0);
    }
    return taken;
  }

  /** Forgets everything beyond gaps: the connection has ended. */
  discardGaps(): void {
    this.#ranges.length = 0;
    this.#recent.length = 0;
  }

  /** Merges what the in-order data from `next` has reached. Returns how far the in-order part grows. */
  #closeGap(next: Seq, length: number): number {
    let end = seqAdd(next, length);
    let reached = 0;
    for (const range of this.#ranges) {
      if (isAfter(range.start, end)) break;
      end = seqMax(end, range.end);
      this.#forget(range);
      reached++;
    }
    this.#ranges.splice(0, reached);
    return seqDiff(end, next);
  }

  /** Adds a piece beyond a gap, joining it with those it touches. */
  #note(start: Seq, end: Seq): void {
    const ranges = this.#ranges;
    let from = ranges.length;
    while (from > 0 && !isBefore((ranges[from - 1] as Range).end, start)) from--;
    let to = from;
    const merged: Range = { start, end };
    for (; to < ranges.length; to++) {
      const range = ranges[to] as Range;
      if (isAfter(range.start, end)) break;
      merged.start = seqMin(merged.start, range.start);
      merged.end = seqMax(merged.end, range.end);
      this.#forget(range);
    }
    ranges.splice(from, to - from, merged);
    this.#recent.unshift(merged);
    if (this.#recent.length > MOST_BLOCKS) this.#recent.length = MOST_BLOCKS;
  }

  #forget(range: Range): void {
    const at = this.#recent.indexOf(range);
    if (at >= 0) this.#recent.splice(at, 1);
  }

  /** Makes the store reach `count` bytes behind the head. */
  #reach(count: number): void {
    if (this.#head + count <= this.#store.length) return;
    const used = this.#used();
    if (count * 2 <= this.#store.length) {
      this.#store.copyWithin(0, this.#head, this.#head + used);
    } else {
      const larger = new Uint8Array(Math.max(SMALLEST_CAPACITY, count * 2));
      larger.set(this.#store.subarray(this.#head, Math.min(this.#store.length, this.#head + used)));
      this.#store = larger;
    }
    this.#head = 0;
  }

  /** Bytes from the head that may hold something. Beyond gaps that is not known exactly: the rest of the store. */
  #used(): number {
    return this.#ranges.length === 0 ? this.#readable : this.#store.length - this.#head;
  }
}
