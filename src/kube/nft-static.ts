import type { Ipv4Address } from "./address.ts";
import { formatNftRanges } from "./nft-format.ts";
import { NFT_DNAT_PRIORITY, NFT_SNAT_PRIORITY, type NftChain, type NftSet } from "./nft-table.ts";
import { type KubeProxyConfig, type NodePortAddresses, selectedNodePortAddresses } from "./proxy-config.ts";

/*
 * The part of nftables mode that no Service changes: the chains at the hooks, the checks that refuse, masquerading by mark, and the
 * empty sets and maps that Services then fill.
 */

const ADDRESS_PORT = "ipv4_addr . inet_proto . inet_service : verdict";
const PORT = "inet_proto . inet_service : verdict";
const FILTER_PRIORITY = NFT_DNAT_PRIORITY - 10;

/** Names of the sets and maps that Services fill. */
export type NftSetName =
  | "cluster-ips"
  | "nodeport-ips"
  | "no-endpoint-services"
  | "no-endpoint-nodeports"
  | "firewall-ips"
  | "service-ips"
  | "service-nodeports";

/** Empty sets and maps, in kube-proxy's order; the nodeport-ips set is there only when nodePorts are for some addresses only. */
export function nftSets(config: KubeProxyConfig): readonly NftSet[] {
  const own = nodePortIps(config).map((address) => ({ key: { address } }));
  const nodePorts: readonly NftSet[] =
    nftNodePortAddresses(config).kind === "all"
      ? []
      : [
          {
            kind: "set",
            name: "nodeport-ips",
            type: "ipv4_addr",
            comment: "IPs that accept NodePort traffic",
            elements: own,
          },
        ];
  return [
    { kind: "set", name: "cluster-ips", type: "ipv4_addr", comment: "Active ClusterIPs", elements: [] },
    ...nodePorts,
    map("no-endpoint-services", ADDRESS_PORT, "vmap to drop or reject packets to services with no endpoints"),
    map("no-endpoint-nodeports", PORT, "vmap to drop or reject packets to service nodeports with no endpoints"),
    map("firewall-ips", ADDRESS_PORT, "destinations that are subject to LoadBalancerSourceRanges"),
    map("service-ips", ADDRESS_PORT, "ClusterIP, ExternalIP and LoadBalancer IP traffic"),
    map("service-nodeports", PORT, "NodePort traffic"),
  ];
}

/** Chains at the hooks, and those they jump to. Filtering comes before translation, so that it sees the destination as it was sent. */
export function nftStaticChains(config: KubeProxyConfig): readonly NftChain[] {
  const isNew = "ct state new jump";
  return [
    hook("filter", "prerouting", FILTER_PRIORITY, [`${isNew} firewall-check`]),
    hook("filter", "input", FILTER_PRIORITY, [`${isNew} nodeport-endpoints-check`, `${isNew} service-endpoints-check`]),
    hook("filter", "forward", FILTER_PRIORITY, [`${isNew} service-endpoints-check`, `${isNew} cluster-ips-check`]),
    hook("filter", "output", FILTER_PRIORITY, [`${isNew} service-endpoints-check`, `${isNew} firewall-check`]),
    {
      ...hook("filter", "output", NFT_DNAT_PRIORITY + 10, [`${isNew} cluster-ips-check`]),
      name: "filter-output-post-dnat",
    },
    hook("nat", "prerouting", NFT_DNAT_PRIORITY, ["jump services"]),
    hook("nat", "output", NFT_DNAT_PRIORITY, ["jump services"]),
    hook("nat", "postrouting", NFT_SNAT_PRIORITY, ["jump masquerading"]),
    ...checkChains(config),
    ...masqueradingChains(config),
    {
      name: "reject-chain",
      comment: "helper for @no-endpoint-services / @no-endpoint-nodeports",
      rules: ["reject"],
    },
  ];
}

/** Which addresses answer on nodePorts: the primary one only, where nothing is said. */
export function nftNodePortAddresses(config: KubeProxyConfig): NodePortAddresses {
  return config.nodePortAddressesGiven ? config.nodePortAddresses : { kind: "primary" };
}

/** The node's addresses that answer on nodePorts; never loopback, which this mode does not support. */
export function nodePortIps(config: KubeProxyConfig): readonly Ipv4Address[] {
  const selected = selectedNodePortAddresses({ ...config, nodePortAddresses: nftNodePortAddresses(config) });
  return selected.filter((address) => address >>> 24 !== 127);
}

function checkChains(config: KubeProxyConfig): readonly NftChain[] {
  const all = nftNodePortAddresses(config).kind === "all";
  const toService = "ip daddr . meta l4proto . th dport vmap";
  const toNodePort = "meta l4proto . th dport vmap";
  const notLoopback = "ip daddr != 127.0.0.0/8";
  const own = "ip daddr @nodeport-ips";
  return [
    { name: "nodeport-endpoints-check", rules: [`${all ? notLoopback : own} ${toNodePort} @no-endpoint-nodeports`] },
    { name: "service-endpoints-check", rules: [`${toService} @no-endpoint-services`] },
    { name: "firewall-check", rules: [`${toService} @firewall-ips`] },
    {
      name: "services",
      rules: [
        `${toService} @service-ips`,
        `${all ? `fib daddr type local ${notLoopback}` : own} ${toNodePort} @service-nodeports`,
      ],
    },
  ];
}

function masqueradingChains(config: KubeProxyConfig): readonly NftChain[] {
  const mark = `0x${config.masqueradeMark.toString(16).padStart(8, "0")}`;
  // nft shows a mask of leading bits as a prefix length, and this is one when the mark is bit 31.
  const unmarked = config.masqueradeMark === 0x80000000 ? "0x00000000/1" : `& ${mark} == 0x00000000`;
  const clusterIps = ['ip daddr @cluster-ips reject comment "Reject traffic to invalid ports of ClusterIPs"'];
  if (config.serviceCidrs.length > 0)
    clusterIps.push(
      `ip daddr ${formatNftRanges(config.serviceCidrs)} drop comment "Drop traffic to unallocated ClusterIPs"`,
    );
  return [
    {
      name: "masquerading",
      rules: [`meta mark ${unmarked} return`, `meta mark set meta mark ^ ${mark}`, "masquerade fully-random"],
    },
    { name: "cluster-ips-check", rules: clusterIps },
    { name: "mark-for-masquerade", rules: [`meta mark set meta mark | ${mark}`] },
  ];
}

type NftBase = NonNullable<NftChain["base"]>;

function hook(type: NftBase["type"], at: NftBase["hook"], priority: number, rules: readonly string[]): NftChain {
  return { name: `${type}-${at}`, base: { type, hook: at, priority }, rules };
}

function map(name: NftSetName, type: string, comment: string): NftSet {
  return { kind: "map", name, type, comment, elements: [] };
}
