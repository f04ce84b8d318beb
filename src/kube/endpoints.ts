import { formatAddressPort, type Ipv4Address, parseSloppyIpv4 } from "./address.ts";
import type { EndpointSlice, Node, SliceEndpoint, SlicePort } from "./model.ts";
import {
  isOtherProxysObject,
  type ServicePort,
  servicePortKey,
  usesClusterEndpoints,
  usesLocalEndpoints,
} from "./service-ports.ts";

export const SERVICE_NAME_LABEL = "kubernetes.io/service-name";
/** Says in which zone a node is. */
export const ZONE_LABEL = "topology.kubernetes.io/zone";

/** One endpoint of one service port, as kube-proxy on one node sees it. */
export interface Endpoint {
  readonly address: Ipv4Address;
  readonly port: number;
  /** `10.0.0.1:80`: identity and sort key. */
  readonly text: string;
  /** Whether it is on kube-proxy's own node. */
  readonly local: boolean;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly zoneHints: readonly string[];
  readonly nodeHints: readonly string[];
}

/** Where kube-proxy runs: what decides "local" and which hints apply. */
export interface Locality {
  readonly nodeName: string;
  /** Empty when the node has no zone label. */
  readonly zone: string;
}

/** Which endpoints traffic may be sent to. */
export interface EndpointCategories {
  /** For the policy Cluster; empty when nothing uses it. */
  readonly cluster: readonly Endpoint[];
  /** For the policy Local; empty when nothing uses it. */
  readonly local: readonly Endpoint[];
  /** Both, without doubles: each needs a chain of its own. */
  readonly reachable: readonly Endpoint[];
  /** Whether any endpoint anywhere could serve: the difference between "rejected" and "dropped". */
  readonly hasAny: boolean;
}

export function localityOf(nodeName: string, node: Node | undefined): Locality {
  return { nodeName, zone: node?.metadata.labels?.[ZONE_LABEL] ?? "" };
}

/**
 * Decides which endpoints a service port uses (pkg/proxy/topology.go). Without ready endpoints, those that still serve while they
 * terminate are used; that is decided for the two policies apart, so that a node's last, terminating pod goes on serving outsiders
 * under the policy Local while everybody else is sent to ready pods elsewhere.
 */
export function categorizeEndpoints(
  endpoints: readonly Endpoint[],
  port: ServicePort,
  locality: Locality,
): EndpointCategories {
  const cluster = usesClusterEndpoints(port) ? clusterEndpoints(endpoints, locality) : [];
  const local = usesLocalEndpoints(port) ? localEndpoints(endpoints) : [];
  const inCluster = new Set(cluster.map((endpoint) => endpoint.text));
  return {
    cluster,
    local,
    reachable: [...cluster, ...local.filter((endpoint) => !inCluster.has(endpoint.text))],
    hasAny: endpoints.some((endpoint) => endpoint.ready || servesToTheEnd(endpoint)),
  };
}

/** All endpoints by {@link servicePortKey}, each list sorted by its text: `10.2.2.22:22` comes before `10.2.2.2:22`. */
export function collectEndpoints(
  slices: readonly EndpointSlice[],
  nodeName: string,
): ReadonlyMap<string, readonly Endpoint[]> {
  const collected = new Map<string, Map<string, Endpoint>>();
  for (const slice of slices) {
    const service = slice.metadata.labels?.[SERVICE_NAME_LABEL];
    if (service === undefined || slice.addressType !== "IPv4" || isOtherProxysObject(slice.metadata.labels)) continue;
    for (const port of slice.ports ?? []) {
      if (port.name === undefined || port.port === undefined || port.port === 0) continue;
      const { namespace } = slice.metadata;
      const key = servicePortKey({ namespace, service, portName: port.name, protocol: port.protocol ?? "TCP" });
      const into = collected.get(key) ?? new Map<string, Endpoint>();
      collected.set(key, into);
      addSliceEndpoints(slice, port, nodeName, into);
    }
  }
  const sorted = new Map<string, readonly Endpoint[]>();
  for (const [key, byText] of collected)
    sorted.set(
      key,
      [...byText.values()].sort((a, b) => (a.text < b.text ? -1 : 1)),
    );
  return sorted;
}

function addSliceEndpoints(slice: EndpointSlice, port: SlicePort, nodeName: string, into: Map<string, Endpoint>): void {
  for (const entry of slice.endpoints ?? []) {
    // Only the first address counts: the others are the same pod's (pkg/proxy/endpointslicecache.go).
    const address = parseSloppyIpv4(entry.addresses[0] ?? "");
    if (address === undefined || port.port === undefined) continue;
    const endpoint = sliceEndpoint(entry, address, port.port, nodeName);
    // The same address in two slices should not differ; if it does, the local one wins.
    if (!into.has(endpoint.text) || endpoint.local) into.set(endpoint.text, endpoint);
  }
}

function sliceEndpoint(entry: SliceEndpoint, address: Ipv4Address, port: number, nodeName: string): Endpoint {
  const { ready = true, serving = true, terminating = false } = entry.conditions ?? {};
  return {
    address,
    port,
    text: formatAddressPort(address, port),
    local: entry.nodeName !== undefined && entry.nodeName === nodeName,
    ready,
    serving,
    terminating,
    zoneHints: entry.hints?.forZones?.map((hint) => hint.name) ?? NO_HINTS,
    nodeHints: entry.hints?.forNodes?.map((hint) => hint.name) ?? NO_HINTS,
  };
}

const NO_HINTS: readonly string[] = [];

function clusterEndpoints(endpoints: readonly Endpoint[], locality: Locality): readonly Endpoint[] {
  const ready = endpoints.filter((endpoint) => endpoint.ready);
  return ready.length > 0 ? withinTopology(ready, locality) : endpoints.filter(servesToTheEnd);
}

function localEndpoints(endpoints: readonly Endpoint[]): readonly Endpoint[] {
  const local = endpoints.filter((endpoint) => endpoint.local);
  const ready = local.filter((endpoint) => endpoint.ready);
  return ready.length > 0 ? ready : local.filter(servesToTheEnd);
}

/** Hints count only when every ready endpoint has one and at least one points here; hints for nodes come before those for zones. */
function withinTopology(ready: readonly Endpoint[], { nodeName, zone }: Locality): readonly Endpoint[] {
  if (ready.every((endpoint) => endpoint.nodeHints.length > 0)) {
    const here = ready.filter((endpoint) => endpoint.nodeHints.includes(nodeName));
    if (here.length > 0) return here;
  }
  if (ready.every((endpoint) => endpoint.zoneHints.length > 0)) {
    const here = ready.filter((endpoint) => endpoint.zoneHints.includes(zone));
    if (here.length > 0) return here;
  }
  return ready;
}

function servesToTheEnd(endpoint: Endpoint): boolean {
  return endpoint.serving && endpoint.terminating;
}
