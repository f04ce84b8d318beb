import { backendAt, type Candidate, totalWeight } from "./candidate.ts";

/** The hash modulo the sum of the weights, each backend having as many places as its weight. */
export function pickByHash<B extends Candidate>(hash: number, backends: readonly B[]): B | undefined {
  const total = totalWeight(backends);
  return total === 0 ? undefined : backendAt(backends, hash % total);
}
