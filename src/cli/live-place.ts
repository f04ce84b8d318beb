import {
  contains,
  formatCidr,
  formatInterfaceAddress,
  formatIpv4,
  formatMac,
  type Interface,
  type InterfaceAddress,
  type Ipv4Address,
  parseCidr,
  type Route,
  subnetOf,
} from "../netstack/index.ts";
import type { Host } from "../nodes/index.ts";
import { outsideAddress } from "../scenario/index.ts";
import type { KernelNeighbour, KernelPlace, KernelRoute, PlacedInterface } from "../tun/index.ts";
import type { LiveNetwork } from "./live-network.ts";

/** The kernel's names for the interfaces that it gets. */
type Names = ReadonlyMap<Interface, string>;

/** What the kernel is told to stand in the host's place, in a network namespace of its own: all that the host knew. */
export function wholePlace(live: LiveNetwork): KernelPlace {
  const names = new Map(live.interfaces.map((each) => [each, each.name]));
  return { ...basePlace(live, names), routes: routesOf(live).flatMap((route) => describeRoute(route, names)) };
}

/**
 * The same beside a machine's own network, with the kernel's names in the order of `live.interfaces`: no default route, but one to each range of the scenario
 * that the host reaches by it. To be asked while the host still stands there.
 */
export function placeBeside(live: LiveNetwork, given: readonly string[]): KernelPlace {
  const names = new Map(live.interfaces.map((each, index) => [each, given[index] ?? each.name]));
  const routes = routesOf(live).filter(({ destination }) => destination.prefixLength > 0);
  return {
    ...basePlace(live, names),
    routes: [...routes, ...routesOutside(live)].flatMap((route) => describeRoute(route, names)),
  };
}

/** Kernel parameters without which the kernel would not do in a namespace what the host did. */
export function sysctlsOf({ host, interfaces }: LiveNetwork): Record<string, number> {
  const { forwarding, reversePathFilter } = host.stack.host.sysctls;
  // The higher one holds, and new interfaces begin with the machine's.
  const filtering = ["all", ...interfaces.map(({ name }) => name)];
  return {
    "net/ipv4/ip_forward": forwarding ? 1 : 0,
    ...Object.fromEntries(filtering.map((name) => [`net/ipv4/conf/${name}/rp_filter`, RP_FILTER[reversePathFilter]])),
  };
}

const RP_FILTER = { off: 0, strict: 1, loose: 2 } as const;

/** Who stands next to the host on its way out: its gateway, or where it has none another machine on its network. */
export function neighbourOf(live: LiveNetwork): { host: Host; address: Ipv4Address } | undefined {
  const { host, interfaces, lab } = live;
  const built = [...lab.network.hosts.built()].filter((each) => each !== host);
  const via = host.stack.addressing.routes.list().find(({ destination }) => destination.prefixLength === 0)?.via;
  if (via !== undefined) {
    const holders = built.filter(({ stack }) => stack.addressing.isLocal(via));
    // Behind different NATs the same address stands for different machines.
    const gateway = holders.find((each) => sharesSegment(each, live)) ?? holders[0];
    if (gateway !== undefined) return { host: gateway, address: via };
  }
  const subnets = interfaces.flatMap(({ addresses }) =>
    addresses.map((own) => subnetOf(own.address, own.prefixLength)),
  );
  for (const each of built) {
    const { address } = each;
    if (address !== undefined && subnets.some((subnet) => contains(subnet, address))) return { host: each, address };
  }
  return undefined;
}

function sharesSegment(other: Host, { host, interfaces, lab }: LiveNetwork): boolean {
  const segments = interfaces.map(({ name }) => lab.network.segmentAt(host.name, name));
  return other.stack.addressing.interfaces.some(({ name }) => {
    const segment = lab.network.segmentAt(other.name, name);
    return segment !== undefined && segments.includes(segment);
  });
}

function basePlace({ host }: LiveNetwork, names: Names): Omit<KernelPlace, "routes"> {
  const interfaces = [...names].map(([each, name], index): PlacedInterface => {
    const { mac, mtu, addresses } = each;
    // The host's further addresses of lo are as good on an interface that is gone afterwards.
    const all = index === 0 ? [...addresses, ...loopbackAddresses(host)] : addresses;
    return { name, mac: formatMac(mac), mtu, addresses: all.map(formatInterfaceAddress) };
  });
  const neighbours = host.stack.link.neighbours.list().flatMap(({ on, address, mac, state }): KernelNeighbour[] => {
    const by = names.get(on);
    return state !== "permanent" || by === undefined ? [] : [{ address: formatIpv4(address), mac: formatMac(mac), by }];
  });
  return { interfaces, neighbours };
}

/** The first one of all is every machine's own. */
function loopbackAddresses({ stack }: Host): InterfaceAddress[] {
  return stack.loopback.addresses.slice(1);
}

/** By the kernel's interfaces, the ones that came with addresses left out: the kernel makes those itself. */
function routesOf({ host, interfaces }: LiveNetwork): Route[] {
  return host.stack.addressing.routes.list().filter((route) => interfaces.includes(route.out) && !isConnected(route));
}

function isConnected({ destination, out, via }: Route): boolean {
  const subnets = out.addresses.map((own) => formatCidr(subnetOf(own.address, own.prefixLength)));
  return via === undefined && subnets.includes(formatCidr(destination));
}

function describeRoute({ destination, out, via }: Route, names: Names): KernelRoute[] {
  const by = names.get(out);
  if (by === undefined) return [];
  const to = destination.prefixLength === 0 ? "default" : formatCidr(destination);
  return [{ to, ...(via !== undefined && { via: formatIpv4(via) }), by }];
}

/** Routes to each range that the host reaches by its default routes alone, the same ways as those. */
function routesOutside(live: LiveNetwork): Route[] {
  const { routes } = live.host.stack.addressing;
  const defaults = routesOf(live).filter(({ destination }) => destination.prefixLength === 0);
  return [...outsideRanges(live)].flatMap((range) => {
    const destination = parseCidr(range);
    if (destination === undefined || routes.lookup(destination.network)?.destination.prefixLength !== 0) return [];
    return defaults.map((route) => ({ ...route, destination }));
  });
}

/** Where a client may want to go: nodes' and balancers' outside addresses, and the machines' networks. */
function outsideRanges({ lab, scenario, host }: LiveNetwork): Set<string> {
  const clusters = [...lab.clusters.values()];
  const nodes = clusters.flatMap((cluster) => [...cluster.nodes.values()].map(outsideAddress));
  const balancers = clusters
    .flatMap(({ api }) => api.list("Service"))
    .flatMap(({ status }) => ingressAddresses(status));
  const machines = scenario.machines.filter(({ name }) => name !== host.name).map(({ name }) => lab.find(name));
  const networks = machines.flatMap((machine) => connectedRanges(machine));
  return new Set([...networks, ...nodes, ...balancers]);
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
