import { type Cidr, netmask } from "./cidr.ts";
import type { Interface } from "./interface.ts";
import { type Ipv4Address, ipv4 } from "./ipv4-address.ts";

/** One way to a range of addresses. */
export interface Route {
  readonly destination: Cidr;
  readonly out: Interface;
  /** The next hop; `undefined` when the destination itself is a neighbour. */
  readonly via?: Ipv4Address;
  /** The source address of packets the host itself sends this way (`src` in `ip route`). */
  readonly source?: Ipv4Address;
  /** Of two routes to the same range the one with the lower metric is used. */
  readonly metric?: number;
}

/** A host's main routing table. The longest matching prefix wins, then the lowest metric, then the route added first. */
export class RouteTable {
  /** Per prefix length, the routes by network number. */
  readonly #byLength: (Map<number, Route[]> | undefined)[] = new Array(33).fill(undefined);
  /** The lengths in use, longest first. */
  #lengths: number[] = [];

  add(route: Route): void {
    const length = route.destination.prefixLength;
    let networks = this.#byLength[length];
    if (networks === undefined) {
      networks = new Map();
      this.#byLength[length] = networks;
      this.#lengths = [...this.#lengths, length].sort((a, b) => b - a);
    }
    const routes = networks.get(route.destination.network) ?? [];
    routes.push(route);
    routes.sort((a, b) => (a.metric ?? 0) - (b.metric ?? 0));
    networks.set(route.destination.network, routes);
  }

  /** Removes the routes that `unwanted` is true for. */
  removeWhere(unwanted: (route: Route) => boolean): void {
    for (const networks of this.#byLength) {
      for (const [network, routes] of networks ?? []) {
        const kept = routes.filter((route) => !unwanted(route));
        if (kept.length > 0) networks?.set(network, kept);
        else networks?.delete(network);
      }
    }
  }

  lookup(destination: Ipv4Address): Route | undefined {
    for (const length of this.#lengths) {
      const routes = this.#byLength[length]?.get(ipv4(destination & netmask(length)));
      const route = routes?.find((candidate) => candidate.out.up);
      if (route !== undefined) return route;
    }
    return undefined;
  }

  /** All routes: shorter prefixes first, then by address, as `ip route` lists them. */
  list(): Route[] {
    const all = this.#byLength.flatMap((networks) => [...(networks?.values() ?? [])].flat());
    const key = (route: Route): number => (route.destination.prefixLength === 0 ? -1 : route.destination.network);
    return all.sort((a, b) => key(a) - key(b) || a.destination.prefixLength - b.destination.prefixLength);
  }
}
