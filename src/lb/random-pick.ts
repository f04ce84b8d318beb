import type { Random } from "../sim/index.ts";
import { backendAt, type Candidate, totalWeight } from "./candidate.ts";

/** A backend at random, in proportion to the weights. Draws nothing when none has one. */
export function pickAtRandom<B extends Candidate>(random: Random, backends: readonly B[]): B | undefined {
  const total = totalWeight(backends);
  return total === 0 ? undefined : backendAt(backends, random.fraction() * total);
}
