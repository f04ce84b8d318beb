import { describe, expect, it } from "vitest";
import {
  describeOutcomes,
  describeRuleTrace,
  parsePacketSketch,
  parseTcpFlags,
  ruleTraceJson,
  type TraceQuestion,
  traceAllWays,
  traceRules,
} from "../../src/explain/index.ts";
import { parseIptablesSave } from "../../src/nat/index.ts";
import { EVERYWHERE, parseInterfaceAddress } from "../../src/netstack/index.ts";

const NAT = ":PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n";

function ask(rules: string, packet: string, given: Partial<TraceQuestion> = {}): TraceQuestion {
  const sketch = parsePacketSketch(packet);
  if (typeof sketch === "string") throw new Error(sketch);
  return {
    rules: parseIptablesSave(rules).ruleset,
    node: {
      addresses: ["10.0.0.254/24@eth0", "203.0.113.7/24@eth1"].map((text) => {
        const [own = "", name = ""] = text.split("@");
        return { interface: name, own: parseInterfaceAddress(own)! };
      }),
      routes: [{ to: EVERYWHERE, interface: "eth1" }],
    },
    packet: sketch,
    entry: { kind: "arrives", interface: "eth0" },
    state: "new",
    ...given,
  };
}

function text(question: TraceQuestion): string[] {
  return describeRuleTrace(traceRules(question, 1), { everyRule: false }).trimEnd().split("\n");
}

describe("a packet's way through rules", () => {
  it("goes hook by hook and chain by chain, with every rule that was tried", () => {
    const rules = `*nat\n${NAT}:WEB - [0:0]\n-A PREROUTING -p udp -j ACCEPT\n-A PREROUTING -p tcp -m tcp --dport 80 -j WEB\n-A WEB -p tcp -j DNAT --to-destination 198.51.100.9:8080\n-A POSTROUTING -o eth1 -j MASQUERADE\nCOMMIT\n`;
    expect(text(ask(rules, "tcp 10.0.0.5:40000 > 203.0.113.7:80"))).toEqual([
      "PREROUTING  TCP 10.0.0.5:40000 > 203.0.113.7:80  in eth0  NEW",
      "  nat PREROUTING",
      "    1  -p udp -j ACCEPT",
      "  * 2  -p tcp -m tcp --dport 80 -j WEB  => JUMP WEB",
      "  nat WEB",
      "  * 1  -p tcp -j DNAT --to-destination 198.51.100.9:8080  => ACCEPT",
      "  destination 203.0.113.7 -> 198.51.100.9, DNAT by nat WEB rule 1 (-p tcp -j DNAT --to-destination 198.51.100.9:8080)",
      "  destination port 80 -> 8080, DNAT by nat WEB rule 1 (-p tcp -j DNAT --to-destination 198.51.100.9:8080)",
      "route to 198.51.100.9: by eth1",
      "TTL 64 -> 63",
      "FORWARD  TCP 10.0.0.5:40000 > 198.51.100.9:8080  in eth0 out eth1  NEW",
      "POSTROUTING  TCP 10.0.0.5:40000 > 198.51.100.9:8080  in eth0 out eth1  NEW",
      "  nat POSTROUTING",
      "  * 1  -o eth1 -j MASQUERADE  => ACCEPT",
      "  source 10.0.0.5 -> 203.0.113.7, MASQUERADE by nat POSTROUTING rule 1 (-o eth1 -j MASQUERADE)",
      "ACCEPT: forwarded by eth1 as TCP 203.0.113.7:40000 > 198.51.100.9:8080, TTL 63",
    ]);
  });

  it("ends at the rule that drops it, and says what the node answers", () => {
    const rules =
      "*filter\n:INPUT DROP\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n-A INPUT -p tcp -j REJECT --reject-with tcp-reset\nCOMMIT\n";
    expect(text(ask(rules, "tcp 10.0.0.5:40000 > 10.0.0.254:22")).at(-1)).toBe(
      "REJECT by filter INPUT rule 1: TCP 10.0.0.5:40000 > 10.0.0.254:22; answered with TCP RST to 10.0.0.5",
    );
    expect(text(ask(rules, "udp 10.0.0.5:40000 > 10.0.0.254:22")).at(-1)).toBe(
      "DROP by the policy of filter INPUT: UDP 10.0.0.5:40000 > 10.0.0.254:22",
    );
  });

  it("ends where routing ends it", () => {
    const rules = "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n";
    const packet = parsePacketSketch("udp 10.0.0.5:1 > 8.8.8.8:53");
    if (typeof packet === "string") throw new Error(packet);
    const question = ask(rules, "udp 10.0.0.5:1 > 8.8.8.8:53", { packet: { ...packet, ttl: 1 } });
    expect(text(question).at(-1)).toBe(
      "DROP: the TTL is used up: UDP 10.0.0.5:1 > 8.8.8.8:53; answered with ICMP time exceeded in transit to 10.0.0.5",
    );
  });

  it("begins at OUTPUT when the node sends it, and comes back in when it is to itself", () => {
    const rules = `*nat\n${NAT}-A OUTPUT -d 10.96.0.1/32 -p tcp -j DNAT --to-destination 10.0.0.254:6443\nCOMMIT\n`;
    const question = ask(rules, "tcp 203.0.113.7:40000 > 10.96.0.1:443", { entry: { kind: "sent" } });
    const { events, end } = traceRules(question, 1);
    expect(events.flatMap((event) => (event.kind === "hook" ? [event.hook] : []))).toEqual([
      "output",
      "postrouting",
      "prerouting",
      "input",
    ]);
    expect(end).toMatchObject({ kind: "delivered", packet: { destinationPort: 6443 } });
  });

  it("cuts long runs of rules that do not match", () => {
    const many = Array.from({ length: 30 }, (_, i) => `-A PREROUTING -p tcp -m tcp --dport ${i + 1} -j ACCEPT\n`).join(
      "",
    );
    const question = ask(`*nat\n${NAT}${many}COMMIT\n`, "tcp 10.0.0.5:40000 > 203.0.113.7:80");
    expect(text(question)).toContain("    1–30  30 rules tried, none matches");
    const full = describeRuleTrace(traceRules(question, 1), { everyRule: true });
    expect(full).toContain("    30  -p tcp -m tcp --dport 30 -j ACCEPT\n");
  });

  it("has no state where no rule makes Linux track connections", () => {
    const rules = "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n-A INPUT -p udp -j DROP\nCOMMIT\n";
    expect(text(ask(rules, "tcp 10.0.0.5:40000 > 10.0.0.254:22"))[0]).toBe(
      "PREROUTING  TCP 10.0.0.5:40000 > 10.0.0.254:22  in eth0",
    );
  });
});

describe("packets of a connection that is there", () => {
  const RULES = `*nat\n${NAT}-A PREROUTING -d 203.0.113.7/32 -p tcp -j DNAT --to-destination 10.0.0.9:80\nCOMMIT\n*filter\n:INPUT ACCEPT\n:FORWARD DROP\n:OUTPUT ACCEPT\n-A FORWARD -m conntrack --ctstate ESTABLISHED -j ACCEPT\n-A FORWARD -m conntrack --ctstate INVALID -j REJECT\n-A FORWARD -s 198.51.100.1/32 -j ACCEPT\nCOMMIT\n`;
  const IN: TraceQuestion["entry"] = { kind: "arrives", interface: "eth1" };

  it("are translated as its first packet was", () => {
    const question = ask(RULES, "tcp 198.51.100.1:40000 > 203.0.113.7:80", { entry: IN, state: "established" });
    const lines = text({ ...question, packet: { ...question.packet, flags: 16 } });
    expect(lines).toContain("  destination 203.0.113.7 -> 10.0.0.9, as conntrack remembers, original direction");
    expect(lines.at(-1)).toBe("ACCEPT: forwarded by eth0 as TCP 198.51.100.1:40000 > 10.0.0.9:80, TTL 63");
  });

  it("come back translated the other way", () => {
    const question = ask(RULES, "tcp 198.51.100.1:40000 > 203.0.113.7:80", { entry: IN, isReply: true });
    expect(text(question)[0]).toBe("PREROUTING  TCP 10.0.0.9:80 > 198.51.100.1:40000  in eth0  ESTABLISHED");
    expect(text(question).at(-1)).toBe("ACCEPT: forwarded by eth1 as TCP 203.0.113.7:80 > 198.51.100.1:40000, TTL 63");
  });

  it("are taken to be there without translation when the rules would not have let it begin", () => {
    const question = ask(RULES, "tcp 198.51.100.2:40000 > 10.0.0.9:80", { entry: IN, state: "established" });
    const trace = traceRules({ ...question, packet: { ...question.packet, flags: 16 } }, 1);
    expect(trace.end.kind).toBe("forwarded");
    expect(trace.notes).toEqual([
      "these rules do not let such a connection begin: it is taken to be there already, without translation",
    ]);
  });

  it("have no part in one when they are malformed", () => {
    const question = ask(RULES, "tcp 198.51.100.1:40000 > 203.0.113.7:80", { entry: IN, state: "invalid" });
    expect(text(question)[0]).toBe("PREROUTING  TCP 198.51.100.1:40000 > 203.0.113.7:80  in eth1  INVALID");
    expect(traceRules(question, 1).end).toMatchObject({ kind: "delivered", packet: { destinationPort: 80 } });
  });
});

describe("chance", () => {
  const THREE = `*nat\n${NAT}-A PREROUTING -p tcp -m statistic --mode random --probability 0.33333333349 -j DNAT --to-destination 10.0.0.1\n-A PREROUTING -p tcp -m statistic --mode random --probability 0.5 -j DNAT --to-destination 10.0.0.2\n-A PREROUTING -p tcp -j DNAT --to-destination 10.0.0.3\nCOMMIT\n`;

  it("is followed in every way, with exact probabilities", () => {
    const found = traceAllWays(ask(THREE, "tcp 198.51.100.1:40000 > 203.0.113.7:80"));
    expect(describeOutcomes(found)).toBe(
      [
        "0.33333333349 (715827883/2147483648)  ACCEPT: forwarded by eth0 as TCP 198.51.100.1:40000 > 10.0.0.1:80, TTL 63",
        "      nat PREROUTING rule 1: drawn, 0.33333333349 (715827883/2147483648)",
        "0.33333333326 (1431655765/4294967296)  ACCEPT: forwarded by eth0 as TCP 198.51.100.1:40000 > 10.0.0.2:80, TTL 63",
        "      nat PREROUTING rule 1: not drawn, 0.66666666651 (1431655765/2147483648)",
        "      nat PREROUTING rule 2: drawn, 0.5 (1/2)",
        "0.33333333326 (1431655765/4294967296)  ACCEPT: forwarded by eth0 as TCP 198.51.100.1:40000 > 10.0.0.3:80, TTL 63",
        "      nat PREROUTING rule 1: not drawn, 0.66666666651 (1431655765/2147483648)",
        "      nat PREROUTING rule 2: not drawn, 0.5 (1/2)",
        "",
      ].join("\n"),
    );
  });

  it("adds up ways that end alike, and takes counters for chance", () => {
    const rules = `*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n-A INPUT -m statistic --mode nth ! --every 3 --packet 1 -j DROP\n-A INPUT -m statistic --mode random --probability 0.25 -j LOG\nCOMMIT\n`;
    const { outcomes, unfollowed } = traceAllWays(ask(rules, "udp 10.0.0.5:1 > 10.0.0.254:2"));
    expect(outcomes.map(({ trace, probability, ways }) => [trace.end.kind, probability, ways])).toEqual([
      ["dropped", { numerator: 2n, denominator: 3n }, 1],
      ["delivered", { numerator: 1n, denominator: 3n }, 2],
    ]);
    expect(unfollowed.numerator).toBe(0n);
    expect(outcomes[0]?.trace.choices[0]?.rule.text).toBe("-m statistic --mode nth ! --every 3 --packet 1 -j DROP");
  });

  it("is not followed without end", () => {
    const rules = `*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\n${"-A INPUT -m statistic --mode random --probability 0.5 -j LOG\n".repeat(11)}COMMIT\n`;
    const { outcomes, unfollowed } = traceAllWays(ask(rules, "udp 10.0.0.5:1 > 10.0.0.254:2"));
    expect(outcomes.map(({ ways }) => ways)).toEqual([1000]);
    expect(unfollowed).toEqual({ numerator: 131n, denominator: 256n });
  });

  it("is drawn from the seed where one way is asked for", () => {
    const destinations = [1, 2, 3, 4, 5, 6, 7, 8].map((seed) => {
      const { choices } = traceRules(ask(THREE, "tcp 198.51.100.1:40000 > 203.0.113.7:80"), seed);
      return choices.length === 1 ? 1 : choices[1]?.isBelow ? 2 : 3;
    });
    expect(new Set(destinations)).toEqual(new Set([1, 2, 3]));
  });

  it("chooses ports, which are all alike", () => {
    const rules = `*nat\n${NAT}-A POSTROUTING -o eth1 -j MASQUERADE --random-fully\nCOMMIT\n`;
    const { outcomes } = traceAllWays(ask(rules, "tcp 10.0.0.5:40000 > 8.8.8.8:53"));
    expect(outcomes.map(({ trace }) => trace.end.drawnPort)).toEqual(["sourcePort"]);
  });

  it("has nothing to do with lists of recent addresses: these are told", () => {
    const rules = `*nat\n${NAT}-A PREROUTING -m recent --rcheck --name A --mask 255.255.255.0 --rsource -j DNAT --to-destination 10.0.0.1\nCOMMIT\n`;
    const question = ask(rules, "tcp 198.51.100.1:40000 > 203.0.113.7:80");
    expect(traceRules(question, 1).end.kind).toBe("delivered");
    const seen = { ...question, node: { ...question.node, seen: [{ list: "A", hits: 1 }] } };
    expect(traceRules(seen, 1).end.kind).toBe("forwarded");
  });
});

describe("a trace as JSON", () => {
  it("has every rule that was tried", () => {
    const rules = `*nat\n${NAT}-A POSTROUTING -p udp -j ACCEPT\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n`;
    const json = ruleTraceJson(traceRules(ask(rules, "icmp 10.0.0.5 > 8.8.8.8"), 1));
    const rule = { table: "nat", chain: "POSTROUTING" };
    const masquerade = { ...rule, number: 2, text: "-j MASQUERADE" };
    expect(json).toMatchObject({
      verdict: "ACCEPT",
      end: "forwarded",
      out: "eth1",
      probability: { value: 1, exact: "1/1" },
    });
    expect((json.hooks as { steps: unknown }[]).at(-1)?.steps).toEqual([
      { step: "rule", ...rule, number: 1, text: "-p udp -j ACCEPT", matched: false },
      { step: "rule", ...masquerade, matched: true, verdict: "ACCEPT" },
      { step: "rewrite", field: "source", from: "10.0.0.5", to: "203.0.113.7", cause: "rule", rule: masquerade },
    ]);
  });
});

describe("a packet in words", () => {
  it.each([
    ["tcp 10.0.0.1:1 > 10.0.0.2:2", { protocol: 6, sourcePort: 1, destinationPort: 2 }],
    ["udp  10.0.0.1:1->10.0.0.2:2 ", { protocol: 17 }],
    ["icmp 10.0.0.1 > 10.0.0.2", { protocol: 1, icmp: { type: 8, code: 0 } }],
    ["icmp 10.0.0.1 > 10.0.0.2 3/4", { icmp: { type: 3, code: 4 }, sourcePort: 0 }],
    ["icmp 10.0.0.1 > 10.0.0.2 fragmentation-needed", { icmp: { type: 3, code: 4 } }],
    ["esp 10.0.0.1 > 10.0.0.2", { protocol: 50, sourcePort: 0 }],
    ["sctp 10.0.0.1:5 > 10.0.0.2:6", { protocol: 132, destinationPort: 6 }],
  ])("%s", (words, expected) => {
    expect(parsePacketSketch(words)).toMatchObject(expected);
  });

  it.each([
    ["tcp 10.0.0.1 > 10.0.0.2:80", "tcp has ports: write 10.0.0.1:40000 > 10.0.0.2:80"],
    ["tcp 10.0.0.1:1 > 10.0.0.256:80", '"10.0.0.256" is not an IPv4 address'],
    ["tcp 10.0.0.1:1 > 10.0.0.2:70000", "ports go from 0 to 65535"],
    [
      "xyz 10.0.0.1:1 > 10.0.0.2:7",
      'there is no protocol "xyz"; expected tcp, udp, icmp, sctp, another name or a number',
    ],
    ["icmp 10.0.0.1:1 > 10.0.0.2", "icmp has no ports; leave them out"],
    ["tcp 10.0.0.1:1 > 10.0.0.2:2 S", `"S" stands behind the packet; TCP's flags are given with --flags`],
  ])("%s is refused", (words, problem) => {
    expect(parsePacketSketch(words)).toBe(problem);
  });

  it("has TCP flags in either way of writing", () => {
    expect(["S", "S.", "SA", "SYN,ACK", "none", "FIN", "X"].map(parseTcpFlags)).toEqual([
      2,
      18,
      18,
      18,
      0,
      1,
      undefined,
    ]);
  });
});
