import type { Time } from "../../sim/index.ts";
import { isAfter, isBefore, type Seq, seq, seqAdd, seqDiff } from "./seq.ts";

/** One segment that was sent and is not acknowledged cumulatively: an entry of the scoreboard (RFC 6675 §3). */
export interface Flown {
  start: Seq;
  /** After its last sequence number, SYN and FIN counted. */
  end: Seq;
  /** Flags it was sent with. */
  flags: number;
  /** Where the piece begins in which it was handed down first (train.ts). */
  train: Seq;
  /** When it was last sent. */
  sentAt: Time;
  sacked: boolean;
  lost: boolean;
  /** It was sent more than once. */
  repeated: boolean;
  /** Its repetition is on the way. */
  repeating: boolean;
}

/** The segments in flight, by sequence number, with Linux's counts: `packets_out`, `sacked_out`, `lost_out` and `retrans_out`. */
export class Flight {
  #records: Flown[] = [];
  #head = 0;
  sacked = 0;
  lost = 0;
  repeating = 0;
  /** Records that are lost and not being repeated, and a sequence number not after the first of them. */
  #waiting = 0;
  #searchFrom: Seq = seq(0);

  /** Segments sent and not acknowledged cumulatively. */
  get count(): number {
    return this.#records.length - this.#head;
  }

  /** The estimate of segments in the network: `tcp_packets_in_flight` (include/net/tcp.h). */
  get inNetwork(): number {
    return this.count - this.sacked - this.lost + this.repeating;
  }

  get first(): Flown | undefined {
    return this.#records[this.#head];
  }

  get last(): Flown | undefined {
    return this.count > 0 ? this.#records[this.#records.length - 1] : undefined;
  }

  /** The record at `index`, counted from the oldest. */
  at(index: number): Flown | undefined {
    return this.#records[this.#head + index];
  }

  push(record: Flown): void {
    this.#records.push(record);
  }

  /** Takes the oldest record off the scoreboard. */
  shift(): void {
    const record = this.#records[this.#head];
    if (record === undefined) return;
    this.clearSacked(record);
    this.clearLost(record);
    this.clearRepeating(record);
    this.#head++;
    if (this.#head === this.#records.length) {
      this.#records.length = 0;
      this.#head = 0;
    } else if (this.#head >= 256 && this.#head * 2 >= this.#records.length) {
      this.#records.splice(0, this.#head);
      this.#head = 0;
    }
  }

  /** Index of the first record that ends after `sequence`. */
  indexAfter(sequence: Seq): number {
    let low = this.#head;
    let high = this.#records.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (isAfter((this.#records[middle] as Flown).end, sequence)) high = middle;
      else low = middle + 1;
    }
    return low - this.#head;
  }

  /** Puts a record into two, the first ending at `at`, because segments have become shorter. */
  split(index: number, at: Seq): void {
    const record = this.at(index);
    if (record === undefined || !isBefore(record.start, at) || !isBefore(at, record.end)) return;
    const rest: Flown = { ...record, start: at };
    record.end = at;
    record.flags &= ~FLAGS_OF_LAST;
    if (record.sacked) this.sacked++;
    if (record.lost) this.lost++;
    if (record.repeating) this.repeating++;
    if (record.lost && !record.repeating) this.#waiting++;
    this.#records.splice(this.#head + index + 1, 0, rest);
  }

  /** Cuts pieces that were handed down whole anew, into segments with `room` bytes; those of which something is marked stay as they are. */
  recut(room: number): void {
    const records = this.#records.slice(this.#head);
    const cut: Flown[] = [];
    let from = 0;
    while (from < records.length) {
      const { train } = records[from] as Flown;
      let to = from;
      while (to < records.length && isUnmarkedPartOf(records[to] as Flown, train)) to++;
      const run = records.slice(from, Math.max(to, from + 1));
      const isTooLong = to > from && run.some((each) => flownLength(each) > room);
      cut.push(...(isTooLong ? cutRun(run, room) : run));
      from += run.length;
    }
    this.#records = cut;
    this.#head = 0;
  }

  markSacked(record: Flown): void {
    if (record.sacked) return;
    record.sacked = true;
    this.sacked++;
    this.clearRepeating(record);
    this.clearLost(record);
  }

  clearSacked(record: Flown): void {
    if (!record.sacked) return;
    record.sacked = false;
    this.sacked--;
  }

  /** Lost, or lost again after it was repeated: waits to be sent. */
  markLost(record: Flown): void {
    this.clearRepeating(record);
    if (record.lost) return;
    record.lost = true;
    this.lost++;
    this.#waiting++;
    if (this.#waiting === 1 || isBefore(record.start, this.#searchFrom)) this.#searchFrom = record.start;
  }

  clearLost(record: Flown): void {
    if (!record.lost) return;
    record.lost = false;
    this.lost--;
    if (!record.repeating) this.#waiting--;
  }

  markRepeating(record: Flown): void {
    record.repeated = true;
    if (record.repeating) return;
    record.repeating = true;
    this.repeating++;
    if (record.lost) this.#waiting--;
  }

  clearRepeating(record: Flown): void {
    if (!record.repeating) return;
    record.repeating = false;
    this.repeating--;
    if (!record.lost) return;
    this.#waiting++;
    if (this.#waiting === 1 || isBefore(record.start, this.#searchFrom)) this.#searchFrom = record.start;
  }

  /** Whether a lost segment waits to be repeated. */
  get hasWaiting(): boolean {
    return this.#waiting > 0;
  }

  /** Index of the first lost segment that is not being repeated; −1 when there is none. */
  nextWaiting(): number {
    if (this.#waiting === 0) return -1;
    for (let index = this.indexAfter(this.#searchFrom); index < this.count; index++) {
      const record = this.at(index);
      if (record?.lost !== true || record.repeating) continue;
      this.#searchFrom = record.start;
      return index;
    }
    return -1;
  }

  clear(): void {
    this.#records = [];
    this.#head = 0;
    this.sacked = 0;
    this.lost = 0;
    this.repeating = 0;
    this.#waiting = 0;
  }
}

/** FIN and PSH stay with the last piece. */
const FLAGS_OF_LAST = 1 | 8;

const PUSH = 8;

function isUnmarkedPartOf(record: Flown, train: Seq): boolean {
  return record.train === train && !record.sacked && !record.lost && !record.repeating;
}

/** The last segment of several has PSH; a FIN goes with it. */
function cutRun(run: readonly Flown[], room: number): Flown[] {
  const first = run[0] as Flown;
  const last = run[run.length - 1] as Flown;
  const total = seqDiff(last.end, first.start) - (last.flags & 1);
  const pieces: Flown[] = [];
  for (let offset = 0; offset < total; offset += room) {
    const isLast = offset + room >= total;
    const end = isLast ? last.end : seqAdd(first.start, offset + room);
    const flags = isLast ? last.flags | (offset > 0 ? PUSH : 0) : first.flags & ~FLAGS_OF_LAST;
    pieces.push({ ...first, start: seqAdd(first.start, offset), end, flags });
  }
  return pieces;
}

/** Sequence numbers that a record covers. */
export function flownLength(record: Flown): number {
  return seqDiff(record.end, record.start);
}
