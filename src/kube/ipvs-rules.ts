import { formatRuleset, type Rule, type Ruleset, type Target } from "../nat/index.ts";
import { cidr, type Ipv4Address } from "./address.ts";
import { collectEndpoints, localityOf } from "./endpoints.ts";
import { formatIpSets, type IpSet } from "./ip-sets.ts";
import { writeMasquerading } from "./iptables-static.ts";
import { formatIpvsServices, type IpvsService, ipvsBoundAddresses, ipvsServices } from "./ipvs-services.ts";
import { type FilledSets, type IpvsSetName, ipvsSetComment, ipvsSets, nodeMayCome } from "./ipvs-sets.ts";
import type { KubeProxyConfig } from "./proxy-config.ts";
import type { ProxyInput } from "./proxy-input.ts";
import {
  addressType,
  append,
  comment,
  finishSheet,
  fromAddress,
  fromRange,
  jump,
  match,
  newRuleSheet,
  notFromRange,
  openChain,
  type Place,
  protocol,
  type RulePart,
  type RuleSheet,
  rule,
  toAddress,
} from "./rule-sheet.ts";
import { planService, type ServicePlan } from "./service-plan.ts";
import { servicePorts } from "./service-ports.ts";

/** All that kube-proxy in ipvs mode sets up on a node. */
export interface IpvsRules {
  readonly services: readonly IpvsService[];
  readonly sets: readonly IpSet[];
  /** Addresses of the dummy interface kube-ipvs0. */
  readonly boundAddresses: readonly Ipv4Address[];
  readonly rules: Ruleset;
}

/** `chain`, set, flags, target; TCP, UDP or SCTP where the set does not say it. */
interface SetRule {
  readonly place: Place;
  readonly set: IpvsSetName;
  readonly flags: readonly ("src" | "dst")[];
  readonly target: Target;
  readonly protocol?: "TCP" | "UDP" | "SCTP";
}

const NAT_SERVICES: Place = { table: "nat", chain: "KUBE-SERVICES" };
const NODE_PORT: Place = { table: "nat", chain: "KUBE-NODE-PORT" };
const LOAD_BALANCER: Place = { table: "nat", chain: "KUBE-LOAD-BALANCER" };
const SOURCE_RANGES: Place = { table: "filter", chain: "KUBE-SOURCE-RANGES-FIREWALL" };
const ACCESS_FILTER = "KUBE-IPVS-FILTER";
const RETURN: Target = { kind: "return" };
const MARK_MASQUERADE = jump("KUBE-MARK-MASQ");
const DST = ["dst"] as const;
const DST_DST = ["dst", "dst"] as const;
const DST_DST_SRC = ["dst", "dst", "src"] as const;

/** Rules that stand only while their set has entries, in kube-proxy's order (ipsetWithIptablesChain). */
const SET_RULES: readonly SetRule[] = [
  {
    place: { table: "nat", chain: "KUBE-POSTROUTING" },
    set: "KUBE-LOOP-BACK",
    flags: DST_DST_SRC,
    target: { kind: "masquerade" },
  },
  { place: NAT_SERVICES, set: "KUBE-LOAD-BALANCER", flags: DST_DST, target: jump("KUBE-LOAD-BALANCER") },
  { place: LOAD_BALANCER, set: "KUBE-LOAD-BALANCER-LOCAL", flags: DST_DST, target: RETURN },
  { place: NODE_PORT, set: "KUBE-NODE-PORT-LOCAL-TCP", flags: DST, target: RETURN, protocol: "TCP" },
  { place: NODE_PORT, set: "KUBE-NODE-PORT-TCP", flags: DST, target: MARK_MASQUERADE, protocol: "TCP" },
  { place: NODE_PORT, set: "KUBE-NODE-PORT-LOCAL-UDP", flags: DST, target: RETURN, protocol: "UDP" },
  { place: NODE_PORT, set: "KUBE-NODE-PORT-UDP", flags: DST, target: MARK_MASQUERADE, protocol: "UDP" },
  { place: NODE_PORT, set: "KUBE-NODE-PORT-LOCAL-SCTP-HASH", flags: DST_DST, target: RETURN, protocol: "SCTP" },
  { place: NODE_PORT, set: "KUBE-NODE-PORT-SCTP-HASH", flags: DST_DST, target: MARK_MASQUERADE, protocol: "SCTP" },
  {
    place: { table: "filter", chain: "KUBE-PROXY-FIREWALL" },
    set: "KUBE-LOAD-BALANCER-FW",
    flags: DST_DST,
    target: jump("KUBE-SOURCE-RANGES-FIREWALL"),
  },
  { place: SOURCE_RANGES, set: "KUBE-LOAD-BALANCER-SOURCE-CIDR", flags: DST_DST_SRC, target: RETURN },
  { place: SOURCE_RANGES, set: "KUBE-LOAD-BALANCER-SOURCE-IP", flags: DST_DST_SRC, target: RETURN },
];

/** Jumps from the built-in chains, top first: as each is put in front of the others, kube-proxy's list upside down. */
const HOOKS: readonly (readonly ["filter" | "nat", string, string, string])[] = [
  ["filter", "INPUT", "kubernetes ipvs access filter", ACCESS_FILTER],
  ["filter", "INPUT", "kube-proxy firewall rules", "KUBE-PROXY-FIREWALL"],
  ["filter", "INPUT", "kubernetes health check rules", "KUBE-NODE-PORT"],
  ["filter", "FORWARD", "kube-proxy firewall rules", "KUBE-PROXY-FIREWALL"],
  ["filter", "FORWARD", "kubernetes forwarding rules", "KUBE-FORWARD"],
  ["filter", "OUTPUT", "kubernetes ipvs access filter", "KUBE-IPVS-OUT-FILTER"],
  ["nat", "PREROUTING", "kubernetes service portals", "KUBE-SERVICES"],
  ["nat", "OUTPUT", "kubernetes service portals", "KUBE-SERVICES"],
  ["nat", "POSTROUTING", "kubernetes postrouting rules", "KUBE-POSTROUTING"],
];

/**
 * What kube-proxy writes in ipvs mode (pkg/proxy/ipvs/proxier.go, Kubernetes 1.30 to 1.34): virtual servers choose the endpoint, and a
 * fixed number of rules, which ask ipsets, see to masquerading and refusals. Cluster IPs are addresses of the node here: they take
 * INPUT, and answer to ping.
 */
export function ipvsRules({ services, endpointSlices, config }: ProxyInput): IpvsRules {
  const endpoints = collectEndpoints(endpointSlices, config.nodeName);
  const locality = localityOf(config.nodeName, config.node);
  const plans = servicePorts(services).map((port) => planService(port, endpoints, locality));
  const filled = ipvsSets(plans, endpoints, config);
  return {
    services: ipvsServices(plans, config),
    sets: filled.sets,
    boundAddresses: ipvsBoundAddresses(plans, config),
    rules: filterAndNatRules(plans, filled, config),
  };
}

/** What `ipvsadm-save -n`, `ipset save` and `iptables-save` print of it, one after the other. */
export function formatIpvsRules({ services, sets, rules }: IpvsRules): string {
  const servers = `# ipvsadm-save -n\n${formatIpvsServices(services)}`;
  return `${servers}# ipset save\n${formatIpSets(sets)}# iptables-save\n${formatRuleset(rules)}`;
}

function filterAndNatRules(plans: readonly ServicePlan[], filled: FilledSets, config: KubeProxyConfig): Ruleset {
  const sheet = newRuleSheet();
  writeHooks(sheet, config);
  append(sheet, NAT_SERVICES, rule([fromRange(cidr("127.0.0.0/8"))], RETURN));
  for (const entry of SET_RULES) if (filled.used.has(entry.set)) append(sheet, entry.place, setRule(entry));
  writeClusterIpMasquerading(sheet, filled, config);
  writeExternalIps(sheet, filled);
  append(sheet, NAT_SERVICES, rule([addressType("destination", "LOCAL")], jump("KUBE-NODE-PORT")));
  append(sheet, LOAD_BALANCER, rule([], MARK_MASQUERADE));
  append(sheet, SOURCE_RANGES, rule([], { kind: "drop" }));
  writeOutFilter(sheet, plans, config);
  for (const set of ["KUBE-CLUSTER-IP", "KUBE-LOAD-BALANCER"] as const)
    if (filled.used.has(set)) append(sheet, NAT_SERVICES, rule([inSet(set, DST_DST)], { kind: "accept" }));
  writeFilters(sheet, config);
  writeMasquerading(sheet, config);
  return finishSheet(sheet);
}

function writeHooks(sheet: RuleSheet, config: KubeProxyConfig): void {
  for (const [table, chain, reason, target] of HOOKS) {
    if (target === ACCESS_FILTER && !config.ipvsAccessFilter) continue;
    append(sheet, { table, chain }, rule([comment(reason)], jump(target)));
    openChain(sheet, table, target);
  }
  for (const chain of ["KUBE-NODE-PORT", "KUBE-LOAD-BALANCER", "KUBE-MARK-MASQ"]) openChain(sheet, "nat", chain);
  openChain(sheet, "filter", "KUBE-SOURCE-RANGES-FIREWALL");
}

/** Without a way to tell pods, only what has a VIP as its source is masqueraded: a node chooses one when it talks to a VIP. */
function writeClusterIpMasquerading(sheet: RuleSheet, filled: FilledSets, config: KubeProxyConfig): void {
  if (!filled.used.has("KUBE-CLUSTER-IP")) return;
  const note = comment(ipvsSetComment("KUBE-CLUSTER-IP"));
  const { detector, masqueradeAll } = config;
  const byVip = !masqueradeAll && detector === undefined;
  const set = inSet("KUBE-CLUSTER-IP", byVip ? ["src", "dst"] : DST_DST);
  append(sheet, NAT_SERVICES, rule([note, set, masqueradeAll ? {} : unlessFromPod(config)], MARK_MASQUERADE));
}

function unlessFromPod({ detector }: KubeProxyConfig): RulePart {
  if (detector === undefined) return {};
  if (detector.kind === "source") return notFromRange(detector.range);
  return { inInterface: { name: detector.name, not: true } };
}

function writeExternalIps(sheet: RuleSheet, filled: FilledSets): void {
  for (const set of ["KUBE-EXTERNAL-IP", "KUBE-EXTERNAL-IP-LOCAL"] as const) {
    if (!filled.used.has(set)) continue;
    const parts = [comment(ipvsSetComment(set)), inSet(set, DST_DST)];
    if (set === "KUBE-EXTERNAL-IP") append(sheet, NAT_SERVICES, rule(parts, MARK_MASQUERADE));
    // Roughly "from off this machine": neither in over a bridge's port nor made here.
    const notBridged = match(
      { kind: "physdev", isIn: { not: true } },
      { kind: "addrtype", source: { types: ["LOCAL"], not: true } },
    );
    append(
      sheet,
      NAT_SERVICES,
      rule([...parts, notBridged], { kind: "accept" }),
      rule([...parts, addressType("destination", "LOCAL")], { kind: "accept" }),
    );
  }
}

/**
 * Keeps the node itself from load balancer addresses whose source ranges leave it out; its packets to a VIP come from that VIP.
 * kube-proxy asks the ipvs module for the virtual server; address and port come to the same here, before ipvs has rewritten them.
 */
function writeOutFilter(sheet: RuleSheet, plans: readonly ServicePlan[], config: KubeProxyConfig): void {
  for (const { port } of plans) {
    if (port.sourceRanges.length === 0 || nodeMayCome(port, config)) continue;
    for (const vip of port.loadBalancerVips) {
      const parts = [fromAddress(vip), toAddress(vip), protocol(port.protocol, port.port)];
      append(sheet, { table: "filter", chain: "KUBE-IPVS-OUT-FILTER" }, rule(parts, { kind: "drop" }));
    }
  }
}

function writeFilters(sheet: RuleSheet, config: KubeProxyConfig): void {
  const mark = config.masqueradeMark;
  const forward: Place = { table: "filter", chain: "KUBE-FORWARD" };
  append(
    sheet,
    forward,
    rule([comment("kubernetes forwarding rules"), match({ kind: "mark", value: mark, mask: mark })], {
      kind: "accept",
    }),
    rule(
      [
        comment("kubernetes forwarding conntrack rule"),
        match({ kind: "conntrack", state: { states: ["RELATED", "ESTABLISHED"] } }),
      ],
      { kind: "accept" },
    ),
  );
  const healthCheck = "KUBE-HEALTH-CHECK-NODE-PORT";
  append(
    sheet,
    { table: "filter", chain: "KUBE-NODE-PORT" },
    rule([comment(ipvsSetComment(healthCheck)), inSet(healthCheck, DST)], { kind: "accept" }),
  );
  if (!config.ipvsAccessFilter) return;
  // A VIP is an address of the node: without this, whatever listens on the node would answer on it (kubernetes/kubernetes#72236).
  const filter: Place = { table: "filter", chain: ACCESS_FILTER };
  for (const set of ["KUBE-LOAD-BALANCER", "KUBE-CLUSTER-IP", "KUBE-EXTERNAL-IP", "KUBE-EXTERNAL-IP-LOCAL"] as const)
    append(sheet, filter, rule([inSet(set, DST_DST)], RETURN));
  append(
    sheet,
    filter,
    rule([inSet(healthCheck, DST)], RETURN),
    rule([match({ kind: "conntrack", state: { states: ["NEW"] } }), inSet("KUBE-IPVS-IPS", DST)], {
      kind: "reject",
      with: "icmp-port-unreachable",
    }),
  );
}

function setRule(entry: SetRule): Rule {
  const numbers = { TCP: 6, UDP: 17, SCTP: 132 } as const;
  const only: RulePart = entry.protocol === undefined ? {} : { protocol: { protocol: numbers[entry.protocol] } };
  return rule([only, comment(ipvsSetComment(entry.set)), inSet(entry.set, entry.flags)], entry.target);
}

function inSet(name: IpvsSetName, flags: readonly ("src" | "dst")[]): RulePart {
  return match({ kind: "set", name, flags });
}
