import { expect, test } from "vitest";
import { COLOUR_RULES, profileFiles } from "../../src/wireshark/index.ts";

function textOf(name: string): string {
  return profileFiles().find((file) => file.name === name)?.text ?? "";
}

test("the columns tell the copies of a packet apart: capture point, lineage and comment", () => {
  expect(textOf("preferences").split("\n").slice(1, 12)).toEqual([
    "gui.column.format:",
    '\t"No.", "%m",',
    '\t"Time", "%t",',
    '\t"Capture point", "%Cus:frame.interface_name:0:R",',
    '\t"Lineage", "%Cus:frame.packet_id:0:R",',
    '\t"Source", "%s",',
    '\t"Destination", "%d",',
    '\t"Protocol", "%p",',
    '\t"Length", "%L",',
    '\t"Info", "%i",',
    '\t"Comment", "%Cus:frame.comment:0:R"',
  ]);
});

test("analysis that takes copies for repetitions is off, and names come from the capture alone", () => {
  const lines = textOf("preferences").split("\n");
  expect(lines).toEqual(
    expect.arrayContaining([
      "tcp.analyze_sequence_numbers: FALSE",
      "tcp.desegment_tcp_streams: FALSE",
      "nameres.network_name: TRUE",
      "nameres.use_external_name_resolver: FALSE",
    ]),
  );
});

test("a colour rule is a line of name, filter, background and foreground of 16 bits a colour", () => {
  expect(textOf("colorfilters").split("\n")[0]).toBe(
    '@Dropped@frame.comment matches "(?m)^dropped: "@[42148,0,0][65535,64764,40092]',
  );
});

test("no rule's name or filter has the sign that separates them", () => {
  expect(COLOUR_RULES.filter(({ name, filter }) => `${name}${filter}`.includes("@"))).toEqual([]);
});

/** The first rule that decides by the comment, as Wireshark would: PCRE's inline flag is JavaScript's argument. */
function ruleFor(comment: string): string | undefined {
  return COLOUR_RULES.find(({ filter }) => {
    const pattern = /^frame\.comment matches "\(\?m\)(.*)"$/.exec(filter)?.[1];
    return pattern !== undefined && new RegExp(pattern, "m").test(comment);
  })?.name;
}

test.each([
  ["dropped: rule-drop in filter FORWARD → KUBE-PROXY-FIREWALL\n  rule: -A KUBE-PROXY-FIREWALL -j DROP", "Dropped"],
  [
    "mark 0x0 → 0x4000, MARK in nat PREROUTING → KUBE-MARK-MASQ\n  rule: -A KUBE-MARK-MASQ\ndestination 10.240.0.5:31000 → 10.180.1.136:8080, DNAT in nat PREROUTING",
    "Rewritten by a rule",
  ],
  ["mark 0x0 → 0x1, MARK in mangle PREROUTING\n  rule: -A PREROUTING -j MARK", undefined],
  ["source 192.168.1.10 → 100.64.0.10, MASQUERADE in nat POSTROUTING", "Rewritten by a rule"],
  [
    "source 10.244.3.9:8080 → 10.0.170.93:80, POSTROUTING: conntrack entry, reply direction",
    "Rewritten as the connection's first packet was",
  ],
  [
    "dnat → behind: the flow's backend\ndestination 203.0.113.142 → 10.240.0.12, PREROUTING: balancer dnat → behind",
    "Rewritten by a gateway or balancer",
  ],
  ["unchanged → direct: hash of the five-tuple, new flow", "Sent on by a balancer or through a tunnel"],
  ["decapsulated IPIP 10.240.0.9 → 10.240.0.11", "Sent on by a balancer or through a tunnel"],
  ["waits for ARP: who has 10.240.0.5?", undefined],
])("the comment %j is coloured: %s", (comment, expected) => {
  expect(ruleFor(comment)).toBe(expected);
});
