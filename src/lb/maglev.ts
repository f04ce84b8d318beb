import type { Candidate } from "./candidate.ts";
import { hashName } from "./flow.ts";

/** Prime and a hundred times more than the backends there may be: the paper's small table (Eisenbud et al., NSDI 2016, §3.4). */
const DEFAULT_TABLE_SIZE = 65537;
const OFFSET_SALT = 0x6f666673;
const SKIP_SALT = 0x736b6970;

/** Maglev hashing: a lookup table that is rebuilt when the backends or their weights change. */
export class Maglev {
  readonly #size: number;
  #key: readonly string[] = [];
  #table: Uint16Array = new Uint16Array(0);

  constructor(size: number = DEFAULT_TABLE_SIZE) {
    if (!isPrime(size))
      throw new RangeError(`Cannot build a Maglev table of ${size} entries: the size must be a prime`);
    this.#size = size;
  }

  pick<B extends Candidate>(hash: number, backends: readonly B[]): B | undefined {
    this.#refresh(backends);
    const place = this.#table[hash % this.#size];
    return place === undefined || place === NOBODY ? undefined : backends[place];
  }

  #refresh(backends: readonly Candidate[]): void {
    const same =
      backends.length * 2 === this.#key.length &&
      backends.every((b, i) => this.#key[i * 2] === b.name && this.#key[i * 2 + 1] === String(b.weight));
    if (same) return;
    this.#key = backends.flatMap((backend) => [backend.name, String(backend.weight)]);
    this.#table = buildMaglevTable(backends, this.#size);
  }
}

const NOBODY = 0xffff;

/**
 * The table of §3.4: each backend has a permutation of the places, from its name alone; they take turns to claim the next free place of their own
 * permutation until all are taken. Shares differ by at most one place with equal weights; with others a backend gets its turn as often as its weight
 * is to the heaviest. Entries are positions in `backends`; all are 65535 when nobody has a weight.
 */
export function buildMaglevTable(backends: readonly Pick<Candidate, "name" | "weight">[], size: number): Uint16Array {
  const table = new Uint16Array(size).fill(NOBODY);
  const claims = backends.map(({ name, weight }) => ({
    next: hashName(name, OFFSET_SALT) % size,
    skip: (hashName(name, SKIP_SALT) % (size - 1)) + 1,
    weight,
    credit: 0,
  }));
  const heaviest = Math.max(0, ...claims.map(({ weight }) => weight));
  if (heaviest <= 0) return table;
  for (let filled = 0; filled < size; ) {
    for (let i = 0; i < claims.length && filled < size; i++) {
      const claim = claims[i];
      if (claim === undefined || claim.weight <= 0) continue;
      claim.credit += claim.weight;
      if (claim.credit < heaviest) continue;
      claim.credit -= heaviest;
      while (table[claim.next] !== NOBODY) claim.next = (claim.next + claim.skip) % size;
      table[claim.next] = i;
      filled += 1;
    }
  }
  return table;
}

function isPrime(n: number): boolean {
  if (!Number.isInteger(n) || n < 2) return false;
  for (let i = 2; i * i <= n; i++) if (n % i === 0) return false;
  return true;
}
