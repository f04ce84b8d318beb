import type { DropReason, RuleReference } from "../netstack/index.ts";
import { asSentence, fits, type NamedService, namedService, type Reason, type RulePattern } from "./cause.ts";
import { commentOf, serviceOf, targetOf } from "./rule-text.ts";

/*
 * Why a packet ended: a row for each kind of rule that drops or rejects, and one for each reason without a rule.
 */

interface DropCause {
  readonly rule: RulePattern;
  readonly reason: (rule: RuleReference, service: NamedService) => Reason;
}

const RULE_DROPS: readonly DropCause[] = [
  {
    rule: { chain: /^KUBE-SERVICES$/, comment: / has no local endpoints$/ },
    reason: (_, service) => ({
      because: `${service.said} has internalTrafficPolicy: Local, and no ready endpoint of it is on this node. For its cluster address kube-proxy then drops the packet rather than send it to another node; the sender hears nothing and waits until it gives up.`,
      unless: [
        "a ready Pod of the Service ran on the sender's node",
        `the Service's internalTrafficPolicy were Cluster. Try: kubectl patch svc ${service.kubectl} -p '{"spec":{"internalTrafficPolicy":"Cluster"}}'`,
      ],
    }),
  },
  {
    rule: { chain: /^service-endpoints-check$/, comment: / has no local endpoints$/ },
    reason: (_, service) => ({
      because: `${service.said} has the traffic policy Local for this address (internalTrafficPolicy for its cluster address, externalTrafficPolicy for the others), and no ready endpoint of it is on this node. kube-proxy drops the packet rather than send it to another node.`,
      unless: ["a ready Pod of the Service ran on this node", "the Service's policy for this address were Cluster"],
    }),
  },
  {
    rule: { comment: / has no local endpoints$/ },
    reason: (_, service) => ({
      because: `${service.said} has externalTrafficPolicy: Local, and no ready endpoint of it is on this node. kube-proxy drops the packet rather than send it to another node; the sender hears nothing and waits until it gives up.`,
      unless: [
        "a ready Pod of the Service ran on this node",
        `the Service's externalTrafficPolicy were Cluster, at the cost of the client's address. Try: kubectl patch svc ${service.kubectl} -p '{"spec":{"externalTrafficPolicy":"Cluster"}}'`,
        "the sender had asked a node with an endpoint, as a load balancer does that asks each node's healthCheckNodePort",
      ],
    }),
  },
  {
    rule: { comment: / has no endpoints$/ },
    reason: (_, service) => ({
      because: `${service.said} has no ready endpoint on any node: no running Pod fits its selector, or none is ready.`,
      unless: [
        `a ready Pod fitted the Service's selector. See: kubectl get endpointslices -l kubernetes.io/service-name=${service.kubectl}`,
      ],
    }),
  },
  {
    rule: { chain: /^KUBE-PROXY-FIREWALL$|^KUBE-SOURCE-RANGES-FIREWALL$|^firewall-/ },
    reason: (_, service) => ({
      because: `The sender is not in the loadBalancerSourceRanges of ${service.said}.`,
      unless: ["the Service's spec.loadBalancerSourceRanges held the sender's address"],
    }),
  },
  {
    rule: { chain: /^KUBE-FIREWALL$/ },
    reason: () => ({
      because:
        "It came from outside for 127.0.0.0/8. kube-proxy has opened the loopback range for nodePorts (route_localnet) and keeps others out of it.",
      unless: ["the sender were on the node itself"],
    }),
  },
  {
    rule: { chain: /^KUBE-FORWARD$/, target: /^DROP$/ },
    reason: () => ({
      because:
        "Connection tracking takes the packet for none of its connections (INVALID), so it would not be translated back and would leave with a Pod's address.",
      unless: ["net.netfilter.nf_conntrack_tcp_be_liberal were 1"],
    }),
  },
  {
    rule: { chain: /^cluster-ips-check$/ },
    reason: () => ({
      because: "It goes to a cluster address, but to a port that no Service has there.",
      unless: ["the Service had that port"],
    }),
  },
  {
    rule: { target: /^REJECT$/ },
    reason: (rule) => ({
      because: `Rule ${rule.number} of ${rule.chain} refuses it${noteOf(rule)} and tells the sender with ${answerOf(rule)}.`,
      unless: ["a rule before it accepted the packet, or the packet did not fit the rule"],
    }),
  },
  {
    rule: {},
    reason: (rule) => ({
      because: `Rule ${rule.number} of ${rule.chain} drops it${noteOf(rule)}. The sender is not told.`,
      unless: ["a rule before it accepted the packet, or the packet did not fit the rule"],
    }),
  },
];

function noteOf(rule: RuleReference): string {
  const note = commentOf(rule);
  return note === "" ? "" : ` ("${note}")`;
}

function answerOf({ text }: RuleReference): string {
  const answer = /--reject-with (\S+)/.exec(text)?.[1] ?? "icmp-port-unreachable";
  return answer === "tcp-reset" ? "a TCP reset" : `an ICMP error (${answer})`;
}

/** Reasons without a rule. */
const REASONS: Readonly<Record<DropReason, readonly [because: string, ...unless: string[]]>> = {
  "link-loss": ["The link lost it, as the scenario asks.", "the link's loss were 0"],
  "link-queue-full": ["The link's queue was full.", "the sender were slower, or the queue longer"],
  "link-down": ["The link is down.", "the link were up"],
  "interface-down": ["The interface is down.", "the interface were up"],
  "other-host": ["The frame is for another machine's MAC address."],
  "ethernet-truncated": ["The frame is shorter than an Ethernet header."],
  "unknown-ethertype": ["The frame holds a protocol that the box does not speak."],
  "vlan-not-configured": ["The frame is of a VLAN that the box has no interface in."],
  "ip-truncated": ["The packet is shorter than its header says."],
  "ip-bad-version": ["The packet is no IPv4."],
  "ip-bad-header-length": ["The IP header's length cannot be."],
  "ip-bad-length": ["The packet's length cannot be."],
  "ip-bad-checksum": ["The IP header's checksum is wrong."],
  "arp-malformed": ["The ARP packet makes no sense."],
  "arp-queue-full": ["Too many packets waited for ARP to answer.", "the neighbour answered ARP"],
  "neighbour-unreachable": [
    "Nobody on the segment answered ARP for the next hop, three times asked.",
    "a machine with that address were up on the segment",
    "the route named another next hop",
  ],
  "martian-source": ["The source address cannot come from there."],
  "martian-destination": ["The destination address cannot be asked for from there."],
  "reverse-path-filter": [
    "The way back to the source does not lead out by the interface it came in by.",
    "rp_filter were 0 or 2, or the routes fitted",
  ],
  "forwarding-off": ["The packet is for somebody else, and the box does not forward.", "net.ipv4.ip_forward were 1"],
  "no-route": ["The box has no route to the destination.", "it had one, if only a default route"],
  "ttl-expired": [
    "The TTL was used up before the packet arrived. That is what traceroute does on purpose; else it goes in circles.",
    "the sender's TTL were larger",
  ],
  "fragmentation-needed": [
    "The packet is larger than the next link's MTU and may not be cut (DF).",
    "the sender heeded the ICMP error, or the MTU were larger",
  ],
  "reassembly-failed": ["The fragments do not fit together."],
  "reassembly-timeout": ["A fragment did not come in time."],
  "reassembly-queue-full": ["Too many fragments waited for their others."],
  "unknown-protocol": ["No program of the host takes this protocol."],
  "icmp-malformed": ["The ICMP message makes no sense."],
  "icmp-ignored": ["The host does not answer this ICMP message."],
  "udp-malformed": ["The UDP datagram makes no sense."],
  "tcp-malformed": ["The TCP segment makes no sense."],
  "bad-checksum": ["The checksum is wrong."],
  "no-listener": [
    "The packet arrived, but no program listens on this port. The host refuses it with a TCP reset or an ICMP port unreachable; of the latter it sends only so many (net.ipv4.icmp_ratelimit).",
    "a program listened on this port and address",
  ],
  "receive-queue-full": ["The program does not read fast enough: its receive queue is full."],
  "tcp-refused-segment": ["TCP has no use for the segment here: it fits no open connection, or ends one."],
  "listen-overflow": ["The program does not accept connections fast enough: its queue is full."],
  "rule-drop": ["A rule drops it."],
  "rule-reject": ["A rule rejects it."],
  "nat-no-free-port": [
    "Every port that the rule allows is in use towards this destination.",
    "the rule allowed more ports or addresses, or connections ended sooner",
  ],
  "nat-no-address": [
    "The interface by which it would leave has no address for MASQUERADE, or another one than the connection began with.",
    "the interface had kept its address",
  ],
  "nat-filtered": [
    "The NAT has a mapping for the port, and it does not let this sender in.",
    "the inside host had sent to this address, or the NAT's filtering were endpoint-independent",
  ],
  "conntrack-table-full": [
    "Connection tracking's table is full.",
    "net.netfilter.nf_conntrack_max were larger, or timeouts shorter",
  ],
  "conntrack-clash": ["Two connections' first packets were given the same tuple at the same time; this one lost."],
  "tunnel-unknown": [
    "The tunnel's packet came to the right port, but no tunnel of the host has its number (VNI).",
    "both ends had the same VNI",
  ],
  "tunnel-marked": [
    "The packet was marked on the tunnel's way because of congestion. Its ends do not use ECN and would not see the mark, so it is lost instead (RFC 6040).",
    "its ends had agreed on ECN",
  ],
  "tunnel-no-remote": [
    "The tunnel's forwarding table does not say behind which end the hardware address is.",
    "it had an entry for it, or remotes for what it does not know",
  ],
  "balancer-no-service": ["The load balancer has no service on this address and port."],
  "balancer-no-backend": ["None of the load balancer's backends is healthy.", "a backend passed its health check"],
  "bridge-port-blocked": ["The bridge's port does not forward."],
  "bridge-same-port": ["It would leave the bridge by the port it came in by.", "the port were in hairpin mode"],
};

/** A drop by a built-in chain's policy. */
export interface PolicyDrop {
  readonly table: string;
  readonly chain: string;
}

/** Why a packet ended, and what would let it pass. `path` are the rules that led to the one that ended it. */
export function explainDrop(
  reason: DropReason,
  rule: RuleReference | undefined,
  about: { readonly policy: PolicyDrop | undefined; readonly path: readonly RuleReference[] },
): Reason {
  const { policy, path } = about;
  if (policy !== undefined)
    return {
      because: `No rule of ${policy.table} ${policy.chain} accepted it, and the chain's policy is DROP.`,
      unless: [`a rule accepted it (iptables -t ${policy.table} -A ${policy.chain} … -j ACCEPT)`],
    };
  const row = rule && RULE_DROPS.find((each) => fits(each.rule, rule));
  if (rule !== undefined && row !== undefined && targetOf(rule) !== "") {
    const service = [rule, ...path.toReversed()].map(serviceOf).find((name) => name !== undefined);
    return asSentence(row.reason(rule, namedService(service)));
  }
  const [because, ...unless] = REASONS[reason];
  return { because, unless };
}
