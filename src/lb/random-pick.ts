import type { Random } from "../sim/index.ts";
import type { Candidate } from "./balancer.ts";

/** A backend at random, in proportion to the weights. Draws nothing when none has one. */
export function pickAtRandom<B extends Candidate>(random: Random, backends: readonly B[]): B | undefined {
  const total = totalWeight(backends);
  return total === 0 ? undefined : backendAt(backends, random.fraction() * total);
}

/** The sum of the positive weights. */
export function totalWeight(backends: readonly Candidate[]): number {
  let total = 0;
  for (const { weight } of backends) if (weight > 0) total += weight;
  return total;
}

/** The backend whose part of the line from 0 to the total weight holds `place`. */
export function backendAt<B extends Candidate>(backends: readonly B[], place: number): B | undefined {
  let left = place;
  let last: B | undefined;
  for (const backend of backends) {
    if (backend.weight <= 0) continue;
    if (left < backend.weight) return backend;
    left -= backend.weight;
    last = backend;
  }
  return last;
}
