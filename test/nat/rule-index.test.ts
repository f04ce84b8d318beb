import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LayeredMap } from "../../src/nat/index.ts";
import type { PacketWalk } from "../../src/nat/packet-walk.ts";
import type { Rule } from "../../src/nat/rule.ts";
import { differences } from "../../src/nat/rule-differences.ts";
import { type RankedRule, RuleIndex } from "../../src/nat/rule-index.ts";
import { address } from "../../src/netstack/index.ts";

const ADDRESSES = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(address);
const PORTS = [80, 81, 82];

/** For an address and a port, for a port alone, or for everything: what the three lists of an index are for. */
const ruleArbitrary: fc.Arbitrary<Rule> = fc
  .record({ to: fc.constantFrom(...ADDRESSES, undefined), port: fc.constantFrom(...PORTS, undefined) })
  .map(({ to, port }) => ({
    ...(to !== undefined && { destination: { address: to, mask: 0xffffffff } }),
    protocol: { protocol: 6 },
    matches: port === undefined ? [] : [{ kind: "tcp", destinationPort: { range: { from: port, to: port } } }],
    target: { kind: "accept" },
  }));

interface Edit {
  readonly at: number;
  readonly gone: number;
  readonly come: readonly Rule[];
}

const editArbitrary: fc.Arbitrary<Edit> = fc.record({
  at: fc.nat(200),
  gone: fc.nat(3),
  come: fc.array(ruleArbitrary, { maxLength: 3 }),
});

function edited(rules: readonly Rule[], { at, gone, come }: Edit): Rule[] {
  return rules.toSpliced(at % (rules.length + 1), gone, ...come);
}

function packet(destination: number, destinationPort: number): PacketWalk {
  return { protocol: 6, isLaterFragment: false, transportLength: 20, destination, destinationPort } as PacketWalk;
}

/** All rules that the index names for a packet, in their order. */
function named(index: RuleIndex, walk: PacketWalk): Rule[] {
  const lists: (readonly RankedRule[])[] = [index.others, index.forPort(walk), index.forAddress(walk)];
  for (const list of lists)
    expect(list.map(({ rank }) => rank)).toEqual(list.map(({ rank }) => rank).toSorted((a, b) => a - b));
  return lists
    .flat()
    .sort((a, b) => a.rank - b.rank)
    .map(({ rule }) => rule);
}

function mayMatch({ destination, matches }: Rule, to: number, port: number): boolean {
  const [tcp] = matches;
  const asked = tcp?.kind === "tcp" ? tcp.destinationPort?.range.from : undefined;
  if (asked === undefined) return true;
  return asked === port && (destination === undefined || destination.address === to);
}

describe("a RuleIndex", () => {
  it("names after any changes the rules that a packet may match, in their order", () => {
    fc.assert(
      fc.property(
        fc.array(ruleArbitrary, { minLength: 30, maxLength: 200 }),
        fc.array(editArbitrary, { maxLength: 40 }),
        (start, edits) => {
          let rules: readonly Rule[] = start;
          let index = RuleIndex.of(rules);
          for (const edit of edits) {
            rules = edited(rules, edit);
            index = index?.changedTo(rules) ?? RuleIndex.of(rules);
            if (index === undefined) continue;
            for (const to of ADDRESSES)
              for (const port of PORTS)
                expect(named(index, packet(to, port))).toEqual(rules.filter((rule) => mayMatch(rule, to, port)));
          }
        },
      ),
      { numRuns: 60, seed: 20_260_301 },
    );
  });

  it("stays the same object while the rules do", () => {
    const rules = fc.sample(ruleArbitrary, { numRuns: 100, seed: 1 });
    const index = RuleIndex.of(rules);
    expect(index?.changedTo([...rules])).toBe(index);
  });

  it("takes the same rule twice in one chain", () => {
    const [rule = { matches: [] }, ...others] = fc.sample(ruleArbitrary, { numRuns: 40, seed: 3 });
    const rules = [rule, ...others, rule];
    const index = RuleIndex.of([rule, ...others])?.changedTo(rules);
    const [to = 0, port = 0] = [ADDRESSES[0], PORTS[0]];
    expect(index && named(index, packet(to, port))).toEqual(rules.filter((each) => mayMatch(each, to, port)));
  });
});

describe("differences()", () => {
  it("lead from one list of rules to the other", () => {
    fc.assert(
      fc.property(
        fc.array(ruleArbitrary, { maxLength: 120 }),
        fc.array(editArbitrary, { maxLength: 8 }),
        (before, edits) => {
          const rules = edits.reduce<readonly Rule[]>(edited, before);
          const hunks = differences(
            before.map((rule) => ({ rule })),
            rules,
          );
          const led = hunks
            .toReversed()
            .reduce((list, { from, to, added }) => list.toSpliced(from, to - from, ...added), [...before]);
          expect(led).toEqual(rules);
        },
      ),
      { numRuns: 100, seed: 20_260_302 },
    );
  });

  it("of changes far from each other are told apart", () => {
    const before = fc.sample(ruleArbitrary, { numRuns: 100, seed: 5 });
    const [come = { matches: [] }] = fc.sample(ruleArbitrary, { numRuns: 1, seed: 6 });
    const hunks = differences(
      before.map((rule) => ({ rule })),
      before.toSpliced(90, 1).toSpliced(10, 0, come),
    );
    expect(hunks).toEqual([
      { from: 10, to: 10, added: [come] },
      { from: 90, to: 91, added: [] },
    ]);
  });
});

describe("a LayeredMap", () => {
  it("says what a map would that all changes were made in, and those before it stay as they were", () => {
    const changesArbitrary = fc.array(
      fc.array(fc.tuple(fc.nat(500), fc.option(fc.nat(9), { nil: undefined })), { maxLength: 200 }),
      { maxLength: 8 },
    );
    fc.assert(
      fc.property(changesArbitrary, (all) => {
        let layered = new LayeredMap<number, number>();
        const plain = new Map<number, number>();
        const versions: [LayeredMap<number, number>, Map<number, number>][] = [];
        for (const changes of all) {
          layered = layered.with(new Map(changes));
          for (const [key, value] of new Map(changes)) {
            if (value === undefined) plain.delete(key);
            else plain.set(key, value);
          }
          versions.push([layered, new Map(plain)]);
        }
        for (const [version, wanted] of versions) {
          expect(new Map(version.entries())).toEqual(wanted);
          for (let key = 0; key <= 500; key++) expect(version.get(key)).toBe(wanted.get(key));
        }
      }),
      { numRuns: 20, seed: 20_260_303 },
    );
  });
});
