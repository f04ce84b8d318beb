import type { Candidate } from "./candidate.ts";
import { hashName, hashWords } from "./flow.ts";

/**
 * Highest random weight (Thaler and Ravishankar): every backend draws a number from the flow's hash and its own name, the highest wins. Who leaves
 * takes only its own flows along. Weights by −w / ln u (Schindelhauer and Schomaker).
 */
export function pickByRendezvous<B extends Candidate>(hash: number, backends: readonly B[]): B | undefined {
  let best: B | undefined;
  let highest = 0;
  for (const backend of backends) {
    if (backend.weight <= 0) continue;
    const score = scoreOf(hash, backend);
    if (best === undefined || score > highest) {
      best = backend;
      highest = score;
    }
  }
  return best;
}

function scoreOf(hash: number, backend: Candidate): number {
  // Never 0 or 1, where the logarithm has no use.
  const u = (hashWords(hash, hashName(backend.name, 0)) + 0.5) / 2 ** 32;
  return -backend.weight / Math.log(u);
}
