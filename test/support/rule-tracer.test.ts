import { describe, expect, test } from "vitest";
import type { Rule, Ruleset, Target } from "../../src/nat/index.ts";
import { address } from "../../src/netstack/index.ts";
import { type TracedPacket, traceRules } from "./rule-tracer.ts";

const NODE = { addresses: ["10.0.0.1"] };
const TO_NODE: TracedPacket = { source: "198.51.100.1", destination: "10.0.0.1", port: 80, protocol: "tcp" };
const THROUGH: TracedPacket = { ...TO_NODE, destination: "192.0.2.1" };
const FROM_NODE: TracedPacket = { ...THROUGH, source: "10.0.0.1" };

describe("traceRules()", () => {
  test("accepts what no rule is about", () => {
    expect(traceRules(rules({}), NODE, THROUGH)).toEqual({
      destinations: ["192.0.2.1:80"],
      masqueraded: [],
      verdict: "accept",
      matched: [],
    });
  });

  test.each<[string, TracedPacket, string]>([
    ["what goes to the node through INPUT", TO_NODE, "INPUT"],
    ["what goes past the node through FORWARD", THROUGH, "FORWARD"],
    ["what the node sends through OUTPUT", FROM_NODE, "OUTPUT"],
    ["what the node sends to itself through OUTPUT", { ...FROM_NODE, destination: "10.0.0.1" }, "OUTPUT"],
    ["what the node sends to itself through INPUT", { ...FROM_NODE, destination: "127.0.0.1" }, "INPUT"],
  ])("takes %s", (_name, packet, chain) => {
    const dropping = rules({ [`filter ${chain}`]: [{ matches: [], target: { kind: "drop" } }] });
    expect(traceRules(dropping, NODE, packet).verdict).toBe("drop");
    expect(traceRules(dropping, NODE, otherWay(chain)).verdict).toBe("accept");
  });

  test("follows every endpoint that a draw may choose, and the one that is left", () => {
    const draw = { kind: "statistic", mode: "random", probability: 2 ** 30 } as const;
    const choosing = rules({
      "nat PREROUTING": [
        { matches: [draw], target: dnat("10.1.0.1") },
        { matches: [], target: dnat("10.1.0.2") },
      ],
    });
    expect(traceRules(choosing, NODE, THROUGH).destinations).toEqual(["10.1.0.1:8080", "10.1.0.2:8080"]);
  });

  test("asks filter about the translated destination", () => {
    const toNode = { address: address("10.0.0.1"), mask: 0xffffffff };
    const translating = rules({
      "nat PREROUTING": [{ matches: [], target: dnat("10.1.0.1") }],
      "filter INPUT": [{ destination: toNode, matches: [], target: { kind: "reject", with: "icmp-port-unreachable" } }],
    });
    expect(traceRules(translating, NODE, TO_NODE)).toMatchObject({
      verdict: "accept",
      destinations: ["10.1.0.1:8080"],
    });
  });

  test("masquerades only the marked ones of several endpoints", () => {
    const draw = { kind: "statistic", mode: "random", probability: 2 ** 30 } as const;
    const marked = { kind: "mark", value: 0x4000, mask: 0x4000 } as const;
    const marking = rules({
      "nat PREROUTING": [
        { matches: [draw], target: jump("FIRST") },
        { matches: [], target: dnat("10.1.0.2") },
      ],
      "nat FIRST": [
        { matches: [], target: marked },
        { matches: [], target: dnat("10.1.0.1") },
      ],
      "nat POSTROUTING": [{ matches: [{ ...marked }], target: { kind: "masquerade" } }],
    });
    expect(traceRules(marking, NODE, THROUGH).masqueraded).toEqual(["10.1.0.1:8080"]);
  });

  test("goes on behind a jump from which the packet returns", () => {
    const returning = rules({
      "filter FORWARD": [
        { matches: [], target: jump("LOOK") },
        { matches: [], target: { kind: "drop" } },
      ],
      "filter LOOK": [
        { matches: [], target: { kind: "return" } },
        { matches: [], target: { kind: "accept" } },
      ],
    });
    expect(traceRules(returning, NODE, THROUGH).verdict).toBe("drop");
  });

  test("does not come back from where it was sent by goto", () => {
    const going = rules({
      "filter FORWARD": [
        { matches: [], target: jump("A") },
        { matches: [], target: { kind: "reject", with: "icmp-port-unreachable" } },
      ],
      "filter A": [
        { matches: [], target: { kind: "goto", chain: "B" } },
        { matches: [], target: { kind: "drop" } },
      ],
      "filter B": [],
    });
    expect(traceRules(going, NODE, THROUGH).verdict).toBe("reject");
  });

  test("asks mangle before nat", () => {
    const original = { destination: { address: address("192.0.2.1"), mask: 0xffffffff }, matches: [] };
    const both = rules({
      "mangle PREROUTING": [{ ...original, target: { kind: "drop" } }],
      "nat PREROUTING": [{ matches: [], target: dnat("10.1.0.1") }],
    });
    expect(traceRules(both, NODE, THROUGH).verdict).toBe("drop");
  });

  test.each<[string, Rule, boolean]>([
    ["another port", { matches: [{ kind: "tcp", destinationPort: { range: { from: 81, to: 90 } } }] }, false],
    ["a range with the port", { matches: [{ kind: "tcp", destinationPort: { range: { from: 79, to: 90 } } }] }, true],
    ["another protocol", { protocol: { protocol: 17 }, matches: [] }, false],
    ["any protocol but UDP", { protocol: { protocol: 17, not: true }, matches: [] }, true],
    ["another source", { source: { address: address("10.0.0.0"), mask: 0xff000000 }, matches: [] }, false],
    [
      "any source but those",
      { source: { address: address("10.0.0.0"), mask: 0xff000000, not: true }, matches: [] },
      true,
    ],
    ["a bridge", { inInterface: { name: "cbr0" }, matches: [] }, false],
    ["an interface by the beginning of its name", { inInterface: { name: "eth+" }, matches: [] }, true],
    ["a mark that is not there", { matches: [{ kind: "mark", value: 1, mask: 1 }] }, false],
    ["no mark", { matches: [{ kind: "mark", value: 1, mask: 1, not: true }] }, true],
    ["the node's own packets", { matches: [{ kind: "addrtype", source: { types: ["LOCAL"] } }] }, false],
    ["new connections", { matches: [{ kind: "conntrack", state: { states: ["NEW"] } }] }, true],
    ["old connections", { matches: [{ kind: "conntrack", state: { states: ["ESTABLISHED"] } }] }, false],
    ["clients that an endpoint remembers", { matches: [recent("KNOWN")] }, true],
    ["clients that no endpoint remembers", { matches: [recent("UNKNOWN")] }, false],
  ])("knows a rule for %s", (_name, rule, applies) => {
    const dropping = rules({ "filter FORWARD": [{ ...rule, target: { kind: "drop" } }] });
    expect(traceRules(dropping, { ...NODE, remembered: ["KNOWN"] }, THROUGH).verdict).toBe(applies ? "drop" : "accept");
  });

  test("tells which rules matched", () => {
    const commented = rules({
      "filter FORWARD": [{ matches: [{ kind: "comment", text: "because" }], target: { kind: "drop" } }],
    });
    expect(traceRules(commented, NODE, THROUGH).matched).toEqual(['filter FORWARD: "because" {"kind":"drop"}']);
  });

  test("refuses rules in which chance decides between life and death", () => {
    const draw = { kind: "statistic", mode: "random", probability: 1 } as const;
    const deadly = rules({ "filter FORWARD": [{ matches: [draw], target: { kind: "drop" } }] });
    expect(() => traceRules(deadly, NODE, THROUGH)).toThrow("Chance decides between");
  });

  test("refuses a jump to nowhere and rules it does not know", () => {
    expect(() =>
      traceRules(rules({ "filter FORWARD": [{ matches: [], target: jump("GONE") }] }), NODE, THROUGH),
    ).toThrow("no chain GONE");
    const unknown = rules({ "filter FORWARD": [{ matches: [{ kind: "ttl", comparison: "eq", value: 1 }] }] });
    expect(() => traceRules(unknown, NODE, THROUGH)).toThrow("does not know the match ttl");
  });
});

/** A packet that does not come through this chain of filter. */
function otherWay(chain: string): TracedPacket {
  return chain === "FORWARD" ? TO_NODE : THROUGH;
}

/** Rules by `table CHAIN`. */
function rules(chains: Readonly<Record<string, readonly Rule[]>>): Ruleset {
  const of = (table: "mangle" | "nat" | "filter", builtins: readonly string[]) => {
    const names = [
      ...builtins,
      ...Object.keys(chains).flatMap((key) => (key.startsWith(`${table} `) ? [key.slice(table.length + 1)] : [])),
    ];
    const made = names.map((name) => [name, { name, rules: chains[`${table} ${name}`] ?? [] }] as const);
    return { name: table, chains: new Map(made) };
  };
  return new Map([
    ["mangle", of("mangle", ["PREROUTING", "OUTPUT"])],
    ["nat", of("nat", ["PREROUTING", "OUTPUT", "POSTROUTING"])],
    ["filter", of("filter", ["INPUT", "FORWARD", "OUTPUT"])],
  ]);
}

function dnat(to: string): Target {
  return { kind: "dnat", addresses: { from: address(to), to: address(to) }, ports: { from: 8080, to: 8080 } };
}

function jump(chain: string): Target {
  return { kind: "jump", chain };
}

function recent(name: string) {
  return { kind: "recent", action: "rcheck", name, mask: 0xffffffff, side: "source" } as const;
}
