import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Balancer, type BalancingMethod, type Candidate, createBalancer, type Flow } from "../../src/lb/index.ts";
import { address } from "../../src/netstack/index.ts";
import { Random } from "../../src/sim/index.ts";

/** A backend as balancers see it: `candidate("a", { weight: 2 })`. */
export function candidate(
  name: string,
  options: { weight?: number | undefined; active?: number | undefined } = {},
): Candidate {
  return { name, weight: options.weight ?? 1, active: options.active ?? 0 };
}

/** Flow number `i` from many clients to 203.0.113.140:80. */
export function flow(i: number, change: Partial<Flow> = {}): Flow {
  return {
    protocol: 6,
    source: address(`198.51.${(i >>> 8) & 255}.${i & 255}`),
    sourcePort: 32768 + (Math.imul(i, 7919) & 0x3fff),
    destination: address("203.0.113.140"),
    destinationPort: 80,
    ...change,
  };
}

export interface BalancerExpectations {
  /** How far a share may be from its weight's, over 20,000 flows. */
  readonly tolerance: number;
  /** Why a case of the suite does not hold for this method. */
  readonly notSticky?: string;
}

/** The contract of every {@link Balancer}; an implementation may leave out a case only by giving a reason. */
export function describeBalancer(name: string, method: BalancingMethod, expectations: BalancerExpectations): void {
  const make = (seed = 1, first?: string): Balancer => createBalancer({ method, random: new Random(seed), first });

  describe(`${name} as a balancer`, () => {
    it("has nobody to pick from an empty list", () => {
      expect(make().pick(flow(1), [])).toBeUndefined();
    });

    it("picks nobody when all weights are 0", () => {
      expect(make().pick(flow(1), [candidate("a", { weight: 0 }), candidate("b", { weight: 0 })])).toBeUndefined();
    });

    it("always picks the only backend", () => {
      const only = candidate("a");
      const balancer = make();
      for (let i = 0; i < 50; i++) expect(balancer.pick(flow(i), [only])).toBe(only);
    });

    it("never picks a backend outside the list or without weight", () => {
      const backend = fc.record({
        name: fc.constantFrom("a", "b", "c", "d", "e", "f"),
        weight: fc.nat(3),
        active: fc.nat(9),
      });
      const lists = fc.uniqueArray(backend, { selector: (each) => each.name, maxLength: 6 });
      fc.assert(
        fc.property(fc.array(lists, { maxLength: 12 }), fc.nat(), (sequence, seed) => {
          const balancer = make(seed);
          sequence.forEach((list, i) => {
            const picked = balancer.pick(flow(i), list);
            const possible = list.filter((each) => each.weight > 0);
            if (possible.length === 0) expect(picked).toBeUndefined();
            else expect(possible).toContain(picked);
          });
        }),
        { numRuns: 60 },
      );
    });

    it("does the same with the same seed", () => {
      const backends = ["a", "b", "c", "d"].map((each) => candidate(each));
      const [one, other] = [make(7), make(7)];
      for (let i = 0; i < 200; i++) expect(one.pick(flow(i), backends)).toBe(other.pick(flow(i), backends));
    });

    it("gives shares by weight", () => {
      const backends = [candidate("a", { weight: 1 }), candidate("b", { weight: 2 }), candidate("c", { weight: 5 })];
      const shares = count(make(), backends, 20_000);
      const { tolerance } = expectations;
      expect(Math.abs((shares.get("a") ?? 0) / 20_000 - 1 / 8)).toBeLessThanOrEqual(tolerance);
      expect(Math.abs((shares.get("b") ?? 0) / 20_000 - 2 / 8)).toBeLessThanOrEqual(tolerance);
      expect(Math.abs((shares.get("c") ?? 0) / 20_000 - 5 / 8)).toBeLessThanOrEqual(tolerance);
    });

    it.each(["a", "b", "c"])("picks %s first when that is pinned, whatever the seed", (first) => {
      const backends = ["a", "b", "c"].map((each) => candidate(each));
      for (let seed = 0; seed < 30; seed++) expect(make(seed, first).pick(flow(seed), backends)?.name).toBe(first);
    });

    it("is free again after a pinned first pick", () => {
      const backends = ["a", "b", "c"].map((each) => candidate(each));
      expect(new Set(count(make(3, "b"), backends, 100).keys())).toEqual(new Set(["a", "b", "c"]));
    });

    it("forgets a pin that is not there, or has no weight, when the first flow comes", () => {
      const absent = make(1, "z");
      expect(["a", "b"]).toContain(absent.pick(flow(1), [candidate("a"), candidate("b")])?.name);
      expect(make(1, "a").pick(flow(1), [candidate("a", { weight: 0 }), candidate("b")])?.name).toBe("b");
    });

    it.skipIf(expectations.notSticky !== undefined)("sends the same flow to the same backend", () => {
      const backends = ["a", "b", "c", "d", "e"].map((each) => candidate(each));
      for (const first of [undefined, "d"]) {
        const balancer = make(5, first);
        const before = Array.from({ length: 300 }, (_, i) => balancer.pick(flow(i), backends)?.name);
        const again = Array.from({ length: 300 }, (_, i) => balancer.pick(flow(i), [...backends])?.name);
        expect(again).toEqual(before);
      }
    });
  });
}

/** How many of `flows` flows each backend got. The winner's connections stay open. */
export function count(balancer: Balancer, backends: readonly Candidate[], flows: number): Map<string, number> {
  const present = backends.map((each) => ({ ...each }));
  const shares = new Map<string, number>();
  for (let i = 0; i < flows; i++) {
    const picked = balancer.pick(flow(i), present);
    if (picked === undefined) continue;
    picked.active += 1;
    shares.set(picked.name, (shares.get(picked.name) ?? 0) + 1);
  }
  return shares;
}
