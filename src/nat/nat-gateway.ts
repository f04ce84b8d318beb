import {
  getU8,
  type Hook,
  type HookHost,
  type HookVerdict,
  ICMP_HEADER_LENGTH,
  IcmpType,
  IPV4_HEADER_LENGTH,
  IpProtocol,
  type Ipv4Address,
  ipv4,
  Packet,
  type PacketHook,
  type RewriteCause,
} from "../netstack/index.ts";
import type { Time } from "../sim/index.ts";
import type { NatSettings } from "./nat-behaviour.ts";
import { formatNatMapping, type NatEnd, type NatMapping, NatMappings } from "./nat-mappings.ts";
import { rewriteQuoted } from "./rewrite-quoted.ts";
import { TupleWords } from "./tuple.ts";
import { tell, tellHook } from "./walk-events.ts";

/** TCP's flags byte within its header, and three of its flags (RFC 9293 §3.1). */
const TCP_FLAGS = 13;
const FIN_OR_RST = 0x05;
const SYN = 0x02;

/** What a {@link NatGateway} needs to know of its router. */
export interface NatGatewayOptions extends NatSettings {
  readonly host: HookHost;
  /** Interfaces by name: where the private side is, and where the public one. */
  readonly inside: string;
  readonly outside: string;
  /** The address that inside hosts share. */
  readonly external: Ipv4Address;
}

type Direction = "outbound" | "inbound";

/**
 * A NAT as RFC 4787 describes them, in place of netfilter: how it maps and filters can be chosen, and every mapping has a port of its own. Linux's
 * MASQUERADE is another kind, which keeps the same port for different correspondents. It translates TCP, UDP and ICMP echoes, and errors about
 * them; what comes for no mapping is for the router itself.
 */
export class NatGateway implements PacketHook {
  readonly wantsDatagrams = true;
  readonly external: Ipv4Address;
  readonly #host: HookHost;
  readonly #inside: string;
  readonly #outside: string;
  readonly #hairpin: boolean;
  readonly #mappings: NatMappings;
  readonly #words = new TupleWords();

  constructor(options: NatGatewayOptions) {
    this.#host = options.host;
    this.#inside = options.inside;
    this.#outside = options.outside;
    this.external = options.external;
    this.#hairpin = options.hairpin;
    this.#mappings = new NatMappings(options, options.host.random);
  }

  /** A line for each mapping that is alive. */
  list(): string[] {
    const now = this.#host.clock.now();
    return this.#mappings.list(now).map((mapping) => formatNatMapping(mapping, this.external, now));
  }

  /** Translates a packet at a hook, or says why it is dropped. */
  run(hook: Hook, packet: Packet): HookVerdict {
    if (hook === "prerouting") return packet.destination === this.external ? this.#toExternal(packet) : "accept";
    // A hairpinned packet's own mapping: its source is changed only now, as it would not be routed with the router's address.
    if (hook === "postrouting" && packet.tracking !== undefined)
      return this.#changeSource(hook, packet, packet.tracking as NatMapping);
    const passes = hook === "postrouting" && packet.in?.name === this.#inside && packet.out?.name === this.#outside;
    return passes ? this.#outward(hook, packet) : "accept";
  }

  #toExternal(packet: Packet): HookVerdict {
    if (packet.in?.name === this.#outside) return this.#inward("prerouting", packet);
    if (packet.in?.name !== this.#inside || !this.#hairpin || this.#errorAbout(packet) !== undefined) return "accept";
    // Both are translated, so that the one asked answers through the router (RFC 4787 §6, REQ-9).
    if (this.#mappings.at(packet.protocol, packet.destinationPort, this.#now()) === undefined) return "accept";
    const own = this.#claim(packet);
    if (typeof own === "string") return own;
    packet.tracking = own;
    return this.#inward("prerouting", packet, { address: this.external, port: own.outsidePort });
  }

  /** Puts the external address and a port of its own in the source's place. */
  #outward(hook: Hook, packet: Packet): HookVerdict {
    const quoted = this.#errorAbout(packet);
    if (quoted !== undefined) return this.#errorOutward(hook, packet, quoted);
    const mapping = this.#claim(packet);
    return typeof mapping === "string" ? mapping : this.#changeSource(hook, packet, mapping);
  }

  /** The mapping for a packet from inside, made if need be and kept alive; or why there is none. */
  #claim(packet: Packet): NatMapping | "unknown-protocol" | "nat-no-free-port" {
    if (!isTranslated(packet, "outbound")) return "unknown-protocol";
    const now = this.#now();
    const { protocol } = packet;
    const inside: NatEnd = { address: packet.source, port: packet.sourcePort };
    const remote = remoteOf(packet.destination, protocol, packet.destinationPort);
    const mapping =
      this.#mappings.find(protocol, inside, remote, now) ?? this.#mappings.add(protocol, inside, remote, now);
    if (mapping === undefined) return "nat-no-free-port";
    follow(mapping, packet);
    this.#mappings.refresh(mapping, remote, now);
    return mapping;
  }

  #changeSource(hook: Hook, packet: Packet, mapping: NatMapping): HookVerdict {
    const before = this.#begin(hook, packet);
    packet.source = this.external;
    packet.sourcePort = mapping.outsidePort;
    if (before !== undefined) this.#tellChanges(hook, packet, before, this.#cause(mapping, "outbound"));
    return "accept";
  }

  /** Puts the inside host's address and port in the destination's place, if the sender may. */
  #inward(hook: Hook, packet: Packet, from?: NatEnd): HookVerdict {
    const quoted = this.#errorAbout(packet);
    if (quoted !== undefined) return this.#errorInward(hook, packet, quoted);
    if (!isTranslated(packet, "inbound")) return "accept";
    const now = this.#now();
    const mapping = this.#mappings.at(packet.protocol, packet.destinationPort, now);
    if (mapping === undefined) return "accept";
    const remote = from ?? remoteOf(packet.source, packet.protocol, packet.sourcePort);
    if (!this.#mappings.admits(mapping, remote, now)) return "nat-filtered";
    follow(mapping, packet);
    // A TCP mapping lives as long as its connection, whoever speaks (RFC 5382 §5).
    if (packet.protocol === IpProtocol.tcp) this.#mappings.refresh(mapping, remote, now);
    const before = this.#begin(hook, packet);
    packet.destination = mapping.inside;
    packet.destinationPort = mapping.insidePort;
    if (before !== undefined) this.#tellChanges(hook, packet, before, this.#cause(mapping, "inbound"));
    return "accept";
  }

  /** An error about a packet that went out: it belongs to whoever sent that (RFC 5508 §4.1). */
  #errorInward(hook: Hook, packet: Packet, quoted: Packet): HookVerdict {
    if (quoted.source !== this.external) return "accept";
    const mapping = this.#mappings.at(quoted.protocol, quoted.sourcePort, this.#now());
    if (mapping === undefined) return "accept";
    const before = this.#begin(hook, packet);
    const cause = before && this.#cause(mapping, "inbound");
    this.#words.set(mapping.inside, quoted.destination, portsOf(mapping.insidePort, quoted.destinationPort), 0);
    rewriteQuoted({ packet, hook, environment: { host: this.#host } }, this.#words, "source", cause);
    packet.destination = mapping.inside;
    if (before !== undefined && cause !== undefined) this.#tellChanges(hook, packet, before, cause);
    return "accept";
  }

  /** An error from inside about a packet that came in (RFC 5508 §4.2). */
  #errorOutward(hook: Hook, packet: Packet, quoted: Packet): HookVerdict {
    const { protocol } = quoted;
    const inside = { address: quoted.destination, port: quoted.destinationPort };
    const remote = remoteOf(quoted.source, protocol, quoted.sourcePort);
    const mapping = this.#mappings.find(protocol, inside, remote, this.#now());
    if (mapping === undefined) return "nat-filtered";
    const before = this.#begin(hook, packet);
    const cause = before && this.#cause(mapping, "outbound");
    const isIcmp = protocol === IpProtocol.icmp;
    const [high, low] = isIcmp ? [mapping.outsidePort, 0] : [quoted.sourcePort, mapping.outsidePort];
    this.#words.set(quoted.source, this.external, portsOf(high, low), 0);
    rewriteQuoted({ packet, hook, environment: { host: this.#host } }, this.#words, "destination", cause);
    packet.source = this.external;
    if (before !== undefined && cause !== undefined) this.#tellChanges(hook, packet, before, cause);
    return "accept";
  }

  /** The packet that an ICMP error quotes; `undefined` when it is none, or quotes too little. */
  #errorAbout(packet: Packet): Packet | undefined {
    if (packet.protocol !== IpProtocol.icmp) return undefined;
    const at = packet.transport + ICMP_HEADER_LENGTH;
    if (packet.end - at < IPV4_HEADER_LENGTH + ICMP_HEADER_LENGTH) return undefined;
    const type = getU8(packet.bytes, packet.transport);
    const isError =
      type === IcmpType.unreachable || type === IcmpType.timeExceeded || type === IcmpType.parameterProblem;
    if (!isError) return undefined;
    const quoted = new Packet(packet.frame, at);
    return packet.end - quoted.transport < ICMP_HEADER_LENGTH ? undefined : quoted;
  }

  #now(): Time {
    return this.#host.clock.now();
  }

  /** With readers: says that the hook looks at the packet, and gives what it looks like. */
  #begin(hook: Hook, packet: Packet): ReturnType<Packet["summary"]> | undefined {
    if (!this.#host.events.active) return undefined;
    tellHook(this.#host, hook, packet, "");
    return packet.summary();
  }

  #cause(mapping: NatMapping, direction: Direction): RewriteCause {
    const { settings } = this.#mappings;
    const text = formatNatMapping(mapping, this.external, this.#now()).replace(/,.*/, "");
    return { kind: "mapping", mapping: `${text} (${settings.mapping} mapping)`, direction };
  }

  #tellChanges(hook: Hook, packet: Packet, before: ReturnType<Packet["summary"]>, cause: RewriteCause): void {
    const now = packet.summary();
    for (const field of ["source", "sourcePort", "destination", "destinationPort"] as const) {
      const [from, to] = [before[field], now[field]];
      if (from !== to) tell(this.#host, packet, { kind: "rewritten", hook, field, from, to, cause });
    }
  }
}

/** ICMP's echoes have an identifier at one end only. */
function remoteOf(address: Ipv4Address, protocol: number, port: number): NatEnd {
  return { address: ipv4(address), port: protocol === IpProtocol.icmp ? 0 : port };
}

function isTranslated(packet: Packet, direction: Direction): boolean {
  if (packet.protocol !== IpProtocol.icmp)
    return packet.protocol === IpProtocol.tcp || packet.protocol === IpProtocol.udp;
  return (
    getU8(packet.bytes, packet.transport) === (direction === "outbound" ? IcmpType.echoRequest : IcmpType.echoReply)
  );
}

/** How far the TCP connection behind a mapping is: a SYN begins one, a FIN or reset ends it (RFC 5382 §5). */
function follow(mapping: NatMapping, packet: Packet): void {
  if (packet.protocol !== IpProtocol.tcp) return;
  const flags = getU8(packet.bytes, packet.transport + TCP_FLAGS);
  if ((flags & FIN_OR_RST) !== 0) mapping.phase = "closing";
  else if ((flags & SYN) !== 0) mapping.phase = "opening";
  else if (mapping.phase === "opening") mapping.phase = "open";
}

function portsOf(high: number, low: number): number {
  return (high << 16) | low;
}
