import { contains, type InterfaceAddress, lastAddress, subnetOf } from "./cidr.ts";
import type { AddressKind } from "./hooks.ts";
import type { Interface } from "./interface.ts";
import {
  ANY_ADDRESS,
  type Ipv4Address,
  isLoopback,
  isMulticast,
  isZeroNet,
  LIMITED_BROADCAST,
} from "./ipv4-address.ts";
import { type Route, RouteTable } from "./route.ts";

/** Where a packet goes next. `out` is the loopback interface for the host's own addresses. */
export interface Hop {
  readonly out: Interface;
  readonly nextHop: Ipv4Address;
  /** The route's preferred source, if it names one. */
  readonly source: Ipv4Address | undefined;
}

/** What a host does with packets to an address. */
export interface Destination {
  /** One of the host's own. */
  readonly isLocal: boolean;
  readonly isBroadcast: boolean;
  /** The way there; `undefined` when there is none. */
  readonly hop: Hop | undefined;
}

/** Destinations remembered; when there are more, all are looked up anew. */
const MOST_DESTINATIONS = 1024;

/** Which addresses a host has, what kind any other address is to it, and the way there: Linux's local and main routing tables. */
export class Addressing {
  readonly interfaces: Interface[] = [];
  readonly routes: RouteTable = new RouteTable(() => this.#forget());
  readonly #loopback: Interface;
  /** By address as a signed word, as are the others: V8 finds small integers quickest. */
  readonly #local = new Map<number, Interface>();
  readonly #broadcast = new Set<number>();
  /** What was looked up since addresses, routes or interfaces changed last. */
  readonly #destinations = new Map<number, Destination>();

  constructor(loopback: Interface) {
    this.#loopback = loopback;
    this.addInterface(loopback);
  }

  addInterface(added: Interface): void {
    this.interfaces.push(added);
    added.changed = () => this.#forget();
    for (const own of added.addresses) this.#install(added, own);
  }

  addAddress(to: Interface, own: InterfaceAddress): void {
    to.addresses.push(own);
    this.#install(to, own);
  }

  /** Takes an address away, with the routes that came with it. False when the interface does not have it. */
  removeAddress(from: Interface, address: Ipv4Address): boolean {
    const place = from.addresses.findIndex((own) => own.address === address);
    if (place < 0) return false;
    from.addresses.splice(place, 1);
    this.#local.clear();
    this.#broadcast.clear();
    this.routes.removeWhere((route) => route.out === from && route.source === address);
    for (const each of this.interfaces) for (const own of each.addresses) this.#record(each, own);
    this.#forget();
    return true;
  }

  /** Forgets an interface with its addresses and routes. */
  removeInterface(removed: Interface): void {
    const place = this.interfaces.indexOf(removed);
    if (place < 0) return;
    for (const { address } of [...removed.addresses]) this.removeAddress(removed, address);
    this.interfaces.splice(place, 1);
    this.routes.removeWhere((route) => route.out === removed);
  }

  isLocal(address: Ipv4Address): boolean {
    return isLoopback(address) || this.#local.has(address | 0);
  }

  isBroadcast(address: Ipv4Address): boolean {
    return address === LIMITED_BROADCAST || this.#broadcast.has(address | 0);
  }

  kind(address: Ipv4Address, on?: Interface): AddressKind {
    if (this.isLocal(address)) {
      const holder = this.#local.get(address | 0) ?? this.#loopback;
      return on === undefined || holder === on ? "local" : "unicast";
    }
    if (this.isBroadcast(address) || isZeroNet(address)) return address === ANY_ADDRESS ? "unspecified" : "broadcast";
    if (isMulticast(address)) return "multicast";
    return this.routes.lookup(address) === undefined ? "unreachable" : "unicast";
  }

  /** The way of a packet that this host sends or forwards to `destination`; `undefined` when there is none. */
  hop(destination: Ipv4Address): Hop | undefined {
    return this.destination(destination).hop;
  }

  /** Everything that the way of a packet to `address` depends on. */
  destination(address: Ipv4Address): Destination {
    return this.#destinations.get(address | 0) ?? this.#lookUp(address);
  }

  #lookUp(address: Ipv4Address): Destination {
    const isLocal = this.isLocal(address);
    const hop = isLocal ? { out: this.#loopback, nextHop: address, source: address } : this.#routed(address);
    const found: Destination = { isLocal, isBroadcast: this.isBroadcast(address), hop };
    if (this.#destinations.size >= MOST_DESTINATIONS) this.#forget();
    this.#destinations.set(address | 0, found);
    return found;
  }

  #routed(address: Ipv4Address): Hop | undefined {
    const route = this.routes.lookup(address);
    return route && { out: route.out, nextHop: route.via ?? address, source: route.source };
  }

  #forget(): void {
    this.#destinations.clear();
  }

  /** The source address that a packet to `destination` gets when its sender names none. */
  sourceFor(destination: Ipv4Address): Ipv4Address | undefined {
    const hop = this.hop(destination);
    return hop && (hop.source ?? this.selectAddress(hop.out, hop.nextHop));
  }

  /** `inet_select_addr` (net/ipv4/devinet.c): the interface's address in the same subnet as `near`, else its first, else any other interface's. */
  selectAddress(out: Interface, near: Ipv4Address): Ipv4Address | undefined {
    const match =
      out.addresses.find((own) => contains(subnetOf(own.address, own.prefixLength), near)) ?? out.addresses[0];
    if (match !== undefined) return match.address;
    for (const other of this.interfaces) {
      const first = other === this.#loopback ? undefined : other.addresses[0];
      if (first !== undefined) return first.address;
    }
    return undefined;
  }

  /** True when a packet from `source` would be answered through `through`, or through any interface: the reverse path check, RFC 3704. */
  isReachable(source: Ipv4Address, through?: Interface): boolean {
    const route = this.routes.lookup(source);
    return route !== undefined && (through === undefined || route.out === through);
  }

  #install(on: Interface, own: InterfaceAddress): void {
    this.#record(on, own);
    if (on === this.#loopback || own.prefixLength === 32) return;
    const connected: Route = { destination: subnetOf(own.address, own.prefixLength), out: on, source: own.address };
    this.routes.add(connected);
  }

  #record(on: Interface, own: InterfaceAddress): void {
    this.#forget();
    if (!this.#local.has(own.address | 0)) this.#local.set(own.address | 0, on);
    if (own.prefixLength >= 31 || on === this.#loopback) return;
    const subnet = subnetOf(own.address, own.prefixLength);
    this.#broadcast.add(lastAddress(subnet) | 0);
    this.#broadcast.add(subnet.network | 0);
  }
}
