import type { Rule, Ruleset, Target } from "../nat/index.ts";
import { cidr, contains, type Ipv4Address } from "./address.ts";
import { collectEndpoints, localityOf } from "./endpoints.ts";
import { type ChainOptions, writeServiceChains } from "./iptables-service-chains.ts";
import { nftEndpointName, nftServiceName } from "./nft-names.ts";
import { nftNodePortAddresses, nodePortIps } from "./nft-static.ts";
import { type KubeProxyConfig, primaryAddress } from "./proxy-config.ts";
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
  notToRange,
  openChain,
  protocol,
  type RulePart,
  type RuleSheet,
  rule,
  toAddress,
  toRange,
} from "./rule-sheet.ts";
import {
  internalPolicyChain,
  noEndpointVerdict,
  planService,
  type ServiceChainNames,
  type ServicePlan,
} from "./service-plan.ts";
import { type ServicePort, servicePorts } from "./service-ports.ts";

const NFT_CHAINS: ServiceChainNames = {
  cluster: (port) => nftServiceName("service", port),
  local: (port) => nftServiceName("local", port),
  external: (port) => nftServiceName("external", port),
  firewall: (port) => nftServiceName("firewall", port),
  endpoint: (port, endpoint) => nftEndpointName("endpoint", port, endpoint),
  markMasquerade: "mark-for-masquerade",
};

const NEW: RulePart = match({ kind: "conntrack", state: { states: ["NEW"] } });

/**
 * Rules of the iptables kind that do to packets what {@link nftablesRules} says, for a netfilter that runs no other kind. Chains have
 * nftables mode's names; its maps become lists; what it checks before translation stands in mangle, what it checks after in filter.
 */
export function nftablesEquivalentRules({ services, endpointSlices, config }: ProxyInput): Ruleset {
  const sheet = newRuleSheet();
  writeHooks(sheet, config);
  const endpoints = collectEndpoints(endpointSlices, config.nodeName);
  const locality = localityOf(config.nodeName, config.node);
  const plans = servicePorts(services).map((port) => planService(port, endpoints, locality));
  const options: ChainOptions = { config, names: NFT_CHAINS, comments: "all" };
  for (const plan of plans) {
    writeDispatch(sheet, plan);
    writeRefusals(sheet, plan);
    writeFirewall(sheet, plan.port, config);
    writeServiceChains(sheet, plan, options);
  }
  writeNodePortDispatch(sheet, config);
  writeClusterIpCheck(sheet, plans, config);
  return finishSheet(sheet);
}

function writeHooks(sheet: RuleSheet, config: KubeProxyConfig): void {
  const mark = config.masqueradeMark;
  const hooks: readonly (readonly ["mangle" | "filter" | "nat", string, string])[] = [
    ["mangle", "PREROUTING", "firewall-check"],
    ["mangle", "OUTPUT", "service-endpoints-check"],
    ["mangle", "OUTPUT", "firewall-check"],
    ["filter", "INPUT", "nodeport-endpoints-check"],
    ["filter", "INPUT", "service-endpoints-check"],
    ["filter", "FORWARD", "service-endpoints-check"],
    ["filter", "FORWARD", "cluster-ips-check"],
    ["filter", "OUTPUT", "service-endpoints-check"],
    ["filter", "OUTPUT", "cluster-ips-check"],
    ["nat", "PREROUTING", "services"],
    ["nat", "OUTPUT", "services"],
    ["nat", "POSTROUTING", "masquerading"],
  ];
  for (const [table, chain, target] of hooks) {
    append(sheet, { table, chain }, rule(table === "nat" ? [] : [NEW], jump(target)));
    openChain(sheet, table, target);
  }
  for (const chain of ["mark-for-masquerade", "service-ips", "service-nodeports"]) openChain(sheet, "nat", chain);
  append(sheet, { table: "nat", chain: "mark-for-masquerade" }, rule([], { kind: "mark", value: mark, mask: mark }));
  append(
    sheet,
    { table: "nat", chain: "masquerading" },
    rule([match({ kind: "mark", value: mark, mask: mark, not: true })], { kind: "return" }),
    rule([], { kind: "mark", value: mark, mask: 0 }),
    rule([], { kind: "masquerade", randomFully: true }),
  );
}

function writeDispatch(sheet: RuleSheet, plan: ServicePlan): void {
  const { port } = plan;
  const services = { table: "nat", chain: "service-ips" } as const;
  const external: Target = { kind: "goto", chain: NFT_CHAINS.external(port) };
  if (plan.hasInternal) {
    const internal: Target = { kind: "goto", chain: internalPolicyChain(port, NFT_CHAINS) };
    append(sheet, services, rule(to(port, port.clusterIp), internal));
  }
  if (!plan.endpoints.hasAny) return;
  for (const address of [...port.externalIps, ...port.loadBalancerVips])
    append(sheet, services, rule(to(port, address), external));
  if (port.nodePort !== 0)
    append(
      sheet,
      { table: "nat", chain: "service-nodeports" },
      rule([protocol(port.protocol, port.nodePort)], external),
    );
}

/** Drops stand in mangle too: what the node itself sends is looked at before it is translated. */
function writeRefusals(sheet: RuleSheet, plan: ServicePlan): void {
  const { port } = plan;
  const external = plan.hasExternal ? [] : [...port.externalIps, ...port.loadBalancerVips];
  for (const address of [...(plan.hasInternal ? [] : [port.clusterIp]), ...external]) {
    const refused = refusal(plan, to(port, address));
    append(sheet, { table: "filter", chain: "service-endpoints-check" }, refused);
    if (refused.target?.kind === "drop") append(sheet, { table: "mangle", chain: "service-endpoints-check" }, refused);
  }
  if (port.nodePort === 0 || plan.hasExternal) return;
  const nodePort = [protocol(port.protocol, port.nodePort)];
  append(sheet, { table: "filter", chain: "no-endpoint-nodeports" }, refusal(plan, nodePort));
}

function writeFirewall(sheet: RuleSheet, port: ServicePort, config: KubeProxyConfig): void {
  if (port.sourceRanges.length === 0) return;
  const chain = NFT_CHAINS.firewall(port);
  for (const vip of port.loadBalancerVips)
    append(sheet, { table: "mangle", chain: "firewall-check" }, rule(to(port, vip), jump(chain)));
  const nodeMayCome = port.sourceRanges.some((range) => contains(range, primaryAddress(config)));
  const allowed = [...port.sourceRanges.map(fromRange), ...(nodeMayCome ? port.loadBalancerVips.map(fromAddress) : [])];
  append(
    sheet,
    { table: "mangle", chain },
    ...allowed.map((source) => rule([source], { kind: "return" })),
    rule([comment(`${port.name} traffic from outside its source ranges`)], { kind: "drop" }),
  );
}

/** NodePorts are looked up only for packets to the addresses that answer on them. */
function writeNodePortDispatch(sheet: RuleSheet, config: KubeProxyConfig): void {
  const all = nftNodePortAddresses(config).kind === "all";
  const own: readonly (readonly RulePart[])[] = all
    ? [[addressType("destination", "LOCAL"), notToRange(cidr("127.0.0.0/8"))]]
    : nodePortIps(config).map((address) => [toAddress(address)]);
  const check = { table: "filter", chain: "nodeport-endpoints-check" } as const;
  const services = { table: "nat", chain: "services" } as const;
  openChain(sheet, "filter", "no-endpoint-nodeports");
  append(sheet, check, ...own.map((parts) => rule(parts, jump("no-endpoint-nodeports"))));
  append(sheet, services, rule([], jump("service-ips")), ...own.map((parts) => rule(parts, jump("service-nodeports"))));
}

/** Who comes here with a cluster IP as destination found no such port. */
function writeClusterIpCheck(sheet: RuleSheet, plans: readonly ServicePlan[], config: KubeProxyConfig): void {
  const place = { table: "filter", chain: "cluster-ips-check" } as const;
  const reject: Target = { kind: "reject", with: "icmp-port-unreachable" };
  for (const address of new Set(plans.map((plan) => plan.port.clusterIp)))
    append(sheet, place, rule([comment("Reject traffic to invalid ports of ClusterIPs"), toAddress(address)], reject));
  for (const range of config.serviceCidrs)
    append(sheet, place, rule([comment("Drop traffic to unallocated ClusterIPs"), toRange(range)], { kind: "drop" }));
}

function to(port: ServicePort, address: Ipv4Address): readonly RulePart[] {
  return [protocol(port.protocol, port.port), toAddress(address)];
}

function refusal(plan: ServicePlan, parts: readonly RulePart[]): Rule {
  const { verdict, reason } = noEndpointVerdict(plan);
  const target: Target = verdict === "drop" ? { kind: "drop" } : { kind: "reject", with: "icmp-port-unreachable" };
  return rule([comment(reason), ...parts], target);
}
