import type { Random } from "../sim/index.ts";
import type { Candidate } from "./candidate.ts";
import { type Flow, type HashKey, hashFlow } from "./flow.ts";
import { pickByHash } from "./hash-pick.ts";
import { LeastConnections } from "./least-connections.ts";
import { Maglev } from "./maglev.ts";
import { pickAtRandom } from "./random-pick.ts";
import { pickByRendezvous } from "./rendezvous.ts";
import { RoundRobin } from "./round-robin.ts";

/** Says to which backend a new flow goes. Later packets of the flow are the flow table's affair, not a balancer's. */
export interface Balancer {
  readonly method: BalancingMethod;
  /** One of `backends`, or `undefined` when none of them has a weight. */
  pick<B extends Candidate>(flow: Flow, backends: readonly B[]): B | undefined;
}

/** How a balancer picks. Those with a `key` give equal flows equal answers as long as the backends stay the same. */
export type BalancingMethod =
  | { readonly kind: "round-robin" }
  | { readonly kind: "least-connections" }
  | { readonly kind: "random" }
  /** A hash modulo the weights: a change of the backends moves nearly every flow. */
  | { readonly kind: "hash"; readonly key: HashKey }
  /** Highest random weight: only the flows of a backend that left move. */
  | { readonly kind: "rendezvous"; readonly key: HashKey }
  /** Google's lookup table; `tableSize` is a prime, 65537 unless told. */
  | { readonly kind: "maglev"; readonly key: HashKey; readonly tableSize?: number };

export interface BalancerOptions {
  readonly method: BalancingMethod;
  readonly random: Random;
  /** The backend that gets the first flow, whatever the seed, if it is among the backends then. */
  readonly first?: string | undefined;
}

/** Makes a balancer. The methods with a hash take their salt from `random`. */
export function createBalancer(options: BalancerOptions): Balancer {
  const { method, random, first } = options;
  switch (method.kind) {
    case "round-robin": {
      const rotation = new RoundRobin();
      return pinned(method, first, (_flow, backends, pin) => rotation.pick(backends, pin));
    }
    case "least-connections": {
      const least = new LeastConnections();
      return pinned(method, first, (_flow, backends, pin) => pin ?? least.pick(backends));
    }
    case "random":
      return pinned(method, first, (_flow, backends, pin) => pin ?? pickAtRandom(random, backends));
    case "hash":
      return salted(options, method.key, (hash, backends) => pickByHash(hash, backends));
    case "rendezvous":
      return salted(options, method.key, (hash, backends) => pickByRendezvous(hash, backends));
    case "maglev": {
      const maglev = new Maglev(method.tableSize);
      return salted(options, method.key, (hash, backends) => maglev.pick(hash, backends));
    }
  }
}

/** `hash by five-tuple`, `round robin`, …: for comments and reports. */
export function describeMethod(method: BalancingMethod): string {
  switch (method.kind) {
    case "round-robin":
      return "round robin";
    case "least-connections":
      return "least connections";
    case "random":
      return "random";
    case "hash":
      return `hash of the ${method.key}`;
    case "rendezvous":
      return `rendezvous hash of the ${method.key}`;
    case "maglev":
      return `Maglev hash of the ${method.key}`;
  }
}

/** For the methods that are free in their first pick: a pin simply takes it. */
function pinned(
  method: BalancingMethod,
  first: string | undefined,
  choose: <B extends Candidate>(flow: Flow, backends: readonly B[], pin: B | undefined) => B | undefined,
): Balancer {
  let wanted = first;
  return {
    method,
    pick(flow, backends) {
      if (backends.length === 0) return undefined;
      const pin = wanted === undefined ? undefined : backends.find((b) => b.name === wanted && b.weight > 0);
      wanted = undefined;
      return choose(flow, backends, pin);
    },
  };
}

/** Salts tried until the first flow falls on the pinned backend; with ten equal backends all fail once in 10^46 runs. */
const PIN_ATTEMPTS = 1024;

/**
 * For the methods that hash: a pin chooses the salt, so that the pinned flow goes to the same backend whenever it comes again, as the method
 * promises.
 */
function salted(
  options: BalancerOptions,
  key: HashKey,
  choose: <B extends Candidate>(hash: number, backends: readonly B[]) => B | undefined,
): Balancer {
  let salt = options.random.u32();
  let wanted = options.first;
  return {
    method: options.method,
    pick(flow, backends) {
      if (backends.length === 0) return undefined;
      if (wanted !== undefined) {
        const hits = (attempt: number): boolean => choose(hashFlow(flow, key, attempt), backends)?.name === wanted;
        salt = findSalt(salt, hits);
        wanted = undefined;
      }
      return choose(hashFlow(flow, key, salt), backends);
    },
  };
}

function findSalt(from: number, hits: (salt: number) => boolean): number {
  for (let i = 0; i < PIN_ATTEMPTS; i++) if (hits((from + i) >>> 0)) return (from + i) >>> 0;
  return from;
}
