import { formatIpv4, IpProtocol, type Ipv4Address } from "../netstack/index.ts";
import { after, between, type Draws, type Duration, seconds, type Time, toSeconds } from "../sim/index.ts";
import { behaviourKey, type NatSettings } from "./nat-behaviour.ts";

/** What a mapping belongs to, and what it is. */
export interface NatMapping {
  readonly protocol: number;
  readonly inside: Ipv4Address;
  /** Ports are echo identifiers in ICMP. */
  readonly insidePort: number;
  readonly outsidePort: number;
  /** {@link behaviourKey} of whom it was made for. */
  readonly key: number;
  expires: Time;
  /** Of TCP: how far the connection is. */
  phase: "opening" | "open" | "closing";
  /** Who may send in, by {@link behaviourKey}, and until when. */
  readonly permits: Map<number, Time>;
}

/** Either end of a packet, as the table is asked. */
export interface NatEnd {
  readonly address: Ipv4Address;
  readonly port: number;
}

/** No more mappings than a protocol has ports; more than this many correspondents of one mapping push out the oldest. */
const MOST_PERMITS = 1024;
/** Ports below are for services (RFC 4787 §4.2.2 asks that they are not given away). */
const FIRST_PORT = 1024;
const LAST_PORT = 65535;
/** RFC 5382 §5: two hours and four minutes for open connections, four minutes for others. */
const TCP_OPEN = seconds(7440);
const TCP_TRANSITORY = seconds(240);
/** RFC 5508 §3.2. */
const ICMP_QUERY = seconds(60);

const NAMES: Readonly<Record<number, string>> = {
  [IpProtocol.icmp]: "icmp",
  [IpProtocol.tcp]: "tcp",
  [IpProtocol.udp]: "udp",
};

/** The table of a {@link NatGateway}: mappings by their inside end and by their outside port. Entries end when they are next looked at. */
export class NatMappings {
  readonly settings: NatSettings;
  readonly #random: Draws;
  readonly #inside = new Map<number, Map<number, NatMapping>>();
  readonly #outside = new Map<number, NatMapping>();

  constructor(settings: NatSettings, random: Draws) {
    this.settings = settings;
    this.#random = random;
  }

  /** The mapping by which `inside` speaks to `remote`, if there is one. */
  find(protocol: number, inside: NatEnd, remote: NatEnd, now: Time): NatMapping | undefined {
    const key = behaviourKey(this.settings.mapping, remote.address, remote.port);
    return this.#alive(this.#inside.get(endKey(protocol, inside.address, inside.port))?.get(key), now);
  }

  /** The mapping of an outside port. */
  at(protocol: number, outsidePort: number, now: Time): NatMapping | undefined {
    return this.#alive(this.#outside.get(portKey(protocol, outsidePort)), now);
  }

  /** Makes a mapping; `undefined` when every port is taken. */
  add(protocol: number, inside: NatEnd, remote: NatEnd, now: Time): NatMapping | undefined {
    const outsidePort = this.#freePort(protocol, inside.port, now);
    if (outsidePort === undefined) return undefined;
    const mapping: NatMapping = {
      protocol,
      inside: inside.address,
      insidePort: inside.port,
      outsidePort,
      key: behaviourKey(this.settings.mapping, remote.address, remote.port),
      expires: now,
      phase: "opening",
      permits: new Map(),
    };
    const end = endKey(protocol, inside.address, inside.port);
    const others = this.#inside.get(end) ?? new Map<number, NatMapping>();
    this.#inside.set(end, others.set(mapping.key, mapping));
    this.#outside.set(portKey(protocol, outsidePort), mapping);
    return mapping;
  }

  /** Keeps a mapping alive and lets `remote` answer: what a packet from inside does (RFC 4787 §4.3). */
  refresh(mapping: NatMapping, remote: NatEnd, now: Time): void {
    const until = after(now, this.#lifetime(mapping));
    mapping.expires = until;
    const key = behaviourKey(this.settings.filtering, remote.address, remote.port);
    mapping.permits.delete(key);
    mapping.permits.set(key, until);
    if (mapping.permits.size <= MOST_PERMITS) return;
    for (const oldest of mapping.permits.keys()) {
      mapping.permits.delete(oldest);
      return;
    }
  }

  /** May `remote` send in through the mapping? */
  admits(mapping: NatMapping, remote: NatEnd, now: Time): boolean {
    const until = mapping.permits.get(behaviourKey(this.settings.filtering, remote.address, remote.port));
    return until !== undefined && until > now;
  }

  /** The mappings that are alive, in the order in which they were made. */
  list(now: Time): NatMapping[] {
    return [...this.#outside.values()].filter(({ expires }) => expires > now);
  }

  #lifetime({ protocol, phase }: NatMapping): Duration {
    if (protocol === IpProtocol.udp) return seconds(this.settings.timeoutSeconds);
    if (protocol === IpProtocol.icmp) return ICMP_QUERY;
    return phase === "open" ? TCP_OPEN : TCP_TRANSITORY;
  }

  #alive(mapping: NatMapping | undefined, now: Time): NatMapping | undefined {
    if (mapping === undefined || mapping.expires > now) return mapping;
    this.#remove(mapping);
    return undefined;
  }

  #remove(mapping: NatMapping): void {
    const { protocol, inside, insidePort, outsidePort, key } = mapping;
    const end = endKey(protocol, inside, insidePort);
    this.#outside.delete(portKey(protocol, outsidePort));
    const others = this.#inside.get(end);
    others?.delete(key);
    if (others?.size === 0) this.#inside.delete(end);
  }

  /** The inside port where it may stay and is free, else the first free one from a drawn one on. */
  #freePort(protocol: number, wanted: number, now: Time): number | undefined {
    if (this.settings.portPreservation && wanted > 0 && this.at(protocol, wanted, now) === undefined) return wanted;
    const count = LAST_PORT - FIRST_PORT + 1;
    const offset = this.#random.below(count);
    for (let i = 0; i < count; i++) {
      const port = FIRST_PORT + ((offset + i) % count);
      if (port !== wanted && this.at(protocol, port, now) === undefined) return port;
    }
    return undefined;
  }
}

/** `udp 192.168.1.10:5000 -> 203.0.113.7:5000, 300 s left` */
export function formatNatMapping(mapping: NatMapping, external: Ipv4Address, now: Time): string {
  const { protocol, inside, insidePort, outsidePort, expires } = mapping;
  const left = Math.floor(toSeconds(between(now, expires)));
  const inner = `${formatIpv4(inside)}:${insidePort}`;
  return `${NAMES[protocol] ?? protocol} ${inner} -> ${formatIpv4(external)}:${outsidePort}, ${left} s left`;
}

function endKey(protocol: number, address: number, port: number): number {
  return (address * 65536 + port) * 4 + protocolNumber(protocol);
}

function portKey(protocol: number, port: number): number {
  return port * 4 + protocolNumber(protocol);
}

/** Two bits for the three protocols that are translated. */
function protocolNumber(protocol: number): number {
  return protocol === IpProtocol.tcp ? 0 : protocol === IpProtocol.udp ? 1 : 2;
}
