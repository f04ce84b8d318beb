import type { EndpointSlice, KubeProxyFlags, Service, ServicePortSpec, SliceEndpoint } from "../../src/kube/index.ts";
import { address, cidr, contains } from "../../src/netstack/index.ts";

/*
 * Who gets which endpoints and who is masqueraded, worked out from the objects alone and without a rule: what kube-proxy promises, as sentences. It knows one node, node1
 * in zone a, and is written apart from what it tests.
 */

/** A connection's first packet, and where it comes from. */
export interface AskedFlow {
  readonly source: string;
  /** The interface it comes in by; none when the node itself sends it. */
  readonly in: string | undefined;
  readonly kind: "cluster-ip" | "external-ip" | "vip" | "node-port";
  readonly destination: string;
}

export interface Answer {
  readonly fate: "endpoints" | "reject" | "drop" | "untouched";
  /** `address:port`, sorted. */
  readonly endpoints: readonly string[];
  readonly masqueraded: readonly string[];
}

export interface OracleNode {
  readonly primary: string;
  readonly addresses: readonly string[];
  readonly flags: KubeProxyFlags;
  readonly mode: "iptables" | "nftables";
}

const UNTOUCHED: Answer = { fate: "untouched", endpoints: [], masqueraded: [] };

/** What becomes of a flow to one port of a Service. */
export function decide(
  node: OracleNode,
  { spec, status }: Service,
  port: ServicePortSpec,
  slice: EndpointSlice,
  flow: AskedFlow,
): Answer {
  const backends = new Backends(slice, port);
  const fromNode = flow.in === undefined;
  if (flow.kind === "cluster-ip") {
    const isLocal = spec.internalTrafficPolicy === "Local";
    const reached = isLocal ? backends.local : backends.cluster;
    if (reached.length === 0) return backends.refusal;
    const masquerades = node.flags.masqueradeAll === true || (hasDetector(node.flags) && !isPod(node.flags, flow));
    return to(reached, flow, masquerades);
  }
  const ranges = (spec.loadBalancerSourceRanges ?? []).map((text) => cidr(text));
  const isProtected = flow.kind === "vip" && ranges.length > 0 && (backends.any || node.mode === "nftables");
  if (isProtected && !mayCome(node, ranges, flow, status)) return { ...UNTOUCHED, fate: "drop" };
  const isLocal = spec.externalTrafficPolicy === "Local";
  const forOutsiders = isLocal ? backends.local : backends.cluster;
  // iptables mode refuses at every address of the node, whichever ones answer.
  if (flow.kind === "node-port" && !answersNodePorts(node, flow.destination))
    return node.mode === "iptables" && forOutsiders.length === 0 ? backends.refusal : UNTOUCHED;
  // nftables mode asks before it translates what the node sends, and so before the node would be let through to other nodes' endpoints.
  const isAskedFirst = node.mode === "nftables" && fromNode && flow.kind !== "node-port";
  if (isAskedFirst && forOutsiders.length === 0) return backends.refusal;
  // Pods and the node go everywhere, as if they had gone out to a balancer and come back; only who comes from outside is kept to this node.
  if (isLocal && fromNode && backends.any) return to(backends.cluster, flow, true);
  if (isLocal && hasDetector(node.flags) && isPod(node.flags, flow) && backends.any)
    return to(backends.cluster, flow, false);
  if (forOutsiders.length > 0) return to(forOutsiders, flow, !isLocal);
  // KUBE-EXTERNAL-SERVICES is asked for what comes in and what is forwarded, not for what the node sends away.
  const isSeen = !fromNode || flow.kind === "node-port" || node.mode === "nftables";
  return isSeen ? backends.refusal : UNTOUCHED;
}

/** The endpoints of one port, as node1 sorts them. */
class Backends {
  readonly any: boolean;
  readonly cluster: readonly string[];
  readonly local: readonly string[];

  constructor(slice: EndpointSlice, port: ServicePortSpec) {
    const number = (slice.ports ?? []).find(
      ({ name, protocol }) => (name ?? "") === (port.name ?? "") && protocol === port.protocol,
    )?.port;
    const all = number === undefined ? [] : (slice.endpoints ?? []);
    const ready = all.filter(({ conditions }) => conditions?.ready === true);
    const leaving = all.filter(({ conditions }) => conditions?.serving === true && conditions.terminating === true);
    const here = (list: readonly SliceEndpoint[]): readonly SliceEndpoint[] =>
      list.filter(({ nodeName }) => nodeName === "node1");
    const text = (list: readonly SliceEndpoint[]): string[] => list.map(({ addresses }) => `${addresses[0]}:${number}`);
    this.any = ready.length + leaving.length > 0;
    this.cluster = text(ready.length > 0 ? nearest(ready) : leaving);
    this.local = text(here(ready).length > 0 ? here(ready) : here(leaving));
  }

  get refusal(): Answer {
    return { ...UNTOUCHED, fate: this.any ? "drop" : "reject" };
  }
}

function nearest(ready: readonly SliceEndpoint[]): readonly SliceEndpoint[] {
  for (const [kind, name] of [
    ["forNodes", "node1"],
    ["forZones", "a"],
  ] as const) {
    const hinted = ready.every(({ hints }) => (hints?.[kind] ?? []).length > 0);
    const near = ready.filter(({ hints }) => hints?.[kind]?.some((hint) => hint.name === name));
    if (hinted && near.length > 0) return near;
  }
  return ready;
}

function to(endpoints: readonly string[], flow: AskedFlow, masquerades: boolean): Answer {
  const sorted = [...new Set(endpoints)].sort();
  // Who reaches itself has to see another address, or it would answer itself.
  const own = sorted.filter((endpoint) => endpoint.startsWith(`${flow.source}:`));
  return { fate: "endpoints", endpoints: sorted, masqueraded: masquerades ? sorted : own };
}

function hasDetector({ detectLocalMode, clusterCidr }: KubeProxyFlags): boolean {
  return detectLocalMode !== "ClusterCIDR" || (clusterCidr ?? "") !== "";
}

function isPod(
  { detectLocalMode, clusterCidr, podBridgeInterface, podInterfaceNamePrefix }: KubeProxyFlags,
  flow: AskedFlow,
): boolean {
  if (detectLocalMode === "BridgeInterface") return flow.in === podBridgeInterface;
  if (detectLocalMode === "InterfaceNamePrefix") return flow.in?.startsWith(podInterfaceNamePrefix ?? "") === true;
  return contains(cidr(clusterCidr ?? ""), address(flow.source));
}

function mayCome(
  node: OracleNode,
  ranges: readonly ReturnType<typeof cidr>[],
  { source }: AskedFlow,
  status: Service["status"],
): boolean {
  if (ranges.some((range) => contains(range, address(source)))) return true;
  const isVip = (status?.loadBalancer?.ingress ?? []).some(({ ip, ipMode }) => ip === source && ipMode !== "Proxy");
  return isVip && ranges.some((range) => contains(range, address(node.primary)));
}

function answersNodePorts({ flags, mode, primary }: OracleNode, destination: string): boolean {
  const given = flags.nodePortAddresses ?? [];
  const isLoopback = destination.startsWith("127.");
  if (mode === "nftables" && isLoopback) return false;
  if (isLoopback && flags.localhostNodePorts === false) return false;
  if (given.length === 0) return mode === "iptables" || destination === primary;
  if (given[0] === "primary") return destination === primary;
  return given.some((range) => contains(cidr(range), address(destination)));
}
