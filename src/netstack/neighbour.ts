import { after, type Clock, type Duration, type Random, seconds, type Timer } from "../sim/index.ts";
import type { Interface } from "./interface.ts";
import type { Ipv4Address } from "./ipv4-address.ts";
import { type MacAddress, ZERO_MAC } from "./mac.ts";
import type { Packet } from "./packet.ts";

/** Linux's states of a neighbour entry (net/core/neighbour.c); without NOARP. */
export type NeighbourState = "permanent" | "incomplete" | "reachable" | "stale" | "delay" | "probe" | "failed";

/** Defaults of net.ipv4.neigh.default.*. */
const RETRANSMIT = seconds(1);
const BASE_REACHABLE = seconds(30);
const DELAY_FIRST_PROBE = seconds(5);
const BROADCAST_PROBES = 3;
const UNICAST_PROBES = 3;
/** Packets that may wait for one address; the oldest gives way, as in `__neigh_event_send`. */
const QUEUE_LIMIT = 101;
/** gc_thresh3: entries beyond it push out the oldest that is not in use. */
const TABLE_LIMIT = 1024;

export interface NeighbourEvents {
  /** Asks on the wire for `address`; `to` is set for a probe of an entry that was known. */
  request(on: Interface, address: Ipv4Address, to: MacAddress | undefined): void;
  /** A packet that waited can go. */
  resolved(packet: Packet, on: Interface, mac: MacAddress): void;
  /** A packet that waited cannot go: nobody answered, or newer ones needed its place. */
  unresolved(packet: Packet, why: "neighbour-unreachable" | "arp-queue-full"): void;
}

/** What is known of one neighbour. */
export interface NeighbourEntry {
  readonly on: Interface;
  readonly address: Ipv4Address;
  readonly timer: Timer;
  state: NeighbourState;
  mac: MacAddress;
  probes: number;
  waiting: Packet[];
}

/** A host's part in entries that others have too. */
interface SharedNeighbours {
  readonly macs: ReadonlyMap<Ipv4Address, MacAddress>;
  readonly on: Interface;
  readonly own: Ipv4Address;
}

/** A host's neighbours, per interface: who has which hardware address, how sure that is, and packets waiting to know. */
export class NeighbourTable {
  readonly #clock: Clock;
  readonly #events: NeighbourEvents;
  readonly #reachable: Duration;
  /** The interfaces that have entries, each with its own: see {@link Interface.neighbours}. */
  readonly #interfaces = new Set<Interface>();
  #size = 0;
  #shared: SharedNeighbours | undefined;

  constructor(clock: Clock, random: Random, events: NeighbourEvents) {
    this.#clock = clock;
    this.#events = events;
    // Between half and one and a half times the base, drawn once per host, so that hosts do not probe in step.
    this.#reachable = (BASE_REACHABLE / 2 + random.below(BASE_REACHABLE)) as Duration;
  }

  /** The hardware address to use now; `undefined` when `packet` was kept to wait for it. */
  resolve(on: Interface, address: Ipv4Address, packet: Packet): MacAddress | undefined {
    const entry = this.#find(on, address) ?? this.#create(on, address);
    if (entry.state === "stale") this.#enter(entry, "delay", DELAY_FIRST_PROBE);
    if (entry.state !== "incomplete" && entry.state !== "failed") return entry.mac;
    this.#wait(entry, packet);
    if (entry.state === "failed" || entry.timer.deadline === undefined) this.#startAsking(entry);
    return undefined;
  }

  /** The hardware address if a packet may go there without anything being done about it. */
  usable(on: Interface, address: Ipv4Address): MacAddress | undefined {
    const entry = on.neighbours?.get(address | 0);
    if (entry === undefined) return undefined;
    const { state } = entry;
    return state === "stale" || state === "incomplete" || state === "failed" ? undefined : entry.mac;
  }

  /** The hardware address if it is known for certain (NUD_CONNECTED); asks nobody. */
  known(on: Interface, address: Ipv4Address): MacAddress | undefined {
    const entry = this.#find(on, address);
    return entry?.state === "reachable" || entry?.state === "permanent" ? entry.mac : undefined;
  }

  /** Takes in what an ARP packet said. `create` is true when it was addressed to this host. */
  learn(
    on: Interface,
    address: Ipv4Address,
    mac: MacAddress,
    how: { readonly answer: boolean; readonly create: boolean },
  ): void {
    const entry = this.#find(on, address) ?? (how.create ? this.#create(on, address) : undefined);
    if (entry === undefined) return;
    if (entry.state === "permanent") return;
    const changed = entry.mac !== mac;
    entry.mac = mac;
    if (how.answer) this.#enter(entry, "reachable", this.#reachable);
    else if (changed || entry.state === "incomplete" || entry.state === "failed")
      this.#enter(entry, "stale", undefined);
    this.#release(entry);
  }

  /** An entry that stays as it is (`ip neigh add … nud permanent`). */
  setPermanent(on: Interface, address: Ipv4Address, mac: MacAddress): void {
    const entry = this.#find(on, address) ?? this.#create(on, address);
    entry.mac = mac;
    this.#enter(entry, "permanent", undefined);
    this.#release(entry);
  }

  /** Entries that stay as they are, the same for many hosts: of an interface, all but that of the host's own address there. */
  share(macs: ReadonlyMap<Ipv4Address, MacAddress>, on: Interface, own: Ipv4Address): void {
    this.#shared = { macs, on, own };
  }

  /** Upper layers heard from the neighbour: the entry is good for another period. */
  confirm(on: Interface, address: Ipv4Address): void {
    const entry = this.#find(on, address);
    const fixed: readonly NeighbourState[] = ["permanent", "incomplete", "failed"];
    if (entry !== undefined && !fixed.includes(entry.state)) {
      this.#enter(entry, "reachable", this.#reachable);
    }
  }

  /** Forgets everything known on an interface that went down. */
  flush(on: Interface): void {
    for (const entry of on.neighbours?.values() ?? []) this.#fail(entry);
    this.#size -= on.neighbours?.size ?? 0;
    on.neighbours = undefined;
    this.#interfaces.delete(on);
  }

  /** The table as `ip neigh` would list it. */
  list(): { on: Interface; address: Ipv4Address; mac: MacAddress; state: NeighbourState }[] {
    const listed = this.#all().map(({ on, address, mac, state }) => ({ on, address, mac, state }));
    if (this.#shared === undefined) return listed;
    const { macs, on, own } = this.#shared;
    const others = listed.filter((entry) => entry.on !== on || !macs.has(entry.address));
    const shared = [...macs].filter(([address]) => address !== own);
    return [...shared.map(([address, mac]) => ({ on, address, mac, state: "permanent" as const })), ...others];
  }

  #all(): NeighbourEntry[] {
    return [...this.#interfaces].flatMap((on) => [...(on.neighbours?.values() ?? [])]);
  }

  #find(on: Interface, address: Ipv4Address): NeighbourEntry | undefined {
    return on.neighbours?.get(address | 0) ?? this.#fromShared(on, address);
  }

  /** A shared entry becomes the host's own when it is first asked for. */
  #fromShared(on: Interface, address: Ipv4Address): NeighbourEntry | undefined {
    const shared = this.#shared;
    if (shared?.on !== on || address === shared.own) return undefined;
    const mac = shared.macs.get(address);
    if (mac === undefined) return undefined;
    const entry = this.#create(on, address);
    entry.mac = mac;
    this.#enter(entry, "permanent", undefined);
    return entry;
  }

  #create(on: Interface, address: Ipv4Address): NeighbourEntry {
    if (this.#size >= TABLE_LIMIT) this.#evict();
    const timer = this.#clock.timer(() => this.#expire(entry), "protocol");
    const entry: NeighbourEntry = { on, address, timer, state: "incomplete", mac: ZERO_MAC, probes: 0, waiting: [] };
    on.neighbours ??= new Map();
    on.neighbours.set(address | 0, entry);
    this.#interfaces.add(on);
    this.#size += 1;
    return entry;
  }

  /** Pushes out the oldest entry that nothing waits for; the oldest of all when every one is being resolved. */
  #evict(): void {
    const all = this.#all();
    const idle = all.find((entry) => entry.waiting.length === 0 && entry.state !== "permanent");
    const victim = idle ?? all.find((entry) => entry.state !== "permanent");
    if (victim === undefined) return;
    this.#fail(victim);
    victim.on.neighbours?.delete(victim.address | 0);
    this.#size -= 1;
  }

  #wait(entry: NeighbourEntry, packet: Packet): void {
    if (entry.waiting.length >= QUEUE_LIMIT) {
      const oldest = entry.waiting.shift();
      if (oldest !== undefined) this.#events.unresolved(oldest, "arp-queue-full");
    }
    entry.waiting.push(packet);
  }

  #startAsking(entry: NeighbourEntry): void {
    entry.state = "incomplete";
    entry.probes = 0;
    this.#ask(entry);
  }

  #ask(entry: NeighbourEntry): void {
    entry.probes += 1;
    entry.timer.set(after(this.#clock.now(), RETRANSMIT));
    this.#events.request(entry.on, entry.address, entry.state === "probe" ? entry.mac : undefined);
  }

  #expire(entry: NeighbourEntry): void {
    if (entry.state === "reachable") return this.#enter(entry, "stale", undefined);
    if (entry.state === "delay") {
      entry.state = "probe";
      entry.probes = 0;
    }
    const limit = entry.state === "probe" ? UNICAST_PROBES : BROADCAST_PROBES;
    if (entry.probes < limit) this.#ask(entry);
    else this.#fail(entry);
  }

  #enter(entry: NeighbourEntry, state: NeighbourState, duration: Duration | undefined): void {
    entry.state = state;
    if (duration === undefined) entry.timer.cancel();
    else entry.timer.set(after(this.#clock.now(), duration));
  }

  #fail(entry: NeighbourEntry): void {
    this.#enter(entry, "failed", undefined);
    const waiting = entry.waiting;
    entry.waiting = [];
    for (const packet of waiting) this.#events.unresolved(packet, "neighbour-unreachable");
  }

  #release(entry: NeighbourEntry): void {
    const waiting = entry.waiting;
    entry.waiting = [];
    for (const packet of waiting) this.#events.resolved(packet, entry.on, entry.mac);
  }
}
