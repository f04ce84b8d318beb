import type { Direction } from "./captured-packet.ts";
import type { OutgoingPacket } from "./pcapng.ts";

/** What a capture takes from a frame; the simulator's `Frame` is one. */
export interface CapturableFrame {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** The same on every copy and every rewritten form of one packet; 0 when there is none. */
  readonly lineage: number;
  /** When the frame is where it is, in nanoseconds since the run's start. */
  readonly at: number;
}

/** Where a frame was seen. */
export interface Sighting {
  readonly interfaceId: number;
  readonly direction: Direction;
  /** The frame's own time, or later when that has been written past. */
  readonly time: number;
}

/** A record that can still be annotated. The object and its buffer are used again once the record is written. */
export interface PendingRecord extends OutgoingPacket {
  interfaceId: number;
  direction: Direction;
  time: number;
  packetId: number;
  bytes: Uint8Array;
  start: number;
  end: number;
  comment: string;
  /** Unique over the run; 0 while the slot is free. Modulo the capacity it is the slot's index. */
  handle: number;
  readonly index: number;
  /** Neighbours in time order; `later` also links the free slots. */
  earlier: PendingRecord | undefined;
  later: PendingRecord | undefined;
  /** The next older record whose lineage falls into the same bucket. */
  olderInBucket: PendingRecord | undefined;
}

const BUCKETS = 1024;
const FIRST_BUFFER_BYTES = 256;
/** A slot that once held a giant does not keep its buffer. */
const KEPT_BUFFER_BYTES = 4096;

/**
 * Copies of recorded frames in time order, insertion order at equal times. Frames come nearly in order (a box stamps them a few
 * µs ahead of the clock), so a new one finds its place in a doubly linked list after a few steps from the newest.
 */
export class PendingRecords {
  readonly capacity: number;
  readonly #slots: PendingRecord[] = [];
  readonly #buckets: (PendingRecord | undefined)[] = new Array<PendingRecord | undefined>(BUCKETS).fill(undefined);
  #free: PendingRecord | undefined;
  #oldest: PendingRecord | undefined;
  #newest: PendingRecord | undefined;
  #size = 0;
  #serial = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
  }

  get oldest(): PendingRecord | undefined {
    return this.#oldest;
  }

  get isFull(): boolean {
    return this.#size >= this.capacity;
  }

  /** Copies the frame in; returns the record's handle. Only while `isFull` is false. */
  add(sighting: Sighting, frame: CapturableFrame): number {
    const record = this.#take();
    record.interfaceId = sighting.interfaceId;
    record.direction = sighting.direction;
    record.time = sighting.time;
    record.packetId = frame.lineage;
    record.comment = "";
    copyBytes(record, frame);
    this.#insert(record);
    const bucket = bucketOf(frame.lineage);
    record.olderInBucket = this.#buckets[bucket];
    this.#buckets[bucket] = record;
    this.#size += 1;
    this.#serial += 1;
    record.handle = this.#serial * this.capacity + record.index;
    return record.handle;
  }

  /** Takes the oldest record out; its content is valid until the next `add`. */
  removeOldest(): PendingRecord | undefined {
    const record = this.#oldest;
    if (record === undefined) return undefined;
    this.#oldest = record.later;
    if (record.later === undefined) this.#newest = undefined;
    else record.later.earlier = undefined;
    this.#removeFromBucket(record);
    this.#size -= 1;
    record.handle = 0;
    record.later = this.#free;
    this.#free = record;
    return record;
  }

  /** The pending record with this handle; undefined once it is written. */
  find(handle: number): PendingRecord | undefined {
    const record = this.#slots[handle % this.capacity];
    return record !== undefined && record.handle === handle ? record : undefined;
  }

  /** The record of this lineage that was added last, at one interface or at any. */
  findLatest(lineage: number, interfaceId: number | undefined): PendingRecord | undefined {
    let record = this.#buckets[bucketOf(lineage)];
    while (record !== undefined) {
      if (record.packetId === lineage && (interfaceId === undefined || record.interfaceId === interfaceId))
        return record;
      record = record.olderInBucket;
    }
    return undefined;
  }

  #take(): PendingRecord {
    const free = this.#free;
    if (free !== undefined) {
      this.#free = free.later;
      return free;
    }
    const slot = emptySlot(this.#slots.length);
    this.#slots.push(slot);
    return slot;
  }

  #insert(record: PendingRecord): void {
    let before = this.#newest;
    while (before !== undefined && before.time > record.time) before = before.earlier;
    const after = before === undefined ? this.#oldest : before.later;
    record.earlier = before;
    record.later = after;
    if (before === undefined) this.#oldest = record;
    else before.later = record;
    if (after === undefined) this.#newest = record;
    else after.earlier = record;
  }

  #removeFromBucket(record: PendingRecord): void {
    const bucket = bucketOf(record.packetId);
    const first = this.#buckets[bucket];
    if (first === record) {
      this.#buckets[bucket] = record.olderInBucket;
      return;
    }
    let newer = first;
    while (newer !== undefined && newer.olderInBucket !== record) newer = newer.olderInBucket;
    if (newer !== undefined) newer.olderInBucket = record.olderInBucket;
  }
}

function emptySlot(index: number): PendingRecord {
  return {
    interfaceId: 0,
    direction: "in",
    time: 0,
    packetId: 0,
    bytes: new Uint8Array(FIRST_BUFFER_BYTES),
    start: 0,
    end: 0,
    comment: "",
    handle: 0,
    index,
    earlier: undefined,
    later: undefined,
    olderInBucket: undefined,
  };
}

function copyBytes(record: PendingRecord, frame: CapturableFrame): void {
  const length = frame.end - frame.start;
  const size = record.bytes.length;
  if (length > size || (size > KEPT_BUFFER_BYTES && length <= KEPT_BUFFER_BYTES)) {
    record.bytes = new Uint8Array(Math.max(FIRST_BUFFER_BYTES, 2 ** Math.ceil(Math.log2(length))));
  }
  record.bytes.set(frame.bytes.subarray(frame.start, frame.end));
  record.end = length;
}

function bucketOf(lineage: number): number {
  return lineage & (BUCKETS - 1);
}
