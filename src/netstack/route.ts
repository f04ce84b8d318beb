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

/** A way that several hosts have, each over an interface of its own. */
export interface SharedRoute {
  readonly destination: Cidr;
  readonly via: Ipv4Address;
}

/** Routes that many hosts have alike, written once: in a cluster each node leads to the pods of all others. */
export class SharedRoutes {
  readonly #byLength = new Map<number, Map<number, SharedRoute>>();
  readonly #lengths: readonly number[];

  constructor(routes: Iterable<SharedRoute>) {
    for (const route of routes) {
      const { prefixLength, network } = route.destination;
      const networks = this.#byLength.get(prefixLength) ?? new Map<number, SharedRoute>();
      this.#byLength.set(prefixLength, networks.set(network, route));
    }
    this.#lengths = [...this.#byLength.keys()].sort((a, b) => b - a);
  }

  /** The longest match that is longer than `length`, and does not lead to `except`. */
  find(destination: Ipv4Address, length: number, except: Ipv4Address): SharedRoute | undefined {
    for (const own of this.#lengths) {
      if (own <= length) return undefined;
      const route = this.#byLength.get(own)?.get(ipv4(destination & netmask(own)));
      if (route !== undefined && route.via !== except) return route;
    }
    return undefined;
  }

  list(): readonly SharedRoute[] {
    return [...this.#byLength.values()].flatMap((networks) => [...networks.values()]);
  }
}

/** A host's part in {@link SharedRoutes}: the interface they leave by, and its own address, by which it does not go. */
interface SharedPart {
  readonly routes: SharedRoutes;
  readonly out: Interface;
  readonly own: Ipv4Address;
  /** Those that have been used. */
  readonly made: Map<SharedRoute, Route>;
}

/** A host's main routing table. The longest matching prefix wins, then the lowest metric, then the route added first. */
export class RouteTable {
  /** Per prefix length, the routes by network number. */
  readonly #byLength: (Map<number, Route[]> | undefined)[] = new Array(33).fill(undefined);
  /** The lengths in use, longest first. */
  #lengths: number[] = [];
  #shared: SharedPart | undefined;
  readonly #changed: () => void;

  /** `changed` is called whenever a route comes or goes. */
  constructor(changed: () => void = () => {}) {
    this.#changed = changed;
  }

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
    this.#changed();
  }

  /** Adds routes that others have too: all leave by `out`, and those by way of `own`, the host itself, are left out. Of equals its other routes go first. */
  share(routes: SharedRoutes, out: Interface, own: Ipv4Address): void {
    this.#shared = { routes, out, own, made: new Map() };
    this.#changed();
  }

  /** Removes the routes that `unwanted` is true for. */
  removeWhere(unwanted: (route: Route) => boolean): void {
    if (this.#listShared().some(unwanted)) this.#shared = undefined;
    for (const networks of this.#byLength) {
      for (const [network, routes] of networks ?? []) {
        const kept = routes.filter((route) => !unwanted(route));
        if (kept.length > 0) networks?.set(network, kept);
        else networks?.delete(network);
      }
    }
    this.#changed();
  }

  lookup(destination: Ipv4Address): Route | undefined {
    const own = this.#lookupOwn(destination);
    const shared = this.#shared;
    if (shared === undefined || !shared.out.up) return own;
    const found = shared.routes.find(destination, own?.destination.prefixLength ?? -1, shared.own);
    return found === undefined ? own : routeOf(found, shared);
  }

  #lookupOwn(destination: Ipv4Address): Route | undefined {
    for (const length of this.#lengths) {
      const routes = this.#byLength[length]?.get(ipv4(destination & netmask(length)));
      const route = routes?.find((candidate) => candidate.out.up);
      if (route !== undefined) return route;
    }
    return undefined;
  }

  /** All routes: shorter prefixes first, then by address, as `ip route` lists them. */
  list(): Route[] {
    const own = this.#byLength.flatMap((networks) => [...(networks?.values() ?? [])].flat());
    const all = [...own, ...this.#listShared()];
    const key = (route: Route): number => (route.destination.prefixLength === 0 ? -1 : route.destination.network);
    return all.sort((a, b) => key(a) - key(b) || a.destination.prefixLength - b.destination.prefixLength);
  }

  #listShared(): Route[] {
    const shared = this.#shared;
    if (shared === undefined) return [];
    const routes = shared.routes.list().filter(({ via }) => via !== shared.own);
    return routes.map((route) => routeOf(route, shared));
  }
}

function routeOf(route: SharedRoute, { out, made }: SharedPart): Route {
  const known = made.get(route) ?? { ...route, out };
  made.set(route, known);
  return known;
}
