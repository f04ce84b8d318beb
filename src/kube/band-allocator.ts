/** Chance as this folder needs it: a whole number from 0 to `count` − 1. */
export interface Chance {
  below(count: number): number;
}

/**
 * Hands out numbers from 0 to `size` − 1 as the API server does for cluster IPs and nodePorts (pkg/registry/core/service/allocator,
 * randomScanStrategyWithOffset): at random, scanning upwards from there, first in the upper band and only when that is full in the
 * lower one, which is meant for numbers that people choose themselves.
 */
export class BandAllocator {
  readonly #size: number;
  readonly #lowerBand: number;
  readonly #chance: Chance;
  readonly #taken = new Set<number>();

  constructor(size: number, lowerBand: number, chance: Chance) {
    this.#size = size;
    this.#lowerBand = lowerBand;
    this.#chance = chance;
  }

  /** Whether `number` is one of those handed out here. */
  includes(number: number): boolean {
    return Number.isInteger(number) && number >= 0 && number < this.#size;
  }

  /** Takes a number; false when it is taken already or out of range. */
  take(number: number): boolean {
    if (!this.includes(number) || this.#taken.has(number)) return false;
    this.#taken.add(number);
    return true;
  }

  /** Takes any free number; `undefined` when there is none. */
  takeAny(): number | undefined {
    if (this.#taken.size >= this.#size) return undefined;
    const found = this.#scan(this.#lowerBand, this.#size) ?? this.#scan(0, this.#lowerBand);
    if (found !== undefined) this.#taken.add(found);
    return found;
  }

  release(number: number): void {
    this.#taken.delete(number);
  }

  #scan(from: number, to: number): number | undefined {
    const count = to - from;
    if (count <= 0) return undefined;
    const start = this.#chance.below(count);
    for (let i = 0; i < count; i++) {
      const candidate = from + ((start + i) % count);
      if (!this.#taken.has(candidate)) return candidate;
    }
    return undefined;
  }
}

/** The size of the lower band: a share of the whole within limits, none at all for small ranges. */
export function lowerBand(size: number, share: number, limit: number): number {
  const SMALLEST = 16;
  if (size <= SMALLEST) return 0;
  return Math.min(Math.max(SMALLEST, Math.floor(size / share)), limit);
}
