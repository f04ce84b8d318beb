import { describe, expect, it } from "vitest";
import { address, type PacketEvent, type PacketEventDetail, type RuleReference } from "../../src/netstack/index.ts";
import { CommentWriter } from "../../src/nodes/comments.ts";
import { START } from "../../src/sim/index.ts";

function rule(chain: string, text: string): RuleReference {
  return { table: "nat", chain, number: 1, text };
}

function commentOf(...details: PacketEventDetail[]): string {
  const writer = new CommentWriter();
  for (const detail of details) writer.read({ time: START, node: "n", lineage: 1, ...detail } as PacketEvent);
  return writer.take("n", 1);
}

const matched = (chain: string, text: string): PacketEventDetail => ({
  kind: "rule",
  hook: "prerouting",
  rule: rule(chain, text),
  matched: true,
  verdict: "jump",
});

const DNAT = rule("KUBE-SEP-A", "-p tcp -j DNAT --to-destination 10.180.1.136:8080");

describe("CommentWriter", () => {
  it("tells which chains led to the rule that rewrote, without those that had returned", () => {
    const cause = { kind: "rule", target: "DNAT", rule: DNAT } as const;
    const comment = commentOf(
      matched("PREROUTING", "-j KUBE-SERVICES"),
      matched("KUBE-SERVICES", "-j KUBE-EXT-A"),
      matched("KUBE-EXT-A", "-j KUBE-MARK-MASQ"),
      matched("KUBE-MARK-MASQ", "-j MARK"),
      matched("KUBE-EXT-A", "-j KUBE-SEP-A"),
      matched("KUBE-SEP-A", DNAT.text),
      {
        kind: "rewritten",
        hook: "prerouting",
        field: "destination",
        from: address("10.240.0.5"),
        to: address("10.180.1.136"),
        cause,
      },
      { kind: "rewritten", hook: "prerouting", field: "destinationPort", from: 31000, to: 8080, cause },
    );
    expect(comment).toBe(
      [
        "destination 10.240.0.5:31000 → 10.180.1.136:8080, DNAT in nat PREROUTING → KUBE-SERVICES → KUBE-EXT-A → KUBE-SEP-A",
        "  rule: -A KUBE-SEP-A -p tcp -j DNAT --to-destination 10.180.1.136:8080",
      ].join("\n"),
    );
  });

  it("names conntrack for later packets, and leaves out what forwarding does", () => {
    const cause = { kind: "conntrack", direction: "reply" } as const;
    expect(
      commentOf(
        { kind: "rewritten", hook: "forward", field: "ttl", from: 64, to: 63, cause: { kind: "forwarding" } },
        {
          kind: "rewritten",
          hook: "postrouting",
          field: "source",
          from: address("10.180.1.136"),
          to: address("10.240.0.5"),
          cause,
        },
      ),
    ).toBe("source 10.180.1.136 → 10.240.0.5, POSTROUTING: conntrack entry, reply direction");
  });

  it("gives a drop its reason, chains and rule", () => {
    expect(
      commentOf(matched("PREROUTING", "-j A"), {
        kind: "dropped",
        reason: "rule-drop",
        rule: rule("A", "-p tcp -j DROP"),
      }),
    ).toBe("dropped: rule-drop in nat PREROUTING\n  rule: -A A -p tcp -j DROP");
  });

  it("keeps the order in which things happened", () => {
    const cause = { kind: "clash" } as const;
    expect(
      commentOf(
        { kind: "rewritten", hook: "postrouting", field: "sourcePort", from: 40000, to: 51234, cause },
        { kind: "queued", interface: "eth0", nextHop: address("10.0.0.1"), for: "arp" },
      ),
    ).toBe(
      "source port 40000 → port 51234, POSTROUTING: the port is taken by another connection\nwaits for ARP: who has 10.0.0.1?",
    );
  });

  it("has nothing to say of a packet to which nothing happened, and says everything once", () => {
    expect(commentOf({ kind: "delivered", to: "tcp 80" })).toBe("");
    const writer = new CommentWriter();
    writer.read({ time: START, node: "n", lineage: 1, kind: "reassembled", from: 3 });
    expect([writer.take("n", 1), writer.take("n", 1)]).toEqual(["reassembled from 3 fragments", ""]);
  });

  it("forgets the oldest packets when too many are on their way", () => {
    const writer = new CommentWriter();
    for (let lineage = 0; lineage <= 10_000; lineage++) {
      writer.read({ time: START, node: "n", lineage, kind: "reassembled", from: 2 });
    }
    expect([writer.take("n", 0), writer.take("n", 10_000)]).toEqual(["", "reassembled from 2 fragments"]);
  });
});
