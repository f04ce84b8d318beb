import { formatIpv4, ipv4, type RuleReference } from "../netstack/index.ts";
import { type ChangeContext, fits, namedService, type Reason, type RulePattern } from "./cause.ts";
import { markingReason } from "./marking-causes.ts";
import { commentOf } from "./rule-text.ts";

/*
 * Why a field changed: a row for each kind of rule, and for what changes packets without a rule. The first row that fits counts, so that the cloud's and
 * kube-proxy's rules stand before the general ones.
 */

interface RuleCause {
  readonly id: string;
  readonly rule: RulePattern;
  readonly reason: (context: ChangeContext, rule: RuleReference) => Reason;
}

const EXTERNAL_ADDRESS = /^external address of (.+)$/;
const POSTROUTING = /^(?:KUBE-POSTROUTING|masquerading)$/;

const RULE_CAUSES: readonly RuleCause[] = [
  {
    id: "cloud-edge-in",
    rule: { comment: EXTERNAL_ADDRESS, target: /^DNAT$/ },
    reason: ({ from, to }, rule) => ({
      because: `${from} is the external address of ${externalOwner(rule)}. The cloud's edge maps it 1:1 to the machine's own address ${to}: no machine has the external one.`,
      unless: [`the sender had asked for ${to} itself, from inside the cloud's network`],
    }),
  },
  {
    id: "cloud-edge-out",
    rule: { comment: EXTERNAL_ADDRESS, target: /^SNAT$/ },
    reason: ({ to }, rule) => ({
      because: `${externalOwner(rule)} talks to the outside. The cloud's edge gives its packets its external address ${to}, the one to which answers can find back.`,
      unless: ["the packet had stayed inside the cloud's network"],
    }),
  },
  {
    id: "service-endpoint",
    rule: { chain: /^(?:KUBE-SEP-|endpoint-)/, target: /^DNAT$/ },
    reason: ({ service, to, change }) => ({
      because: `${to} is the endpoint of ${namedService(service).said} that ${chooser(change.path.map(({ rule }) => rule.chain))} chose. A Service's address belongs to no machine: every node's rules replace it.`,
      unless: [`the sender had asked the Pod at ${to} itself, as with a headless Service (clusterIP: None)`],
    }),
  },
  {
    id: "masquerade-mark",
    rule: { chain: /^(?:KUBE-MARK-MASQ|mark-for-masquerade)$/ },
    reason: ({ change, service }) => {
      const jump = change.path.at(-2)?.rule;
      const detail = "The mark asks POSTROUTING to masquerade the packet.";
      if (jump === undefined) return { because: detail, unless: [] };
      return { ...markingReason(jump, service), detail };
    },
  },
  {
    id: "masquerade-unmark",
    rule: { chain: POSTROUTING, target: /^MARK$/ },
    reason: () => ({
      because: "The mark has done its service. It is taken away so that the packet is not masqueraded twice.",
      unless: [],
    }),
  },
  {
    id: "service-masquerade",
    rule: { chain: POSTROUTING, text: /--match-set KUBE-LOOP-BACK / },
    reason: (context, rule) => ({
      because:
        "The Pod asked a Service and was chosen as the endpoint itself (ipset KUBE-LOOP-BACK). With its own address as the sender it would answer itself directly, and the answer would not be translated back.",
      detail: `${interfaceAddress(context)}${portChoice(context, rule)}`,
      unless: ["another endpoint had been chosen"],
    }),
  },
  {
    id: "service-masquerade",
    rule: { chain: POSTROUTING, target: /^MASQUERADE$/ },
    reason: (context, rule) => {
      const [mark] = context.marking?.fields ?? [];
      const where =
        mark === undefined ? "" : ` 0x${mark.to.toString(16)}, set in ${context.marking?.hook.toUpperCase()}`;
      return {
        because: `The packet carries the mark for MASQUERADE${where}.`,
        detail: `${interfaceAddress(context)}${portChoice(context, rule)}`,
        unless: ["the packet had not been marked"],
      };
    },
  },
  {
    id: "masquerade",
    rule: { target: /^MASQUERADE$/ },
    reason: (context, rule) => ({
      because: `${own(rule)}: everything it matches leaves with the address of the box itself, so that answers come back to it.`,
      detail: `${interfaceAddress(context)}${portChoice(context, rule)}`,
      unless: ["the packet left by an interface, or came from an address, that the rule does not match"],
    }),
  },
  {
    id: "snat",
    rule: { target: /^SNAT$/ },
    reason: ({ to }, rule) => ({
      because: `${own(rule)}: what it matches gets the source ${to}, and answers to that come back here.`,
      unless: ["a rule before it had accepted the packet (-j ACCEPT), or it did not match"],
    }),
  },
  {
    id: "dnat",
    rule: { target: /^DNAT$/ },
    reason: ({ to }, rule) => ({
      because: `${own(rule)}: a port forwarding. Who asks for this address and port means ${to}.`,
      unless: ["the rule did not match, or one before it had accepted the packet"],
    }),
  },
  {
    id: "redirect",
    rule: { target: /^REDIRECT$/ },
    reason: ({ box, to }, rule) => ({
      because: `${own(rule)}: the packet is kept for ${box} itself, at ${to}, wherever it wanted to go.`,
      unless: ["the rule did not match"],
    }),
  },
  {
    id: "netmap",
    rule: { target: /^NETMAP$/ },
    reason: (_, rule) => ({
      because: `${own(rule)}: one network's addresses are mapped to another's, the last bits staying as they are.`,
      unless: ["the rule did not match"],
    }),
  },
  {
    id: "mss",
    rule: { target: /^TCPMSS$/ },
    reason: ({ to }, rule) => ({
      because: `${own(rule)}: the other end is told to send segments of at most ${to} bytes, which fit the way.`,
      unless: ["the rule did not match, or the MSS was small enough"],
    }),
  },
  {
    id: "rule",
    rule: {},
    reason: (_, rule) => ({ because: `${own(rule)}.`, unless: ["the rule did not match"] }),
  },
];

/** The rows for changes that no rule of this packet made. */
const OTHER_CAUSES: Readonly<
  Record<
    "conntrack" | "conntrack-error" | "clash" | "balancer" | "mapping" | "forwarding",
    (context: ChangeContext) => Reason
  >
> = {
  conntrack: ({ undoes, change, box, remembered }) => ({
    because:
      undoes === undefined
        ? `Connection tracking on ${box} remembers how the connection is translated${saidBy(remembered)}; its nat table is asked for the first packet only.`
        : `Connection tracking on ${box} turns the ${undoes.target} of the way there (${undoes.from} → ${undoes.to}) back, so that ${change.fields[0]?.field.startsWith("source") ? "the answer comes from whom was asked" : "the answer goes to whom has asked"}. No rule is needed for it.`,
    unless: [],
  }),
  "conntrack-error": () => ({
    because:
      "An ICMP error quotes the packet it is about. Connection tracking translates the quotation too, or the sender would not know it as one of its own.",
    unless: [],
  }),
  clash: () => ({
    because:
      "Another connection already has these addresses and ports towards the same destination. The port is changed so that the answers can be told apart.",
    unless: ["the other connection were over, or went to another destination"],
  }),
  balancer: ({ change: { cause } }) => ({
    because:
      cause.kind === "balancer" ? `The load balancer of ${cause.service} sends the flow to ${cause.backend}.` : "",
    unless: [],
  }),
  mapping: ({ change: { cause } }) => ({
    because: `The router's NAT has a mapping: ${cause.kind === "mapping" ? cause.mapping : ""}.`,
    unless: [],
  }),
  forwarding: () => ({ because: "Every router takes one from the TTL (RFC 1812 §5.3.1).", unless: [] }),
};

/** Why a change was made, with the row's id. */
export function explainChange(context: ChangeContext): Reason & { readonly id: string } {
  const { cause, quoted } = context.change;
  if (cause.kind !== "rule") {
    const id = quoted && cause.kind === "conntrack" ? "conntrack-error" : cause.kind;
    return { id, ...OTHER_CAUSES[id](context) };
  }
  const row = RULE_CAUSES.find((each) => fits(each.rule, cause.rule));
  if (row === undefined) return { id: "rule", because: own(cause.rule), unless: [] };
  return { ...row.reason(context, cause.rule), id: row.id };
}

function saidBy(rule: RuleReference | undefined): string {
  return rule === undefined ? "" : ` (rule ${rule.number} of ${rule.chain}: ${rule.text})`;
}

function externalOwner(rule: RuleReference): string {
  return EXTERNAL_ADDRESS.exec(commentOf(rule))?.[1] ?? "a machine";
}

/** Which chain chose among which endpoints. */
function chooser(chains: readonly string[]): string {
  const chain = chains.find((name) => /^(?:KUBE-SV[CL]-|service-|local-)/.test(name));
  if (chain === undefined) return "kube-proxy";
  const isLocal = /^(?:KUBE-SVL-|local-)/.test(chain);
  return `${chain} (${isLocal ? "endpoints on this node only" : "endpoints on all nodes"})`;
}

function own(rule: RuleReference): string {
  const note = commentOf(rule);
  return `Rule ${rule.number} of ${rule.chain} says so${note === "" ? "" : ` ("${note}")`}`;
}

/** Names of bridges as CNI plugins and Docker give them. */
const BRIDGE = /^(?:cbr|cni|docker|br-|virbr)/;

function interfaceAddress({ change, out, after, hasNextHop }: ChangeContext): string {
  const address = change.fields.find(({ field }) => field === "source");
  if (address === undefined || out === undefined) return "";
  const text = formatIpv4(ipv4(address.to));
  const where = after === undefined ? "" : ` towards ${formatIpv4(ipv4(after.destination))}`;
  const bridge =
    BRIDGE.test(out) && !hasNextHop
      ? ", a bridge on this very machine, behind which the destination is; so it is the bridge's address"
      : "";
  return `MASQUERADE takes the address of the interface by which the packet leaves${where}: ${out}${bridge} (${text}).`;
}

function portChoice({ change }: ChangeContext, { text }: RuleReference): string {
  const port = change.fields.find(({ field }) => field === "sourcePort");
  if (port === undefined) return "";
  if (/--random/.test(text)) return " The port is drawn at random (--random-fully).";
  if (/--to-(?:ports|source \S+:\d)/.test(text)) return " The port is taken from the rule's range.";
  return ` Port ${port.from} was in use towards this destination, so another one was taken.`;
}
