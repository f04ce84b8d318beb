import type { FrameSink } from "./segmentation.ts";

/*
 * The shared memory of a ring: 64 bytes of control words, then the data. A record is its length and its segment size in four bytes each, then the frame, and
 * begins at a multiple of four. Positions count up for ever, modulo 2^32; the data's size is a power of two.
 */

const CONTROL_BYTES = 64;
const WRITTEN = 0;
const TAKEN = 1;
const READER_SLEEPS = 2;
const WRITER_WAITS = 3;
const HEAD_BYTES = 8;
/** In place of a length: the next record is at the data's beginning. */
const WRAP = -1;

/**
 * Takes the frame from `start` to `end`, for the call only. Where it is several TCP segments in one piece, `segmentSize` is the payload of each, as in a virtio
 * header, and its TCP checksum is yet to be computed; else it is 0.
 */
export type FrameUser = (bytes: Uint8Array, start: number, end: number, segmentSize: number) => void;

/** The memory for a ring of `bytes`, a power of two, to be shared between two threads. */
export function ringMemory(bytes: number): SharedArrayBuffer {
  return new SharedArrayBuffer(CONTROL_BYTES + bytes);
}

/** A queue of frames from one thread to another, without locks: one side writes, the other takes, and each tells the other when it goes to sleep. */
export class FrameRing implements FrameSink {
  /** The data, into which the writer writes frames and from which the reader takes them. */
  readonly bytes: Uint8Array;
  readonly #control: Int32Array;
  readonly #lengths: Int32Array;
  readonly #size: number;
  /** The writer's and the reader's own copies. */
  #written = 0;
  #taken = 0;
  /** Written, and not yet shown to the reader. */
  #reserved = 0;
  readonly #leastRecord: number;

  /** A record takes up at least `leastRecord` bytes, a multiple of four, so that the ring holds no more than so many frames; the same at both ends. */
  constructor(memory: SharedArrayBuffer, leastRecord: number = HEAD_BYTES) {
    this.#leastRecord = leastRecord;
    this.#size = memory.byteLength - CONTROL_BYTES;
    this.#control = new Int32Array(memory, 0, CONTROL_BYTES / 4);
    this.#lengths = new Int32Array(memory, CONTROL_BYTES);
    this.bytes = new Uint8Array(memory, CONTROL_BYTES);
  }

  /** For the writer: bytes that are free, a record's own eight included. */
  get free(): number {
    return this.#size - ((this.#written - Atomics.load(this.#control, TAKEN)) >>> 0);
  }

  reserve(length: number, segmentSize = 0): number {
    const needed = this.#recordLength(length);
    let at = this.#written & (this.#size - 1);
    const toEnd = this.#size - at;
    const skip = needed > toEnd ? toEnd : 0;
    if (skip + needed > this.free) return -1;
    if (skip > 0) {
      this.#lengths[at >> 2] = WRAP;
      at = 0;
    }
    this.#lengths[at >> 2] = length;
    this.#lengths[(at >> 2) + 1] = segmentSize;
    this.#reserved = (this.#written + skip + needed) | 0;
    return at + HEAD_BYTES;
  }

  commit(): void {
    this.#written = this.#reserved;
    Atomics.store(this.#control, WRITTEN, this.#written);
  }

  /** For the reader: hands over the next frame; false when there is none. */
  take(use: FrameUser): boolean {
    if (Atomics.load(this.#control, WRITTEN) === this.#taken) return false;
    let at = this.#taken & (this.#size - 1);
    let length = this.#lengths[at >> 2] as number;
    if (length === WRAP) {
      this.#taken = (this.#taken + this.#size - at) | 0;
      at = 0;
      length = this.#lengths[0] as number;
    }
    const start = at + HEAD_BYTES;
    use(this.bytes, start, start + length, this.#lengths[(at >> 2) + 1] as number);
    this.#taken = (this.#taken + this.#recordLength(length)) | 0;
    Atomics.store(this.#control, TAKEN, this.#taken);
    return true;
  }

  /** For the reader: true when it may go to sleep, to be woken by the writer; false when there is something after all. */
  readerSleeps(): boolean {
    return this.#sleep(READER_SLEEPS, () => Atomics.load(this.#control, WRITTEN) === this.#taken);
  }

  /** For the writer, after it has written: true when it has to wake the reader. */
  mustWakeReader(): boolean {
    return Atomics.exchange(this.#control, READER_SLEEPS, 0) === 1;
  }

  /** For the writer: true when it may wait until `bytes` are free, to be woken by the reader. */
  writerWaits(bytes: number): boolean {
    return this.#sleep(WRITER_WAITS, () => this.free < bytes);
  }

  /** For the reader, after it has taken: true when it has to wake the writer. */
  mustWakeWriter(): boolean {
    return Atomics.exchange(this.#control, WRITER_WAITS, 0) === 1;
  }

  #recordLength(length: number): number {
    return Math.max((HEAD_BYTES + length + 3) & ~3, this.#leastRecord);
  }

  #sleep(flag: number, nothing: () => boolean): boolean {
    Atomics.store(this.#control, flag, 1);
    if (nothing()) return true;
    Atomics.store(this.#control, flag, 0);
    return false;
  }
}
