import { describe, expect, it } from "vitest";
import { buildMaglevTable, createBalancer, describeMethod, type HashKey } from "../../src/lb/index.ts";
import { address } from "../../src/netstack/index.ts";
import { Random } from "../../src/sim/index.ts";
import { candidate, count, describeBalancer, flow } from "./describe-balancer.ts";

const NO_KEY = "it has no key: only the flow table keeps a flow on its backend";

describeBalancer("round robin", { kind: "round-robin" }, { tolerance: 0.0001, notSticky: NO_KEY });
describeBalancer("least connections", { kind: "least-connections" }, { tolerance: 0.0001, notSticky: NO_KEY });
describeBalancer("random", { kind: "random" }, { tolerance: 0.02, notSticky: NO_KEY });
describeBalancer("five-tuple hash", { kind: "hash", key: "five-tuple" }, { tolerance: 0.02 });
describeBalancer("source hash", { kind: "hash", key: "source" }, { tolerance: 0.02 });
describeBalancer("rendezvous", { kind: "rendezvous", key: "five-tuple" }, { tolerance: 0.02 });
describeBalancer("Maglev", { kind: "maglev", key: "five-tuple", tableSize: 4099 }, { tolerance: 0.02 });

function names(method: Parameters<typeof createBalancer>[0]["method"], backends: string[], first?: string): string[] {
  const balancer = createBalancer({ method, random: new Random(1), first });
  const list = backends.map((each) => {
    const [name = "", weight = "1"] = each.split("×");
    return candidate(name, { weight: Number(weight) });
  });
  return Array.from({ length: 7 }, (_, i) => balancer.pick(flow(i), list)?.name ?? "-");
}

describe("round robin", () => {
  it.each([
    [["a", "b", "c"], undefined, "a b c a b c a"],
    [["a", "b", "c"], "b", "b c a b c a b"],
    [["a×5", "b", "c"], undefined, "a a b a c a a"],
    [["a×2", "b×0", "c"], undefined, "a c a a c a a"],
  ])("goes through %j from %s as %s", (backends, first, order) => {
    expect(names({ kind: "round-robin" }, backends, first).join(" ")).toBe(order);
  });

  it("goes on with those who are left", () => {
    const balancer = createBalancer({ method: { kind: "round-robin" }, random: new Random(1) });
    const [a, b, c] = [candidate("a"), candidate("b"), candidate("c")];
    const order = [
      [a, b, c],
      [a, b, c],
      [a, c],
      [a, c],
      [a, b, c],
      [a, b, c],
    ].map((list, i) => balancer.pick(flow(i), list)?.name);
    expect(order.join(" ")).toBe("a b c a b c");
  });
});

describe("least connections", () => {
  const method = { kind: "least-connections" } as const;
  it.each([
    ["a 3, b 1, c 2", { a: [3, 1], b: [1, 1], c: [2, 1] }, "b"],
    ["a 3 with weight 4 beside b 1", { a: [3, 4], b: [1, 1] }, "a"],
    ["a without weight beside b 100", { a: [0, 0], b: [100, 1] }, "b"],
  ])("of %s picks the lightest for its weight", (_what, loads, expected) => {
    const backends = Object.entries(loads).map(([name, [active, weight]]) => candidate(name, { active, weight }));
    expect(createBalancer({ method, random: new Random(1) }).pick(flow(1), backends)?.name).toBe(expected);
  });

  it("rotates among equals", () => {
    expect(names(method, ["a", "b", "c"]).join(" ")).toBe("a b c a b c a");
  });
});

describe("the key of a hash", () => {
  const there = address("203.0.113.141");
  const rows: [HashKey, { sourcePort: boolean; destinationPort: boolean; protocol: boolean; destination: boolean }][] =
    [
      ["five-tuple", { sourcePort: true, destinationPort: true, protocol: true, destination: true }],
      ["three-tuple", { sourcePort: false, destinationPort: false, protocol: true, destination: true }],
      ["two-tuple", { sourcePort: false, destinationPort: false, protocol: false, destination: true }],
      ["source", { sourcePort: false, destinationPort: false, protocol: false, destination: false }],
    ];
  it.each(rows)("%s counts %j and always the client's address", (key, counts) => {
    const changes = { sourcePort: 1, destinationPort: 443, protocol: 17, destination: there };
    const balancer = createBalancer({ method: { kind: "hash", key }, random: new Random(1) });
    const backends = Array.from({ length: 50 }, (_, i) => candidate(`b${i}`));
    const moves = (change: object): boolean =>
      Array.from({ length: 20 }, (_, i) => i).some(
        (i) => balancer.pick(flow(i), backends) !== balancer.pick(flow(i, change), backends),
      );
    const found = Object.entries(changes).map(([field, value]) => [field, moves({ [field]: value })]);
    expect(Object.fromEntries(found)).toEqual(counts);
    expect(moves({ source: address("192.0.2.1") })).toBe(true);
  });
});

describe("a backend that leaves", () => {
  /** Of 5,000 flows, how many that were not on the lost backend have moved. */
  function moved(method: Parameters<typeof createBalancer>[0]["method"]): number {
    const backends = Array.from({ length: 10 }, (_, i) => candidate(`node${i}`));
    const balancer = createBalancer({ method, random: new Random(1) });
    const before = Array.from({ length: 5000 }, (_, i) => balancer.pick(flow(i), backends)?.name);
    const left = backends.filter(({ name }) => name !== "node4");
    return before.filter((name, i) => name !== "node4" && balancer.pick(flow(i), left)?.name !== name).length;
  }

  it("takes only its own flows along with rendezvous", () => {
    expect(moved({ kind: "rendezvous", key: "five-tuple" })).toBe(0);
  });

  it("moves few others with Maglev", () => {
    expect(moved({ kind: "maglev", key: "five-tuple", tableSize: 4099 }) / 4500).toBeLessThan(0.05);
  });

  it("moves nearly all with a hash modulo the number of backends", () => {
    expect(moved({ kind: "hash", key: "five-tuple" }) / 4500).toBeGreaterThan(0.8);
  });
});

describe("buildMaglevTable()", () => {
  function shares(table: Uint16Array, backends: number): number[] {
    const counts = new Array<number>(backends).fill(0);
    for (const entry of table) counts[entry] = (counts[entry] ?? 0) + 1;
    return counts;
  }

  it.each([
    [1, 7],
    [3, 7],
    [5, 251],
    [7, 251],
    [10, 4099],
    [100, 65537],
  ])("gives %i equal backends shares of %i places that differ by one at most", (count, size) => {
    const backends = Array.from({ length: count }, (_, i) => ({ name: `node${i}`, weight: 1 }));
    const counts = shares(buildMaglevTable(backends, size), count);
    expect(counts.reduce((sum, each) => sum + each, 0)).toBe(size);
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
  });

  it("gives shares by weight", () => {
    const table = buildMaglevTable(
      [
        { name: "a", weight: 1 },
        { name: "b", weight: 0 },
        { name: "c", weight: 3 },
      ],
      4001,
    );
    const [a = 0, b, c = 0] = shares(table, 3);
    expect(b).toBe(0);
    expect(c / a).toBeCloseTo(3, 1);
  });

  it("depends on names, not on the order in which backends were found", () => {
    const forth = ["a", "b", "c"].map((name) => ({ name, weight: 1 }));
    const back = [...forth].reverse();
    const [one, other] = [buildMaglevTable(forth, 251), buildMaglevTable(back, 251)];
    const differing = [...one].filter((entry, i) => forth[entry]?.name !== back[other[i] ?? 0]?.name);
    expect(differing.length / 251).toBeLessThan(0.05);
  });

  it("refuses a size that is no prime", () => {
    const make = (): unknown =>
      createBalancer({ method: { kind: "maglev", key: "source", tableSize: 65536 }, random: new Random(1) });
    expect(make).toThrow("Cannot build a Maglev table of 65536 entries: the size must be a prime");
  });
});

describe("describeMethod()", () => {
  it.each([
    [{ kind: "round-robin" }, "round robin"],
    [{ kind: "least-connections" }, "least connections"],
    [{ kind: "random" }, "random"],
    [{ kind: "hash", key: "two-tuple" }, "hash of the two-tuple"],
    [{ kind: "rendezvous", key: "source" }, "rendezvous hash of the source"],
    [{ kind: "maglev", key: "five-tuple" }, "Maglev hash of the five-tuple"],
  ] as const)("%j is %s", (method, text) => {
    expect(describeMethod(method)).toBe(text);
  });
});

describe("random", () => {
  it("differs with another seed", () => {
    const backends = Array.from({ length: 16 }, (_, i) => candidate(`b${i}`));
    const picks = [1, 2].map((seed) => {
      const balancer = createBalancer({ method: { kind: "random" }, random: new Random(seed) });
      return [...count(balancer, backends, 8).keys()].join(" ");
    });
    expect(picks[0]).not.toBe(picks[1]);
  });
});
