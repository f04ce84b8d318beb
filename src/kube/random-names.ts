import type { Chance } from "./band-allocator.ts";

/** The letters of generated names: no vowels and nothing that looks like one, so that no words come out (apimachinery rand). */
const SAFE_LETTERS = "bcdfghjklmnpqrstvwxz2456789";

/** Five letters, as the API server puts behind a `generateName`. */
export function randomSuffix(chance: Chance): string {
  return Array.from({ length: 5 }, () => SAFE_LETTERS[chance.below(SAFE_LETTERS.length)]).join("");
}

/**
 * The hash of a Pod template that stands in the names of a Deployment's Pods. Kubernetes hashes a Go printout of the template, so its
 * hashes are others, but of the same kind: the digits of an FNV-1a sum, as safe letters.
 */
export function templateHash(template: object): string {
  const known = hashes.get(template) ?? hashOf(template);
  hashes.set(template, known);
  return known;
}

/** A template is asked for its hash each time its Deployment is looked at. */
const hashes = new WeakMap<object, string>();

function hashOf(template: object): string {
  const text = JSON.stringify(template) ?? "";
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  const digits = String(hash >>> 0);
  return [...digits].map((digit) => SAFE_LETTERS[digit.charCodeAt(0) % SAFE_LETTERS.length]).join("");
}
