import { contains, type Ipv4Address } from "./address.ts";
import type { Endpoint } from "./endpoints.ts";
import type { IpSet, IpSetEntry, IpSetType } from "./ip-sets.ts";
import { ipvsBoundAddresses, ipvsNodePortAddresses } from "./ipvs-services.ts";
import { type KubeProxyConfig, primaryAddress } from "./proxy-config.ts";
import type { ServicePlan } from "./service-plan.ts";
import { type ServicePort, servicePortKey } from "./service-ports.ts";

/** Sets of ipvs mode with the comment that rules give about them, in kube-proxy's order (pkg/proxy/ipvs/ipset.go). */
const SETS: Readonly<Record<IpvsSetName, readonly [IpSetType, string]>> = {
  "KUBE-LOOP-BACK": ["hash:ip,port,ip", "Kubernetes endpoints dst ip:port, source ip for solving hairpin purpose"],
  "KUBE-CLUSTER-IP": ["hash:ip,port", "Kubernetes service cluster ip + port for masquerade purpose"],
  "KUBE-EXTERNAL-IP": ["hash:ip,port", "Kubernetes service external ip + port for masquerade and filter purpose"],
  "KUBE-EXTERNAL-IP-LOCAL": ["hash:ip,port", "Kubernetes service external ip + port with externalTrafficPolicy=local"],
  "KUBE-LOAD-BALANCER": ["hash:ip,port", "Kubernetes service lb portal"],
  "KUBE-LOAD-BALANCER-FW": [
    "hash:ip,port",
    "Kubernetes service load balancer ip + port for load balancer with sourceRange",
  ],
  "KUBE-LOAD-BALANCER-LOCAL": [
    "hash:ip,port",
    "Kubernetes service load balancer ip + port with externalTrafficPolicy=local",
  ],
  "KUBE-LOAD-BALANCER-SOURCE-IP": [
    "hash:ip,port,ip",
    "Kubernetes service load balancer ip + port + source IP for packet filter purpose",
  ],
  "KUBE-LOAD-BALANCER-SOURCE-CIDR": [
    "hash:ip,port,net",
    "Kubernetes service load balancer ip + port + source cidr for packet filter purpose",
  ],
  "KUBE-NODE-PORT-TCP": ["bitmap:port", "Kubernetes nodeport TCP port for masquerade purpose"],
  "KUBE-NODE-PORT-LOCAL-TCP": ["bitmap:port", "Kubernetes nodeport TCP port with externalTrafficPolicy=local"],
  "KUBE-NODE-PORT-UDP": ["bitmap:port", "Kubernetes nodeport UDP port for masquerade purpose"],
  "KUBE-NODE-PORT-LOCAL-UDP": ["bitmap:port", "Kubernetes nodeport UDP port with externalTrafficPolicy=local"],
  "KUBE-NODE-PORT-SCTP-HASH": [
    "hash:ip,port",
    "Kubernetes nodeport SCTP port for masquerade purpose with type 'hash ip:port'",
  ],
  "KUBE-NODE-PORT-LOCAL-SCTP-HASH": [
    "hash:ip,port",
    "Kubernetes nodeport SCTP port with externalTrafficPolicy=local with type 'hash ip:port'",
  ],
  "KUBE-HEALTH-CHECK-NODE-PORT": ["bitmap:port", "Kubernetes health check node port"],
  "KUBE-IPVS-IPS": ["hash:ip", "Kubernetes ipvs interface addresses"],
};

export type IpvsSetName =
  | "KUBE-LOOP-BACK"
  | "KUBE-CLUSTER-IP"
  | "KUBE-EXTERNAL-IP"
  | "KUBE-EXTERNAL-IP-LOCAL"
  | "KUBE-LOAD-BALANCER"
  | "KUBE-LOAD-BALANCER-FW"
  | "KUBE-LOAD-BALANCER-LOCAL"
  | "KUBE-LOAD-BALANCER-SOURCE-IP"
  | "KUBE-LOAD-BALANCER-SOURCE-CIDR"
  | "KUBE-NODE-PORT-TCP"
  | "KUBE-NODE-PORT-LOCAL-TCP"
  | "KUBE-NODE-PORT-UDP"
  | "KUBE-NODE-PORT-LOCAL-UDP"
  | "KUBE-NODE-PORT-SCTP-HASH"
  | "KUBE-NODE-PORT-LOCAL-SCTP-HASH"
  | "KUBE-HEALTH-CHECK-NODE-PORT"
  | "KUBE-IPVS-IPS";

/** What a rule that asks this set says about it. */
export function ipvsSetComment(name: IpvsSetName): string {
  return SETS[name][1];
}

/** The sets, filled; and which of them kube-proxy takes for filled, a range of all addresses included that no set can hold. */
export interface FilledSets {
  readonly sets: readonly IpSet[];
  readonly used: ReadonlySet<IpvsSetName>;
}

export function ipvsSets(
  plans: readonly ServicePlan[],
  endpoints: ReadonlyMap<string, readonly Endpoint[]>,
  config: KubeProxyConfig,
): FilledSets {
  const entries = new Map<IpvsSetName, IpSetEntry[]>();
  const add: Add = (set, entry) => {
    const list = entries.get(set) ?? [];
    entries.set(set, list);
    list.push(entry);
  };
  for (const { port } of plans) {
    addLoopBack(add, port, endpoints.get(servicePortKey(port)) ?? []);
    add("KUBE-CLUSTER-IP", entryFor(port, port.clusterIp));
    for (const address of port.externalIps)
      add(port.externalPolicyLocal ? "KUBE-EXTERNAL-IP-LOCAL" : "KUBE-EXTERNAL-IP", entryFor(port, address));
    for (const vip of port.loadBalancerVips) addLoadBalancer(add, port, vip, config);
    if (port.nodePort !== 0) addNodePort(add, port, ipvsNodePortAddresses(config));
    if (port.healthCheckNodePort !== 0) add("KUBE-HEALTH-CHECK-NODE-PORT", { port: port.healthCheckNodePort });
  }
  for (const address of ipvsBoundAddresses(plans, config)) add("KUBE-IPVS-IPS", { address });
  const names = Object.keys(SETS) as IpvsSetName[];
  return {
    // The kernel takes no range of all addresses into a hash of networks: `ipset add` fails, and whoever relies on it is shut out.
    sets: names.map((name) => ({ name, type: SETS[name][0], entries: (entries.get(name) ?? []).filter(fitsHash) })),
    used: new Set(entries.keys()),
  };
}

type Add = (set: IpvsSetName, entry: IpSetEntry) => void;

/** Endpoints of this node that reach themselves: address, port and source are their own. */
function addLoopBack(add: Add, port: ServicePort, endpoints: readonly Endpoint[]): void {
  for (const endpoint of endpoints.filter((entry) => entry.local)) {
    const { address } = endpoint;
    const other = { network: address, prefixLength: 32 };
    add("KUBE-LOOP-BACK", { address, protocol: port.protocol, port: endpoint.port, other });
  }
}

function addLoadBalancer(add: Add, port: ServicePort, vip: Ipv4Address, config: KubeProxyConfig): void {
  const entry = entryFor(port, vip);
  add("KUBE-LOAD-BALANCER", entry);
  if (port.externalPolicyLocal) add("KUBE-LOAD-BALANCER-LOCAL", entry);
  if (port.sourceRanges.length === 0) return;
  add("KUBE-LOAD-BALANCER-FW", entry);
  for (const other of port.sourceRanges) add("KUBE-LOAD-BALANCER-SOURCE-CIDR", { ...entry, other });
  if (nodeMayCome(port, config))
    add("KUBE-LOAD-BALANCER-SOURCE-IP", { ...entry, other: { network: vip, prefixLength: 32 } });
}

function addNodePort(add: Add, port: ServicePort, nodeAddresses: readonly Ipv4Address[]): void {
  const local = port.externalPolicyLocal;
  if (port.protocol === "SCTP") {
    for (const address of nodeAddresses) {
      const entry: IpSetEntry = { address, protocol: port.protocol, port: port.nodePort };
      add("KUBE-NODE-PORT-SCTP-HASH", entry);
      if (local) add("KUBE-NODE-PORT-LOCAL-SCTP-HASH", entry);
    }
    return;
  }
  add(`KUBE-NODE-PORT-${port.protocol}`, { port: port.nodePort });
  if (local) add(`KUBE-NODE-PORT-LOCAL-${port.protocol}`, { port: port.nodePort });
}

/** Whether the source ranges let the node itself in. */
export function nodeMayCome(port: ServicePort, config: KubeProxyConfig): boolean {
  return port.sourceRanges.some((range) => contains(range, primaryAddress(config)));
}

function entryFor(port: ServicePort, address: Ipv4Address): IpSetEntry {
  return { address, protocol: port.protocol, port: port.port };
}

function fitsHash(entry: IpSetEntry): boolean {
  return entry.other === undefined || entry.other.prefixLength > 0;
}
