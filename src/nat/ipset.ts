import { type Cidr, IpProtocol, type Ipv4Address, ipv4, netmask } from "../netstack/index.ts";
import type { PacketWalk } from "./packet-walk.ts";

/** The set types that are modelled, by ipset's names. */
export type IpSetType =
  | "hash:ip"
  | "hash:net"
  | "hash:ip,port"
  | "hash:ip,port,ip"
  | "hash:ip,port,net"
  | "bitmap:port";

/** One member. Which fields it has follows from the set's type. */
export interface IpSetMember {
  readonly address?: Ipv4Address;
  /** For `hash:net`. */
  readonly net?: Cidr;
  readonly port?: number;
  /** 6, 17 or another protocol with ports; TCP where it is left out. Without meaning in `bitmap:port`. */
  readonly protocol?: number;
  /** The third part of `hash:ip,port,ip`. */
  readonly second?: Ipv4Address;
  /** The third part of `hash:ip,port,net`. */
  readonly secondNet?: Cidr;
}

type Side = "src" | "dst";

/** A set of addresses, ports or combinations, as `ipset` keeps them for `-m set`. */
export class IpSet {
  readonly type: IpSetType;
  readonly #members = new Map<string, IpSetMember>();
  /** Prefix lengths of nets among the members, longest first. */
  #prefixes: readonly number[] = [];

  constructor(type: IpSetType) {
    this.type = type;
  }

  get size(): number {
    return this.#members.size;
  }

  members(): IpSetMember[] {
    return [...this.#members.values()];
  }

  /** Adds a member; one that is there already stays. @throws RangeError when it lacks what the type asks for. */
  add(member: IpSetMember): void {
    this.#members.set(this.#key(member), member);
    this.#countPrefixes();
  }

  /** True when it was there. */
  delete(member: IpSetMember): boolean {
    const was = this.#members.delete(this.#key(member));
    this.#countPrefixes();
    return was;
  }

  has(member: IpSetMember): boolean {
    return this.#members.has(this.#key(member));
  }

  /** Is what `flags` point at in the packet a member? */
  matches(walk: PacketWalk, flags: readonly Side[]): boolean {
    const first = addressOf(walk, flags[0]);
    const last = addressOf(walk, flags[2]);
    switch (this.type) {
      case "hash:ip":
        return this.has({ address: first });
      case "hash:net":
        return this.#prefixes.some((prefixLength) => this.has({ net: netOf(first, prefixLength) }));
      case "bitmap:port":
        return walk.hasPorts && this.has({ port: portOf(walk, flags[0]) });
      default:
        return walk.hasPorts && this.#hasCombination(walk, { address: first, port: portOf(walk, flags[1]) }, last);
    }
  }

  #hasCombination(walk: PacketWalk, pair: { address: Ipv4Address; port: number }, last: Ipv4Address): boolean {
    const member = { ...pair, protocol: walk.protocol };
    if (this.type === "hash:ip,port") return this.has(member);
    if (this.type === "hash:ip,port,ip") return this.has({ ...member, second: last });
    return this.#prefixes.some((prefixLength) => this.has({ ...member, secondNet: netOf(last, prefixLength) }));
  }

  #countPrefixes(): void {
    if (!this.type.endsWith("net")) return;
    const lengths = this.members().map((member) => (member.net ?? member.secondNet)?.prefixLength ?? 32);
    this.#prefixes = [...new Set(lengths)].sort((a, b) => b - a);
  }

  #key(member: IpSetMember): string {
    const { address, net, port, protocol = IpProtocol.tcp, second, secondNet } = member;
    switch (this.type) {
      case "hash:ip":
        return `${need(address, "an address")}`;
      case "hash:net":
        return netKey(net ?? netOf(need(address, "a net"), 32));
      case "bitmap:port":
        return `${need(port, "a port")}`;
      case "hash:ip,port":
        return `${need(address, "an address")},${protocol}:${need(port, "a port")}`;
      case "hash:ip,port,ip":
        return `${need(address, "an address")},${protocol}:${need(port, "a port")},${need(second, "a second address")}`;
      case "hash:ip,port,net": {
        const net = secondNet ?? netOf(need(second, "a net"), 32);
        return `${need(address, "an address")},${protocol}:${need(port, "a port")},${netKey(net)}`;
      }
    }
  }
}

/** The sets of one host, by name. */
export class IpSets {
  readonly #sets = new Map<string, IpSet>();

  get(name: string): IpSet | undefined {
    return this.#sets.get(name);
  }

  /** Makes an empty set, in place of one of that name. */
  create(name: string, type: IpSetType): IpSet {
    const set = new IpSet(type);
    this.#sets.set(name, set);
    return set;
  }

  destroy(name: string): boolean {
    return this.#sets.delete(name);
  }

  names(): string[] {
    return [...this.#sets.keys()];
  }
}

function need<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new RangeError(`Cannot use this member: the set's type asks for ${what}`);
  return value;
}

function addressOf(walk: PacketWalk, side: Side | undefined): Ipv4Address {
  return ipv4(side === "src" ? walk.source : walk.destination);
}

function portOf(walk: PacketWalk, side: Side | undefined): number {
  return side === "src" ? walk.sourcePort : walk.destinationPort;
}

function netOf(address: Ipv4Address, prefixLength: number): Cidr {
  return { network: ipv4(address & netmask(prefixLength)), prefixLength };
}

function netKey(net: Cidr): string {
  return `${net.network}/${net.prefixLength}`;
}
