import { getU8, getU16, getU32 } from "./big-endian.ts";

const NOTHING = new Uint8Array(0);

/**
 * A position that moves through bytes. Reading past `end` gives zeros and sets `failed`, which stays set: a parser reads
 * a whole structure and asks once.
 */
export class ByteReader {
  readonly bytes: Uint8Array;
  readonly end: number;
  at: number;
  failed = false;

  constructor(bytes: Uint8Array, at = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  /** Bytes not read yet. */
  get left(): number {
    return this.end - this.at;
  }

  u8(): number {
    return this.#has(1) ? getU8(this.bytes, this.#take(1)) : 0;
  }

  u16(): number {
    return this.#has(2) ? getU16(this.bytes, this.#take(2)) : 0;
  }

  u32(): number {
    return this.#has(4) ? getU32(this.bytes, this.#take(4)) : 0;
  }

  /** A copy of the next `count` bytes. */
  raw(count: number): Uint8Array {
    if (!this.#has(count)) return NOTHING;
    const at = this.#take(count);
    return this.bytes.slice(at, at + count);
  }

  /** A reader of the next `count` bytes alone, which this one then has behind it. */
  within(count: number): ByteReader {
    if (!this.#has(count)) return new ByteReader(this.bytes, this.at, this.at);
    const at = this.#take(count);
    return new ByteReader(this.bytes, at, at + count);
  }

  /** Marks what is read as wrong. */
  fail(): void {
    this.failed = true;
  }

  #has(count: number): boolean {
    if (this.left < count) this.failed = true;
    return !this.failed;
  }

  #take(count: number): number {
    const at = this.at;
    this.at += count;
    return at;
  }
}
