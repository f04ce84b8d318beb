import { formatIpv4, IpProtocol, type Ipv4Address, type Packet } from "../netstack/index.ts";
import { type BackendPool, describeBackend } from "./backend-pool.ts";
import { type Balancer, describeMethod } from "./balancer.ts";
import type { IpipTunnel } from "./ipip-tunnel.ts";

/**
 * How a packet gets to its backend. "route": unchanged, to the backend as next hop, which must be a neighbour and take packets for the virtual
 * address. "ipip": unchanged inside another IP packet, so that the backend may be anywhere. "dnat": with the backend's address as destination, the
 * client's as source; the backend's answers must come back through the balancer.
 */
export type Delivery =
  | { readonly kind: "route" }
  | { readonly kind: "ipip"; readonly tunnel: IpipTunnel }
  | { readonly kind: "dnat" };

/** Ports of a service: single ones and ranges, or every port. */
export type ServicePorts = "all" | readonly (number | readonly [first: number, last: number])[];

/** A virtual address with ports, and who is behind it: a forwarding rule, in Google's words. */
export interface PassthroughService {
  readonly name: string;
  readonly address: Ipv4Address;
  readonly protocol: "tcp" | "udp" | "sctp";
  readonly ports: ServicePorts;
  readonly pool: BackendPool;
  readonly balancer: Balancer;
  readonly delivery: Delivery;
}

/** Whether the service takes packets to this port. */
export function coversPort(service: PassthroughService, port: number): boolean {
  if (service.ports === "all") return true;
  for (const each of service.ports) {
    if (typeof each === "number" ? each === port : each[0] <= port && port <= each[1]) return true;
  }
  return false;
}

/** Whether the service takes `packet`; of a fragment without ports, whether it could. */
export function serves(service: PassthroughService, packet: Packet): boolean {
  if (IpProtocol[service.protocol] !== packet.protocol) return false;
  return packet.isLaterFragment || coversPort(service, packet.destinationPort);
}

/** `203.0.113.140:80/tcp`, for comments. */
export function serviceText(service: PassthroughService): string {
  const { ports } = service;
  const text =
    ports === "all" ? "*" : ports.map((each) => (typeof each === "number" ? `${each}` : each.join("-"))).join(",");
  return `${formatIpv4(service.address)}:${text}/${service.protocol}`;
}

/** The service and its backends, a line each. */
export function describeService(service: PassthroughService): readonly string[] {
  const head = `${service.name}: ${serviceText(service)}, ${describeMethod(service.balancer.method)}, ${DELIVERY[service.delivery.kind]}`;
  return [head, ...service.pool.backends.map((backend) => `  ${describeBackend(backend)}`)];
}

const DELIVERY: Readonly<Record<Delivery["kind"], string>> = {
  route: "packets forwarded unchanged (direct server return)",
  ipip: "packets forwarded inside IPIP (direct server return)",
  dnat: "destination rewritten (answers must return through the balancer)",
};
