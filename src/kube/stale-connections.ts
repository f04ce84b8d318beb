import type { ConntrackEntry } from "../nat/index.ts";
import { collectEndpoints } from "./endpoints.ts";
import type { ServiceSource } from "./proxy-objects.ts";
import { compareServicePorts, type ServicePort, servicePortKey } from "./service-ports.ts";

const UDP = 17;

/**
 * Which entries of connection tracking kube-proxy deletes after a change (pkg/proxy/conntrack/cleanup.go): UDP ones towards a Service whose answers would come
 * from something that does not serve it. UDP has no end, so that a client that keeps its port would go on sending to an endpoint that is gone. A
 * Service without endpoints is left alone; what was sent to it goes to the first endpoint that comes. The answer follows the source.
 */
export function staleConnections(source: ServiceSource): (entry: ConntrackEntry) => boolean {
  const changes = source.changes();
  const frontends = new Frontends();
  return ({ original, reply }) => {
    for (const service of changes.take()) frontends.set(service, servingPorts(source, service));
    if (original.protocol !== UDP) return false;
    const endpoints = frontends.endpointsOf(original.destination, original.destinationPort);
    return endpoints !== undefined && !endpoints.has(place(reply.source, reply.sourcePort));
  };
}

/** A service port and the places that serve it. */
interface ServingPort {
  readonly port: ServicePort;
  readonly endpoints: ReadonlySet<number>;
}

/** Where UDP service ports are reached: at `address:port`, and at nodePorts, whichever the node's address is. */
class Frontends {
  readonly #byService = new Map<string, readonly ServingPort[]>();
  readonly #byPlace = new Map<number, readonly ServingPort[]>();
  readonly #byNodePort = new Map<number, readonly ServingPort[]>();

  /** These are a Service's ports, and no others any more. */
  set(service: string, ports: readonly ServingPort[]): void {
    const before = this.#byService.get(service) ?? [];
    this.#byService.set(service, ports);
    for (const gone of before) this.#edit(gone, (list) => list.filter((each) => each !== gone));
    for (const come of ports)
      this.#edit(come, (list) => [...list, come].sort((a, b) => compareServicePorts(a.port, b.port)));
  }

  /** Of several Services at one place the last counts. */
  endpointsOf(address: number, port: number): ReadonlySet<number> | undefined {
    return (this.#byPlace.get(place(address, port))?.at(-1) ?? this.#byNodePort.get(port)?.at(-1))?.endpoints;
  }

  #edit({ port }: ServingPort, edit: (list: readonly ServingPort[]) => readonly ServingPort[]): void {
    for (const address of new Set([port.clusterIp, ...port.externalIps, ...port.loadBalancerVips]))
      editAt(this.#byPlace, place(address, port.port), edit);
    if (port.nodePort !== 0) editAt(this.#byNodePort, port.nodePort, edit);
  }
}

function editAt(
  map: Map<number, readonly ServingPort[]>,
  key: number,
  edit: (list: readonly ServingPort[]) => readonly ServingPort[],
): void {
  const list = edit(map.get(key) ?? []);
  if (list.length === 0) map.delete(key);
  else map.set(key, list);
}

function servingPorts(source: ServiceSource, service: string): ServingPort[] {
  const ports = source.portsOf(service).filter(({ protocol }) => protocol === "UDP");
  if (ports.length === 0) return [];
  const known = collectEndpoints(source.slicesOf(service), "");
  return ports.flatMap((port) => {
    const serving = (known.get(servicePortKey(port)) ?? []).filter((endpoint) => endpoint.serving);
    const endpoints = new Set(serving.map((endpoint) => place(endpoint.address, endpoint.port)));
    return endpoints.size === 0 ? [] : [{ port, endpoints }];
  });
}

function place(address: number, port: number): number {
  return address * 65_536 + port;
}
