/** What draws: a {@link Random}, or somebody who wants to see what is drawn and say what comes. */
export type Draws = Pick<Random, "u32" | "below">;

/**
 * A seeded source of chance: xoshiro128** (Blackman and Vigna), seeded through SplitMix32. Every node and link takes its own
 * stream with {@link fork}, so that adding a host does not change everybody else's losses and ports.
 */
export class Random {
  readonly #seed: number;
  #a: number;
  #b: number;
  #c: number;
  #d: number;

  constructor(seed: number) {
    this.#seed = seed >>> 0;
    this.#a = splitMix(this.#seed + 0x9e3779b9);
    this.#b = splitMix(this.#seed + 0x3c6ef372);
    this.#c = splitMix(this.#seed + 0xdaa66d2b);
    this.#d = splitMix(this.#seed + 0x78dde6e4) | 1;
  }

  /** A stream of its own for `label`; depends on this stream's seed and the label, not on what was drawn before. */
  fork(label: string): Random {
    return new Random(splitMix(this.#seed ^ hashText(label)));
  }

  /** A whole number from 0 to 2^32 − 1. */
  u32(): number {
    const result = Math.imul(rotateLeft(Math.imul(this.#b, 5), 7), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = rotateLeft(this.#d, 11);
    return result;
  }

  /** A whole number from 0 to `count` − 1, for 1 ≤ `count` ≤ 2^32. */
  below(count: number): number {
    return Math.floor((this.u32() / 2 ** 32) * count);
  }

  /** A fraction, 0 ≤ f < 1. */
  fraction(): number {
    return this.u32() / 2 ** 32;
  }

  /** True with the given probability. Draws nothing when the answer is certain. */
  chance(probability: number): boolean {
    if (probability <= 0) return false;
    return probability >= 1 || this.fraction() < probability;
  }
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

/** One output of SplitMix32: mixes nearby seeds far apart. */
function splitMix(seed: number): number {
  let z = seed | 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}

/** FNV-1a over UTF-16 units. */
function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
