import { expect, it } from "vitest";
import { describeEvent } from "../../src/explain/index.ts";
import { address, type PacketEvent, type PacketEventDetail } from "../../src/netstack/index.ts";
import { after, ms, START } from "../../src/sim/index.ts";
import { arpFrame, pingFrame, tcpFrame, udpFrame } from "../scenario/filter-frames.ts";

const RULE = { table: "nat", chain: "PREROUTING", number: 2, text: "-j DNAT --to-destination 10.0.0.9" };
const SUMMARY = {
  protocol: 6,
  source: address("10.0.0.1"),
  sourcePort: 40000,
  destination: address("10.0.0.2"),
  destinationPort: 80,
};

it.each<[PacketEventDetail, string]>([
  [
    { kind: "arrived", interface: "eth0", bytes: tcpFrame(0x12).bytes },
    "arrived at eth0: 10.244.3.8 > 10.0.170.92 ttl 63 id 4660 DF length 43, TCP 40000 > 80 [S.] seq 1000 ack 2000 win 64240",
  ],
  [
    { kind: "sent", interface: "eth0", bytes: udpFrame().bytes },
    "sent by eth0: 10.244.3.8 > 10.0.170.92 ttl 63 id 4660 DF length 36, UDP 5000 > 53 length 16",
  ],
  [
    { kind: "sent", interface: "eth0", bytes: pingFrame().bytes },
    "sent by eth0: 10.244.3.8 > 10.0.170.92 ttl 63 id 4660 DF length 28, ICMP echo request id 7 seq 3",
  ],
  [
    { kind: "sent", interface: "eth0", bytes: arpFrame().bytes },
    "sent by eth0: ARP who has 10.244.3.8? tell 10.244.3.1",
  ],
  [{ kind: "sent", interface: "eth0", bytes: new Uint8Array(3) }, "sent by eth0: 3 bytes"],
  [
    { kind: "hook", hook: "forward", in: "eth0", out: "eth1", packet: SUMMARY, state: "NEW" },
    "FORWARD in eth0 out eth1 TCP 10.0.0.1:40000 > 10.0.0.2:80 NEW",
  ],
  [
    { kind: "rule", hook: "prerouting", rule: RULE, matched: true, verdict: "DNAT" },
    "matched: nat PREROUTING rule 2 (-j DNAT --to-destination 10.0.0.9): DNAT",
  ],
  [
    { kind: "rule", hook: "prerouting", rule: RULE, matched: false, verdict: "continue" },
    "not matched: nat PREROUTING rule 2 (-j DNAT --to-destination 10.0.0.9): continue",
  ],
  [
    { kind: "policy", hook: "forward", table: "filter", chain: "FORWARD", verdict: "DROP" },
    "end of filter FORWARD: policy DROP",
  ],
  [
    {
      kind: "rewritten",
      hook: "prerouting",
      field: "destination",
      from: 0x0a000002,
      to: 0x0a000009,
      cause: { kind: "rule", target: "DNAT", rule: RULE },
    },
    "destination 10.0.0.2 -> 10.0.0.9, DNAT by nat PREROUTING rule 2 (-j DNAT --to-destination 10.0.0.9)",
  ],
  [
    {
      kind: "rewritten",
      hook: "postrouting",
      field: "sourcePort",
      from: 80,
      to: 81,
      cause: { kind: "conntrack", direction: "reply" },
      quoted: true,
    },
    "quoted packet's source port 80 -> 81, as conntrack remembers, reply direction",
  ],
  [
    { kind: "rewritten", hook: "forward", field: "ttl", from: 64, to: 63, cause: { kind: "forwarding" } },
    "TTL 64 -> 63, forwarding",
  ],
  [
    { kind: "rewritten", hook: "postrouting", field: "sourcePort", from: 1, to: 2, cause: { kind: "clash" } },
    "source port 1 -> 2, as another connection has the port",
  ],
  [
    {
      kind: "rewritten",
      hook: "prerouting",
      field: "mark",
      from: 0,
      to: 0x4000,
      cause: { kind: "rule", target: "MARK", rule: { ...RULE, text: "-j MARK" } },
    },
    "mark 0x0 -> 0x4000, MARK by nat PREROUTING rule 2 (-j MARK)",
  ],
  [
    { kind: "routed", destination: address("10.0.0.2"), out: "local", nextHop: undefined },
    "to 10.0.0.2: it is for this host",
  ],
  [
    { kind: "routed", destination: address("10.0.0.2"), out: "eth1", nextHop: address("10.0.0.1") },
    "to 10.0.0.2: by eth1 to 10.0.0.1",
  ],
  [
    { kind: "queued", interface: "eth1", nextHop: address("10.0.0.2"), for: "arp" },
    "waits at eth1 for ARP: who has 10.0.0.2?",
  ],
  [{ kind: "fragmented", into: 3 }, "fragmented into 3"],
  [{ kind: "reassembled", from: 3 }, "reassembled from 3 fragments"],
  [{ kind: "delivered", to: "tcp 80" }, "delivered to tcp 80"],
  [{ kind: "conntrack", change: "NEW", text: "tcp 6 120 SYN_SENT" }, "conntrack [NEW] tcp 6 120 SYN_SENT"],
  [{ kind: "dropped", reason: "ttl-expired" }, "dropped: ttl-expired"],
  [
    { kind: "dropped", reason: "rule-drop", rule: RULE },
    "dropped: rule-drop by nat PREROUTING rule 2 (-j DNAT --to-destination 10.0.0.9)",
  ],
])("describeEvent() tells in one line: %o", (detail, expected) => {
  const event: PacketEvent = { time: after(START, ms(1.5)), node: "node2", lineage: 7, ...detail };
  expect(describeEvent(event)).toBe(`0.001500000 node2 #7 ${expected}`);
});
