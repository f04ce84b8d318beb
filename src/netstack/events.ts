import type { Duration, Time } from "../sim/index.ts";
import type { DropReason } from "./drop.ts";
import type { Hook } from "./hooks.ts";
import type { Ipv4Address } from "./ipv4-address.ts";

/** The fields of a packet that a middle box may rewrite. Ports stand for an ICMP echo's identifier too. */
export type PacketField = "source" | "destination" | "sourcePort" | "destinationPort" | "ttl" | "mark" | "mss";

/** A rule by its place, and its text as `iptables-save` prints it. `number` counts from 1 within the chain. */
export interface RuleReference {
  readonly table: string;
  readonly chain: string;
  readonly number: number;
  readonly text: string;
}

/** What made a box rewrite a packet. */
export type RewriteCause =
  /** A nat rule set up the mapping now. */
  | { readonly kind: "rule"; readonly target: string; readonly rule: RuleReference }
  /** Conntrack's entry from an earlier packet; `direction` is the packet's. */
  | { readonly kind: "conntrack"; readonly direction: "original" | "reply" }
  /** No rule asked for it: the reply tuple was taken by another connection. */
  | { readonly kind: "clash" }
  /** A load balancer set up the flow now, or follows what it set up. */
  | {
      readonly kind: "balancer";
      readonly service: string;
      readonly backend: string;
      readonly direction: "original" | "reply";
    }
  /** A NAT other than netfilter's has a mapping for it, in words. */
  | { readonly kind: "mapping"; readonly mapping: string; readonly direction: "outbound" | "inbound" }
  /** Forwarding. */
  | { readonly kind: "forwarding" };

/** The addresses of a packet at the moment of an event, for readers that have no bytes. Ports are 0 where there are none. */
export interface PacketSummary {
  readonly protocol: number;
  readonly source: Ipv4Address;
  readonly sourcePort: number;
  readonly destination: Ipv4Address;
  readonly destinationPort: number;
}

/** Everything that happens to a packet, as one stream. Trace, `why`, capture comments and reports are all readers of it. */
export type PacketEvent = {
  readonly time: Time;
  /** The box: a host, router, node or pod. */
  readonly node: string;
  /** Follows one packet through rewriting, fragmentation and tunnels. */
  readonly lineage: number;
} & PacketEventDetail;

/** A connection as a box at one of its ends has it: who opened it, and to whom. */
export interface ConnectionEnds {
  readonly source: Ipv4Address;
  readonly sourcePort: number;
  readonly destination: Ipv4Address;
  readonly destinationPort: number;
}

/** What happened, by `kind`. */
export type PacketEventDetail =
  | { readonly kind: "arrived"; readonly interface: string; readonly bytes: Uint8Array }
  | { readonly kind: "sent"; readonly interface: string; readonly bytes: Uint8Array }
  | {
      readonly kind: "hook";
      readonly hook: Hook;
      readonly in: string | undefined;
      readonly out: string | undefined;
      readonly packet: PacketSummary;
      /** The connection's state as `--ctstate` would see it. */
      readonly state: string;
    }
  /** A rule was tried; `matched` false ones are only emitted to readers that ask for them. */
  | {
      readonly kind: "rule";
      readonly hook: Hook;
      readonly rule: RuleReference;
      readonly matched: boolean;
      readonly verdict: string;
    }
  | {
      readonly kind: "policy";
      readonly hook: Hook;
      readonly table: string;
      readonly chain: string;
      readonly verdict: "ACCEPT" | "DROP";
    }
  | {
      readonly kind: "rewritten";
      /** "forward" for the TTL. */
      readonly hook: Hook;
      readonly field: PacketField;
      readonly from: number;
      readonly to: number;
      readonly cause: RewriteCause;
      /** True for the header quoted inside an ICMP error. */
      readonly quoted?: true;
    }
  | {
      readonly kind: "routed";
      readonly destination: Ipv4Address;
      /** "local" when the packet stays here. */
      readonly out: string;
      readonly nextHop: Ipv4Address | undefined;
    }
  | { readonly kind: "queued"; readonly interface: string; readonly nextHop: Ipv4Address; readonly for: "arp" }
  | { readonly kind: "fragmented"; readonly into: number }
  | { readonly kind: "reassembled"; readonly from: number }
  /** A load balancer sends the packet on to a backend; `reason` says why to this one. */
  | { readonly kind: "balanced"; readonly service: string; readonly backend: string; readonly reason: string }
  /** A program that ends connections opens one of its own for a client's. It is about no one packet: the lineage is 0. */
  | {
      readonly kind: "proxied";
      readonly protocol: "tcp" | "udp";
      readonly service: string;
      readonly backend: string;
      readonly client: ConnectionEnds;
      readonly own: ConnectionEnds;
    }
  /** The packet goes on inside another, or came out of one: a tunnel's outer addresses. */
  | {
      readonly kind: "encapsulated" | "decapsulated";
      readonly in: "ipip" | "vxlan";
      readonly source: Ipv4Address;
      readonly destination: Ipv4Address;
    }
  | { readonly kind: "delivered"; readonly to: string }
  | {
      readonly kind: "conntrack";
      readonly change: "NEW" | "UPDATE" | "DESTROY";
      readonly text: string;
      readonly timeout?: Duration;
    }
  | { readonly kind: "dropped"; readonly reason: DropReason; readonly rule?: RuleReference };

/** Told of each event while it happens; it must not keep the event's bytes. */
export type PacketEventReader = (event: PacketEvent) => void;

/** Where a run's events go. Whoever emits looks at `active` first, so that with no reader not even the event object is made. */
export interface PacketEvents {
  readonly active: boolean;
  /** True when a reader wants rules that did not match, too. */
  readonly everyRule: boolean;
  /** Passes an event on. */
  emit(event: PacketEvent): void;
}

/** The stream of one run: passes each event to its readers in the order in which they came. */
export class EventStream implements PacketEvents {
  readonly #readers: PacketEventReader[] = [];
  #everyRule = false;

  get active(): boolean {
    return this.#readers.length > 0;
  }

  get everyRule(): boolean {
    return this.#everyRule;
  }

  /** Adds a reader; the returned function removes it. */
  read(reader: PacketEventReader, options: { readonly everyRule?: boolean } = {}): () => void {
    this.#readers.push(reader);
    if (options.everyRule) this.#everyRule = true;
    return () => {
      const place = this.#readers.indexOf(reader);
      if (place >= 0) this.#readers.splice(place, 1);
    };
  }

  /** Passes an event to the readers, in the order in which they came. */
  emit(event: PacketEvent): void {
    for (const reader of this.#readers) reader(event);
  }
}
