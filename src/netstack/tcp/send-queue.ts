import { type Seq, seq, seqAdd, seqDiff } from "./seq.ts";

const SMALLEST_CAPACITY = 1024;
/** An empty queue gives a store larger than this back. */
const KEPT_CAPACITY = 131_072;

/** The bytes the program has written and the peer has not acknowledged, in one piece so that a segment can point into them. */
export class SendQueue {
  #store: Uint8Array = new Uint8Array(0);
  #head = 0;
  #length = 0;
  #first: Seq = seq(0);

  /** Sets the sequence number of the first byte ever written. */
  start(first: Seq): void {
    this.#first = first;
  }

  /** Sequence number of the first byte held. */
  get first(): Seq {
    return this.#first;
  }

  /** Sequence number after the last byte held. */
  get end(): Seq {
    return seqAdd(this.#first, this.#length);
  }

  get length(): number {
    return this.#length;
  }

  /** Where segments point into. */
  get store(): Uint8Array {
    return this.#store;
  }

  /** The place in {@link store} of the byte numbered `sequence`. */
  indexOf(sequence: Seq): number {
    return this.#head + seqDiff(sequence, this.#first);
  }

  append(bytes: Uint8Array): void {
    this.#makeRoom(bytes.length);
    this.#store.set(bytes, this.#head + this.#length);
    this.#length += bytes.length;
  }

  /** Forgets the first `count` bytes: they are acknowledged. */
  drop(count: number): void {
    this.#head += count;
    this.#length -= count;
    this.#first = seqAdd(this.#first, count);
    if (this.#length > 0) return;
    this.#head = 0;
    if (this.#store.length > KEPT_CAPACITY) this.#store = new Uint8Array(0);
  }

  /** Forgets everything: nobody will ask for it again. */
  clear(): void {
    this.#first = this.end;
    this.#length = 0;
    this.#head = 0;
    this.#store = new Uint8Array(0);
  }

  /** Moves the content to the front, or to a store of twice its size, so that each byte is moved once on average. */
  #makeRoom(count: number): void {
    if (this.#head + this.#length + count <= this.#store.length) return;
    const needed = this.#length + count;
    if (needed * 2 <= this.#store.length) {
      this.#store.copyWithin(0, this.#head, this.#head + this.#length);
    } else {
      const larger = new Uint8Array(Math.max(SMALLEST_CAPACITY, needed * 2));
      larger.set(this.#store.subarray(this.#head, this.#head + this.#length));
      this.#store = larger;
    }
    this.#head = 0;
  }
}
