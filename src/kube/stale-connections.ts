import type { ConntrackEntry } from "../nat/index.ts";
import { collectEndpoints } from "./endpoints.ts";
import type { ServiceSource } from "./proxy-objects.ts";
import { servicePortKey } from "./service-ports.ts";

const UDP = 17;

/**
 * Which entries of connection tracking kube-proxy deletes after a change (pkg/proxy/conntrack/cleanup.go): UDP ones towards a Service whose answers would come
 * from something that does not serve it. UDP has no end, so that a client that keeps its port would go on sending to an endpoint that is gone. A
 * Service without endpoints is left alone; what was sent to it goes to the first endpoint that comes.
 */
export function staleConnections(source: ServiceSource): (entry: ConntrackEntry) => boolean {
  /** The endpoints of `address:port`, and of nodePorts, whichever the node's address is. */
  const frontends = new Map<number, ReadonlySet<number>>();
  const nodePorts = new Map<number, ReadonlySet<number>>();
  for (const port of source.ports) {
    if (port.protocol !== "UDP") continue;
    const known = collectEndpoints(source.slicesOf(port.serviceKey), "").get(servicePortKey(port)) ?? [];
    const serving = known.filter((endpoint) => endpoint.serving);
    if (serving.length === 0) continue;
    const endpoints = new Set(serving.map((endpoint) => place(endpoint.address, endpoint.port)));
    for (const address of [port.clusterIp, ...port.externalIps, ...port.loadBalancerVips])
      frontends.set(place(address, port.port), endpoints);
    if (port.nodePort !== 0) nodePorts.set(port.nodePort, endpoints);
  }
  return ({ original, reply }) => {
    if (original.protocol !== UDP) return false;
    const endpoints =
      frontends.get(place(original.destination, original.destinationPort)) ?? nodePorts.get(original.destinationPort);
    return endpoints !== undefined && !endpoints.has(place(reply.source, reply.sourcePort));
  };
}

function place(address: number, port: number): number {
  return address * 65_536 + port;
}
