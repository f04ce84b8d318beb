/** What a balancer looks at in a backend. */
export interface Candidate {
  readonly name: string;
  /** The share of new flows beside the others' weights; 0 gets none. */
  readonly weight: number;
  /** Connections it has now. */
  readonly active: number;
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
