import type { Candidate } from "./candidate.ts";

/**
 * The backend with the fewest connections for its weight. Among equals the next in the list after the one picked last, so that an idle pool is
 * used evenly (HAProxy's `leastconn` rotates among equals too).
 */
export class LeastConnections {
  #last: string | undefined;

  pick<B extends Candidate>(backends: readonly B[]): B | undefined {
    const start = backends.findIndex((backend) => backend.name === this.#last) + 1;
    let best: B | undefined;
    for (let i = 0; i < backends.length; i++) {
      const backend = backends[(start + i) % backends.length];
      if (backend === undefined || backend.weight <= 0) continue;
      // a/w < b/v without division: exact for whole numbers.
      if (best === undefined || backend.active * best.weight < best.active * backend.weight) best = backend;
    }
    this.#last = best?.name;
    return best;
  }
}
