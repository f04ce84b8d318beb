import { BackendPool, type BackendPoolOptions, type BalancingMethod, createBalancer } from "../../src/lb/index.ts";
import { address, type PacketEvent, readIpv4Header, type Stack } from "../../src/netstack/index.ts";
import { route, TestNetwork } from "../support/hosts.ts";

export const VIP = "203.0.113.140";
export const CLIENT = "198.51.100.79";

/**
 * client 198.51.100.79 — internet — lb 10.240.0.100 — lan — two backends, 10.240.0.5 (b1) and 10.240.0.6 (b2). The lan is a router with a port for each,
 * so that every hop is a host with a name; the internet reaches the backends by itself, too: answers need not pass the balancer.
 */
export interface BalancedNetwork {
  readonly net: TestNetwork;
  readonly client: Stack;
  readonly internet: Stack;
  readonly lb: Stack;
  readonly b1: Stack;
  readonly b2: Stack;
}

/** `answers`: the backends' default route, through the balancer or past it. */
export function balancedNetwork(
  options: { answers?: "direct" | "through-lb"; seed?: number; mtu?: number } = {},
): BalancedNetwork {
  const { answers = "direct", seed = 1, mtu = 1500 } = options;
  const net = new TestNetwork(seed);
  const client = net.host("client");
  const internet = net.host("internet", { forwarding: true });
  const lb = net.host("lb", { forwarding: true });
  const b1 = net.host("b1");
  const b2 = net.host("b2");
  net.wire(client, `${CLIENT}/24`, internet, "198.51.100.1/24");
  net.wire(internet, "192.0.2.1/30", lb, "192.0.2.2/30");
  net.wire(lb, "10.240.5.1/24", b1, "10.240.5.5/24", { mtu });
  net.wire(lb, "10.240.6.1/24", b2, "10.240.6.6/24", { mtu });
  net.wire(internet, "172.16.5.1/24", b1, "172.16.5.5/24");
  net.wire(internet, "172.16.6.1/24", b2, "172.16.6.6/24");
  route(client, "default", "198.51.100.1");
  route(internet, `${VIP}/32`, "192.0.2.2");
  route(lb, "default", "192.0.2.1");
  route(b1, "default", answers === "direct" ? "172.16.5.1" : "10.240.5.1");
  route(b2, "default", answers === "direct" ? "172.16.6.1" : "10.240.6.1");
  return { net, client, internet, lb, b1, b2 };
}

/** A pool with both backends, by their addresses on the balancer's side. */
export function poolOf(
  world: BalancedNetwork,
  options: Partial<BackendPoolOptions> & { port?: number } = {},
): BackendPool {
  const { port, ...rest } = options;
  const pool = new BackendPool({ clock: world.net.simulator, ...rest });
  pool.add({ name: "b1", address: address("10.240.5.5"), port });
  pool.add({ name: "b2", address: address("10.240.6.6"), port });
  return pool;
}

export function balancer(
  world: BalancedNetwork,
  method: BalancingMethod,
  first?: string,
): ReturnType<typeof createBalancer> {
  return createBalancer({ method, random: world.lb.random.fork("balancer"), first });
}

/** Addresses of the IPv4 packets a host sent out of an interface, without those through lo. */
export function sentHeaders(net: TestNetwork, name: string, out?: string): ReturnType<typeof readIpv4Header>[] {
  const sent = net.seen.filter((event): event is Extract<PacketEvent, { kind: "sent" }> => event.kind === "sent");
  return sent
    .filter((event) => event.node === name && (out === undefined || event.interface === out) && event.bytes[12] === 8)
    .filter((event) => event.bytes[13] === 0)
    .map((event) => readIpv4Header(event.bytes, 14));
}

/** Bytes that a host sent behind its IP and TCP headers, these counted as 52. */
export function bytesSent(net: TestNetwork, name: string): number {
  return sentHeaders(net, name).reduce((sum, { totalLength }) => sum + Math.max(0, totalLength - 52), 0);
}
