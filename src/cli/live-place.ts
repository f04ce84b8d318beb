import {
  EVERYWHERE,
  formatCidr,
  formatInterfaceAddress,
  formatIpv4,
  formatMac,
  type Route,
} from "../netstack/index.ts";
import type { Host } from "../nodes/index.ts";
import { outsideAddress } from "../scenario/index.ts";
import type { KernelPlace, KernelRoute } from "../tun/index.ts";
import type { LiveNetwork } from "./live-network.ts";

/** What the kernel is told to stand in the host's place, in a network namespace of its own: all that the host knew. */
export function wholePlace(live: LiveNetwork): KernelPlace {
  return { ...basePlace(live), interface: live.interface.name, routes: routesOf(live).map(describeRoute) };
}

/** The same beside a machine's own network: no default route, but one to each range of the scenario that the host reaches by its gateway. */
export function placeBeside(live: LiveNetwork, name: string): KernelPlace {
  const routes = routesOf(live);
  const others = routes.filter(({ destination }) => destination.prefixLength > 0).map(describeRoute);
  const gateway = routes.find(({ destination }) => formatCidr(destination) === formatCidr(EVERYWHERE))?.via;
  const via = gateway === undefined ? undefined : formatIpv4(gateway);
  const outside = via === undefined ? [] : outsideRanges(live).map((to) => ({ to, via }));
  const known = new Set(others.map(({ to }) => to));
  return { ...basePlace(live), interface: name, routes: [...others, ...outside.filter(({ to }) => !known.has(to))] };
}

/** The address of the host's gateway; `undefined` when it has none. */
export function gatewayOf(live: LiveNetwork): Host | undefined {
  const via = routesOf(live).find(({ destination }) => destination.prefixLength === 0)?.via;
  if (via === undefined) return undefined;
  return [...live.lab.network.hosts.built()].find(({ stack }) => stack.addressing.isLocal(via));
}

function basePlace(live: LiveNetwork): Omit<KernelPlace, "interface" | "routes"> {
  const { mac, mtu, addresses } = live.interface;
  return { mac: formatMac(mac), mtu, addresses: addresses.map(formatInterfaceAddress) };
}

/** By the interface, the ones that came with its addresses left out: the kernel makes those itself. */
function routesOf(live: LiveNetwork): Route[] {
  const { routes } = live.host.stack.addressing;
  return routes.list().filter(({ out, via }) => out === live.interface && via !== undefined);
}

function describeRoute({ destination, via }: Route): KernelRoute {
  const to = destination.prefixLength === 0 ? "default" : formatCidr(destination);
  return { to, ...(via !== undefined && { via: formatIpv4(via) }) };
}

/** Where a client may want to go: nodes' and balancers' outside addresses, and the machines' networks. */
function outsideRanges(live: LiveNetwork): string[] {
  const { lab, scenario, host } = live;
  const own = new Set(host.stack.addressing.routes.list().map(({ destination }) => formatCidr(destination)));
  const clusters = [...lab.clusters.values()];
  const nodes = clusters.flatMap((cluster) => [...cluster.nodes.values()].map(outsideAddress));
  const balancers = clusters
    .flatMap(({ api }) => api.list("Service"))
    .flatMap(({ status }) => ingressAddresses(status));
  const machines = scenario.machines.filter(({ name }) => name !== host.name).map(({ name }) => lab.find(name));
  const networks = machines.flatMap((machine) => connectedRanges(machine));
  const single = [...nodes, ...balancers].map((address) => `${address}/32`);
  return [...new Set([...networks, ...single])].filter((range) => !own.has(range));
}

function connectedRanges(machine: Host | undefined): string[] {
  const routes = machine?.stack.addressing.routes.list() ?? [];
  return routes.filter(({ via }) => via === undefined).map(({ destination }) => formatCidr(destination));
}

/** The addresses a load balancer has given a Service. */
export function ingressAddresses(
  status: { readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string }[] } } | undefined,
): string[] {
  return (status?.loadBalancer?.ingress ?? []).flatMap(({ ip }) => (ip === undefined ? [] : [ip]));
}
