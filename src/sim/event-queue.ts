import { assert } from "./assert.ts";
import type { Time } from "./time.ts";

/**
 * Something that can stand in the queue, once at a time. The queue owns the three numbers; the owner of the event keeps
 * the object and queues it again as often as it likes, so that neither timers nor links allocate per use.
 */
export interface QueuedEvent {
  time: Time;
  /** Breaks ties: rank first, then the order of insertion. */
  order: number;
  /** Place in the heap; -1 while not queued. */
  place: number;
  /** Its time has come. It is still queued, in front, and moves on or takes itself out: what is due again soon need not leave the heap. */
  fire(): void;
}

/** Ranks are kept above the insertion count in one number: rank × 2^48 + count stays exact. */
const RANK_STEP = 2 ** 48;

/** A binary heap of events ordered by (time, rank, insertion): the same calls give the same order on every run. */
export class EventQueue {
  readonly #heap: QueuedEvent[] = [];
  #inserted = 0;

  get length(): number {
    return this.#heap.length;
  }

  peek(): QueuedEvent | undefined {
    return this.#heap[0];
  }

  /** Queues `event` for `time`, moving it if it is queued already; at equal times lower ranks come first. */
  push(event: QueuedEvent, time: Time, rank: number): void {
    const order = rank * RANK_STEP + this.#inserted++;
    if (event.place < 0) {
      event.place = this.#heap.length;
      this.#heap.push(event);
    }
    event.time = time;
    event.order = order;
    this.#siftDown(this.#siftUp(event.place));
  }

  /** Takes `event` out; no effect when it is not queued. */
  remove(event: QueuedEvent): void {
    const place = event.place;
    if (place < 0) return;
    const last = this.#heap.pop();
    assert(last !== undefined, "a queued event is in the heap");
    event.place = -1;
    if (last === event) return;
    this.#put(last, place);
    this.#siftDown(this.#siftUp(place));
  }

  /** Takes out the first event. */
  pop(): QueuedEvent | undefined {
    const first = this.#heap[0];
    if (first !== undefined) this.remove(first);
    return first;
  }

  #put(event: QueuedEvent, place: number): void {
    this.#heap[place] = event;
    event.place = place;
  }

  #siftUp(start: number): number {
    const event = this.#at(start);
    let place = start;
    while (place > 0) {
      const up = (place - 1) >> 1;
      const parent = this.#at(up);
      if (!isBefore(event, parent)) break;
      this.#put(parent, place);
      place = up;
    }
    this.#put(event, place);
    return place;
  }

  #siftDown(start: number): void {
    const event = this.#at(start);
    const length = this.#heap.length;
    let place = start;
    for (;;) {
      let down = 2 * place + 1;
      if (down >= length) break;
      let child = this.#at(down);
      if (down + 1 < length) {
        const right = this.#at(down + 1);
        if (isBefore(right, child)) {
          child = right;
          down += 1;
        }
      }
      if (!isBefore(child, event)) break;
      this.#put(child, place);
      place = down;
    }
    this.#put(event, place);
  }

  #at(place: number): QueuedEvent {
    return this.#heap[place] as QueuedEvent;
  }
}

function isBefore(a: QueuedEvent, b: QueuedEvent): boolean {
  return a.time < b.time || (a.time === b.time && a.order < b.order);
}
