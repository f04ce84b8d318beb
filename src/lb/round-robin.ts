import type { Candidate } from "./candidate.ts";

/**
 * Weighted round robin without bursts, as nginx does it: each backend earns its weight in every round, the richest is picked and pays the sum.
 * With weights 5, 1, 1 the order is a a b a c a a. When backends come or go a new rotation begins behind the one picked last.
 */
export class RoundRobin {
  #members: readonly string[] = [];
  /** By place in the list. */
  #credits: number[] = [];
  /** Where the rotation begins: ties go to the first behind it. */
  #start = 0;
  #last = -1;

  /** The next in turn; `pin` takes this turn when given, and the rotation goes on behind it. */
  pick<B extends Candidate>(backends: readonly B[], pin?: B): B | undefined {
    this.#follow(backends);
    if (pin !== undefined) this.#start = backends.indexOf(pin);
    let total = 0;
    let best = -1;
    for (let i = 0; i < backends.length; i++) {
      const place = (this.#start + i) % backends.length;
      const weight = backends[place]?.weight ?? 0;
      if (weight <= 0) continue;
      total += weight;
      this.#credits[place] = this.#credit(place) + weight;
      if (best < 0 || this.#credit(place) > this.#credit(best)) best = place;
    }
    if (pin !== undefined) best = this.#start;
    if (best < 0) return undefined;
    this.#credits[best] = this.#credit(best) - total;
    this.#last = best;
    return backends[best];
  }

  #credit(place: number): number {
    return this.#credits[place] ?? 0;
  }

  #follow(backends: readonly Candidate[]): void {
    const same = backends.length === this.#members.length && backends.every(({ name }, i) => name === this.#members[i]);
    if (same) return;
    const last = this.#members[this.#last];
    const place = backends.findIndex(({ name }) => name === last);
    // Whoever moved up into the place of one that left is next.
    this.#start = backends.length === 0 ? 0 : (place < 0 ? Math.max(this.#last, 0) : place + 1) % backends.length;
    this.#members = backends.map(({ name }) => name);
    this.#credits = [];
  }
}
