import type { Rule, Ruleset, Target } from "../nat/index.ts";
import { cidr, contains, type Ipv4Address } from "./address.ts";
import { writeServiceChains } from "./iptables-service-chains.ts";
import { nftEndpointName, nftServiceName } from "./nft-names.ts";
import { nftNodePortAddresses, nodePortIps } from "./nft-static.ts";
import { type KubeProxyConfig, primaryAddress } from "./proxy-config.ts";
import type { ProxyInput } from "./proxy-input.ts";
import { serviceSource } from "./proxy-objects.ts";
import {
  addressType,
  append,
  comment,
  fromAddress,
  fromRange,
  jump,
  match,
  notToRange,
  openChain,
  protocol,
  type RulePart,
  type RuleSheet,
  rule,
  toAddress,
  toRange,
} from "./rule-sheet.ts";
import type { RuleStyle } from "./rule-style.ts";
import { Rulebook } from "./rulebook.ts";
import { internalPolicyChain, noEndpointVerdict, type ServiceChainNames, type ServicePlan } from "./service-plan.ts";
import type { ServicePort } from "./service-ports.ts";

const NFT_CHAINS: ServiceChainNames = {
  cluster: (port) => nftServiceName("service", port),
  local: (port) => nftServiceName("local", port),
  external: (port) => nftServiceName("external", port),
  firewall: (port) => nftServiceName("firewall", port),
  endpoint: (port, endpoint) => nftEndpointName("endpoint", port, endpoint),
  markMasquerade: "mark-for-masquerade",
};

const CLUSTER_IPS_CHECK = { table: "filter", chain: "cluster-ips-check" } as const;

const NEW: RulePart = match({ kind: "conntrack", state: { states: ["NEW"] } });

/**
 * Rules of the iptables kind that do to packets what {@link nftablesRules} says, for a netfilter that runs no other kind. Chains have
 * nftables mode's names; its maps become lists; what it checks before translation stands in mangle, what it checks after in filter.
 */
export const NFT_EQUIVALENT_STYLE: RuleStyle = {
  writer: {
    chains: NFT_CHAINS,
    writeEntries: (sheet, plan) => {
      writeDispatch(sheet, plan);
      writeRefusals(sheet, plan);
      writeFirewallJumps(sheet, plan.port);
      writeClusterIpCheck(sheet, plan.port);
    },
    ownTables: ["mangle", "nat"],
    writeOwn: (sheet, plan, options) => {
      writeFirewall(sheet, plan.port, options.config);
      writeServiceChains(sheet, plan, options);
    },
    namesIn: (table, plan) => (table === "nat" ? dispatchedChains(plan) : firewallChains(plan.port)),
  },
  writeHead: writeHooks,
  writeTail: (sheet, config) => {
    writeNodePortDispatch(sheet, config);
    writeUnallocatedCheck(sheet, config);
  },
  nodeKey: (config) => (nftNodePortAddresses(config).kind === "all" ? "" : nodePortIps(config).join()),
  largeCluster: Number.POSITIVE_INFINITY,
};

/** The rules of {@link NFT_EQUIVALENT_STYLE} for these objects. */
export function nftablesEquivalentRules({ config, ...objects }: ProxyInput): Ruleset {
  return new Rulebook(serviceSource(objects), NFT_EQUIVALENT_STYLE, config).rulesFor(config);
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

function writeFirewallJumps(sheet: RuleSheet, port: ServicePort): void {
  for (const chain of firewallChains(port))
    for (const vip of port.loadBalancerVips)
      append(sheet, { table: "mangle", chain: "firewall-check" }, rule(to(port, vip), jump(chain)));
}

function writeFirewall(sheet: RuleSheet, port: ServicePort, config: KubeProxyConfig): void {
  for (const chain of firewallChains(port)) {
    const nodeMayCome = port.sourceRanges.some((range) => contains(range, primaryAddress(config)));
    const allowed = [
      ...port.sourceRanges.map(fromRange),
      ...(nodeMayCome ? port.loadBalancerVips.map(fromAddress) : []),
    ];
    append(
      sheet,
      { table: "mangle", chain },
      ...allowed.map((source) => rule([source], { kind: "return" })),
      rule([comment(`${port.name} traffic from outside its source ranges`)], { kind: "drop" }),
    );
  }
}

function firewallChains(port: ServicePort): readonly string[] {
  return port.sourceRanges.length === 0 ? [] : [NFT_CHAINS.firewall(port)];
}

/** Those of nat that maps lead to, or other chains of the port's. */
function dispatchedChains({ port, usesClusterChain, usesLocalChain, usesExternalChain }: ServicePlan): string[] {
  return [
    ...(usesClusterChain ? [NFT_CHAINS.cluster(port)] : []),
    ...(usesLocalChain ? [NFT_CHAINS.local(port)] : []),
    ...(usesExternalChain ? [NFT_CHAINS.external(port)] : []),
  ];
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
function writeClusterIpCheck(sheet: RuleSheet, { clusterIp, isFirst }: ServicePort): void {
  if (!isFirst) return;
  const reject: Target = { kind: "reject", with: "icmp-port-unreachable" };
  const parts = [comment("Reject traffic to invalid ports of ClusterIPs"), toAddress(clusterIp)];
  append(sheet, CLUSTER_IPS_CHECK, rule(parts, reject));
}

function writeUnallocatedCheck(sheet: RuleSheet, config: KubeProxyConfig): void {
  for (const range of config.serviceCidrs) {
    const parts = [comment("Drop traffic to unallocated ClusterIPs"), toRange(range)];
    append(sheet, CLUSTER_IPS_CHECK, rule(parts, { kind: "drop" }));
  }
}

function to(port: ServicePort, address: Ipv4Address): readonly RulePart[] {
  return [protocol(port.protocol, port.port), toAddress(address)];
}

function refusal(plan: ServicePlan, parts: readonly RulePart[]): Rule {
  const { verdict, reason } = noEndpointVerdict(plan);
  const target: Target = verdict === "drop" ? { kind: "drop" } : { kind: "reject", with: "icmp-port-unreachable" };
  return rule([comment(reason), ...parts], target);
}
