import { type Cidr, contains, type Ipv4Address, LOOPBACK, parseCidr, parseSloppyIpv4 } from "./address.ts";
import type { Node } from "./model.ts";

/** What kind of rules kube-proxy writes. */
export type ProxyMode = "iptables" | "ipvs" | "nftables" | "userspace";
/** The values of `--proxy-mode`. */
export const PROXY_MODES: readonly ProxyMode[] = ["iptables", "ipvs", "nftables", "userspace"];

/** How kube-proxy tells a pod of its own node. */
export type DetectLocalMode = "ClusterCIDR" | "NodeCIDR" | "BridgeInterface" | "InterfaceNamePrefix";
/** The values of `--detect-local-mode`. */
export const DETECT_LOCAL_MODES: readonly DetectLocalMode[] = [
  "ClusterCIDR",
  "NodeCIDR",
  "BridgeInterface",
  "InterfaceNamePrefix",
];

/** The schedulers of Linux's IPVS (net/netfilter/ipvs); kube-proxy takes any of them. */
export const IPVS_SCHEDULERS: readonly string[] = [
  "rr",
  "wrr",
  "lc",
  "wlc",
  "lblc",
  "lblcr",
  "sh",
  "mh",
  "dh",
  "sed",
  "nq",
  "fo",
  "ovf",
  "twos",
];

/** kube-proxy's flags as a person writes them; what is absent takes kube-proxy's default. */
export interface KubeProxyFlags {
  readonly mode?: ProxyMode;
  /** May hold one range of each family, separated by a comma. */
  readonly clusterCidr?: string;
  readonly masqueradeAll?: boolean;
  readonly masqueradeBit?: number;
  /** Ranges, or the single word `primary`. */
  readonly nodePortAddresses?: readonly string[];
  readonly localhostNodePorts?: boolean;
  readonly detectLocalMode?: DetectLocalMode;
  readonly podBridgeInterface?: string;
  readonly podInterfaceNamePrefix?: string;
  /** ipvs mode's scheduler, as ipvsadm names it. */
  readonly ipvsScheduler?: string;
  /** Not a flag: false for kube-proxy before 1.27, which lets packets to a cluster IP that no virtual server takes reach the node itself. */
  readonly ipvsAccessFilter?: boolean;
  /** Not a flag: false for a kube-proxy that fails to delete UDP connections of endpoints that are gone (kubernetes/kubernetes#66651). */
  readonly conntrackCleanup?: boolean;
  /** Not a flag: the cluster's ServiceCIDR objects, which nftables mode watches. */
  readonly serviceCidrs?: readonly string[];
}

/** What kube-proxy finds out about the node it runs on. */
export interface ProxyNode {
  readonly name: string;
  /** The node's own object, when known: zone, podCIDR, and addresses where none are given. */
  readonly object?: Node;
  /** Addresses on the node's interfaces, the primary one first; loopback need not be listed. */
  readonly addresses?: readonly Ipv4Address[];
  /** `nf_conntrack_tcp_be_liberal` ≠ 0: packets outside the window are not INVALID, so INVALID is not dropped. */
  readonly tcpBeLiberal?: boolean;
  /** Chains that kubelet makes are there already; kubelet starts first on an ordinary node. */
  readonly kubeletChains?: boolean;
}

/** How kube-proxy tells a pod of its own node from everybody else. */
export type LocalDetector =
  | { readonly kind: "source"; readonly range: Cidr }
  | { readonly kind: "interface"; readonly name: string };

/** Which of the node's addresses answer on nodePorts. */
export type NodePortAddresses =
  | { readonly kind: "all" }
  | { readonly kind: "primary" }
  | { readonly kind: "ranges"; readonly ranges: readonly Cidr[] };

/** Everything beside the objects that kube-proxy's rules depend on. */
export interface KubeProxyConfig {
  readonly mode: ProxyMode;
  readonly nodeName: string;
  readonly node: Node | undefined;
  /** The first is the primary one. */
  readonly nodeAddresses: readonly Ipv4Address[];
  readonly detector: LocalDetector | undefined;
  readonly masqueradeAll: boolean;
  /** The packet mark that asks for masquerading: one bit. */
  readonly masqueradeMark: number;
  readonly nodePortAddresses: NodePortAddresses;
  /** Whether `--nodeport-addresses` was given at all: nftables mode answers on the primary address only if not. */
  readonly nodePortAddressesGiven: boolean;
  readonly localhostNodePorts: boolean;
  readonly tcpBeLiberal: boolean;
  readonly kubeletChains: boolean;
  readonly ipvsScheduler: string;
  /** Whether ipvs mode refuses packets to its addresses that no virtual server takes, ping included (kubernetes/kubernetes#72236). */
  readonly ipvsAccessFilter: boolean;
  /** Whether UDP connections of endpoints that are gone are deleted. */
  readonly conntrackCleanup: boolean;
  /** Where unallocated cluster IPs are known to be such; empty when the ranges are not known. */
  readonly serviceCidrs: readonly Cidr[];
}

/** Resolves flags and node to a configuration; each problem names its flag and what was expected. */
export function kubeProxyConfig(
  node: ProxyNode,
  flags: KubeProxyFlags = {},
): { readonly config: KubeProxyConfig; readonly problems: readonly string[] } {
  const problems: string[] = [];
  const nodePortAddresses = readNodePortAddresses(flags.nodePortAddresses ?? [], problems);
  const { ipvsScheduler = "rr" } = flags;
  if (!IPVS_SCHEDULERS.includes(ipvsScheduler))
    problems.push(`--ipvs-scheduler: expected one of ${IPVS_SCHEDULERS.join(", ")}, got "${ipvsScheduler}"`);
  const masqueradeBit = flags.masqueradeBit ?? 14;
  if (!Number.isInteger(masqueradeBit) || masqueradeBit < 0 || masqueradeBit > 31)
    problems.push(`--iptables-masquerade-bit: expected a number from 0 to 31, got ${masqueradeBit}`);
  const config: KubeProxyConfig = {
    mode: flags.mode ?? "iptables",
    nodeName: node.name,
    node: node.object,
    nodeAddresses: nodeAddressesOf(node),
    detector: localDetector(node, flags, problems),
    masqueradeAll: flags.masqueradeAll ?? false,
    masqueradeMark: (1 << masqueradeBit) >>> 0,
    nodePortAddresses,
    nodePortAddressesGiven: (flags.nodePortAddresses ?? []).length > 0,
    localhostNodePorts: (flags.localhostNodePorts ?? true) && includesLoopback(nodePortAddresses),
    tcpBeLiberal: node.tcpBeLiberal ?? false,
    kubeletChains: node.kubeletChains ?? false,
    ipvsScheduler,
    ipvsAccessFilter: flags.ipvsAccessFilter ?? true,
    conntrackCleanup: flags.conntrackCleanup ?? true,
    serviceCidrs: readServiceCidrs(flags.serviceCidrs ?? [], problems),
  };
  return { config, problems };
}

/** The node's primary address; 127.0.0.1 when none is known, as kube-proxy assumes when its node object cannot be read. */
export function primaryAddress(config: KubeProxyConfig): Ipv4Address {
  return config.nodeAddresses[0] ?? LOOPBACK;
}

/** The interface addresses that `--nodeport-addresses` selects, loopback included, in ascending order. */
export function selectedNodePortAddresses(config: KubeProxyConfig): readonly Ipv4Address[] {
  const selection = config.nodePortAddresses;
  if (selection.kind === "primary") return [primaryAddress(config)];
  const all = [...new Set([LOOPBACK, ...config.nodeAddresses])].sort((a, b) => a - b);
  if (selection.kind === "all") return all;
  return all.filter((address) => selection.ranges.some((range) => contains(range, address)));
}

function nodeAddressesOf(node: ProxyNode): readonly Ipv4Address[] {
  if (node.addresses !== undefined && node.addresses.length > 0) return node.addresses;
  const listed = node.object?.status?.addresses ?? [];
  // InternalIP goes before ExternalIP (pkg/util/node GetNodeHostIPs).
  const texts = ["InternalIP", "ExternalIP"].flatMap((type) => listed.filter((entry) => entry.type === type));
  return texts.map((entry) => parseSloppyIpv4(entry.address)).filter((address) => address !== undefined);
}

function localDetector(node: ProxyNode, flags: KubeProxyFlags, problems: string[]): LocalDetector | undefined {
  switch (flags.detectLocalMode ?? "ClusterCIDR") {
    case "ClusterCIDR":
      return flags.clusterCidr ? sourceDetector(flags.clusterCidr.split(","), "--cluster-cidr", problems) : undefined;
    case "NodeCIDR":
      return sourceDetector(podRangesOf(node.object), "Node spec.podCIDR", problems);
    case "BridgeInterface":
      if (flags.podBridgeInterface) return { kind: "interface", name: flags.podBridgeInterface };
      problems.push("--pod-bridge-interface: expected a bridge's name, as --detect-local-mode is BridgeInterface");
      return undefined;
    case "InterfaceNamePrefix":
      if (flags.podInterfaceNamePrefix) return { kind: "interface", name: `${flags.podInterfaceNamePrefix}+` };
      problems.push("--pod-interface-name-prefix: expected a prefix, as --detect-local-mode is InterfaceNamePrefix");
      return undefined;
  }
}

function podRangesOf(node: Node | undefined): readonly string[] {
  const { podCIDRs, podCIDR } = node?.spec ?? {};
  return podCIDRs ?? (podCIDR === undefined ? [] : [podCIDR]);
}

/** Ranges of the other family are passed over: without one of ours there is no detector. */
function sourceDetector(texts: readonly string[], place: string, problems: string[]): LocalDetector | undefined {
  for (const text of texts.map((entry) => entry.trim()).filter((entry) => !entry.includes(":"))) {
    const range = text.includes("/") ? parseCidr(text) : undefined;
    if (range !== undefined) return { kind: "source", range };
    problems.push(`${place}: expected a range like 10.244.0.0/16, got "${text}"`);
  }
  return undefined;
}

function readNodePortAddresses(texts: readonly string[], problems: string[]): NodePortAddresses {
  if (texts.includes("primary")) {
    if (texts.length > 1) problems.push('--nodeport-addresses: expected either "primary" or ranges, got both');
    return { kind: "primary" };
  }
  const ranges: Cidr[] = [];
  for (const text of texts.map((entry) => entry.trim()).filter((entry) => !entry.includes(":"))) {
    const range = text.includes("/") ? parseCidr(text) : undefined;
    if (range === undefined) problems.push(`--nodeport-addresses: expected a range like 10.0.0.0/8, got "${text}"`);
    else ranges.push(range);
  }
  // Ranges of the other family only: nothing was said about ours.
  if (ranges.length === 0 || ranges.some((range) => range.prefixLength === 0)) return { kind: "all" };
  return { kind: "ranges", ranges };
}

function readServiceCidrs(texts: readonly string[], problems: string[]): readonly Cidr[] {
  const ranges: Cidr[] = [];
  for (const text of texts.filter((entry) => !entry.includes(":"))) {
    const range = text.includes("/") ? parseCidr(text) : undefined;
    if (range === undefined) problems.push(`ServiceCIDR: expected a range like 10.96.0.0/12, got "${text}"`);
    else ranges.push(range);
  }
  return ranges;
}

/** Whether nodePorts can answer on 127.0.0.1 (pkg/proxy/util NodePortAddresses.ContainsIPv4Loopback). */
function includesLoopback(addresses: NodePortAddresses): boolean {
  if (addresses.kind === "primary") return false;
  if (addresses.kind === "all") return true;
  return addresses.ranges.some((range) => range.network >>> 24 === 127 || contains(range, LOOPBACK));
}
