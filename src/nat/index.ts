/**
 * Netfilter: the firewall, connection tracking and address translation of one host, as Linux does them.
 *
 * {@link Netfilter} stands on a stack's packet path as its `PacketHook` and does in each hook what Linux does there, in Linux's order
 * ({@link HOOK_ORDER}). Rules are data ({@link Ruleset}): written by hand, by kube-proxy (src/kube) or read from `iptables-save`
 * ({@link parseIptablesSave}), and printed again ({@link formatRuleset}). They are compiled once and shared by all hosts that have them; what a host
 * remembers — connections, counters, lists, sets — is its own. This layer knows no topology and no Kubernetes, and models no helpers (FTP, SIP), no
 * expectations, no zones and no sequence adjustment.
 *
 * ```ts
 * const netfilter = new Netfilter({ host: stack });
 * netfilter.setRules(parseIptablesSave("*nat\n-A POSTROUTING -o eth0 -j MASQUERADE\nCOMMIT\n").ruleset);
 * stack.setHook(netfilter);
 * netfilter.list().map(formatConntrackEntry); // as conntrack -L -o extended
 * ```
 */

// Rules are written with addresses and ranges: passed on for kube, which knows no stack.
export {
  address,
  type Cidr,
  cidr,
  contains,
  formatCidr,
  formatIpv4,
  type Ipv4Address,
  ipv4,
  LOOPBACK_ADDRESS,
  lastAddress,
  netmask,
  parseCidr,
  parseIpv4,
} from "../netstack/index.ts";
export {
  type ConntrackEntry,
  type ConntrackStatistics,
  emptyStatistics,
  formatConntrackEntry,
  formatConntrackEvent,
  formatConntrackStatistics,
} from "./conntrack-entry.ts";
export { type ConntrackSysctls, conntrackParameter, DEFAULT_CONNTRACK_SYSCTLS } from "./conntrack-sysctls.ts";
export { HOOK_ORDER } from "./hook-plan.ts";
export { IpSet, type IpSetMember, IpSets, type IpSetType } from "./ipset.ts";
export { type RulePlace, RuleSyntaxError } from "./iptables-error.ts";
export { type FormatOptions, formatRule, formatRuleset, formatTable, type RuleCounters } from "./iptables-format.ts";
export { type ParsedRuleset, type ParseOptions, parseIptablesSave, type RuleWarning } from "./iptables-parse.ts";
export { parseRule } from "./iptables-rule-parse.ts";
export { LayeredMap } from "./layered-map.ts";
export { type ChainSource, LazyChains } from "./lazy-chains.ts";
export { type ListKind, namesList, tableNamesList } from "./named-lists.ts";
export { DEFAULT_NAT_SETTINGS, NAT_BEHAVIOURS, type NatBehaviour, type NatSettings } from "./nat-behaviour.ts";
export { NatGateway, type NatGatewayOptions } from "./nat-gateway.ts";
export { Netfilter, type NetfilterOptions } from "./netfilter.ts";
export type * from "./rule.ts";
export type { Tuple } from "./tuple.ts";
export { type RealServer, VIRTUAL_SCHEDULERS, type VirtualScheduler, type VirtualServer } from "./virtual-servers.ts";
