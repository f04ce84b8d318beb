import {
  ETHERNET_HEADER_LENGTH,
  EtherType,
  emitEthernet,
  type Hop,
  IcmpType,
  type Interface,
  type InterfaceAddress,
  IPV4_HEADER_LENGTH,
  IpProtocol,
  type Ipv4Address,
  ipv4Fault,
  type MacAddress,
  Packet,
  type Stack,
  UnreachableCode,
  ZERO_MAC,
} from "../netstack/index.ts";
import type { Device, Frame, FrameHandler } from "../sim/index.ts";

export interface IpipTunnelOptions {
  readonly stack: Stack;
  /** "tunl0" unless told, the name of Linux's device for it. */
  readonly name?: string;
  /** The outer source address; the one the host would choose towards the other end when left out. */
  readonly local?: Ipv4Address;
  /** Other ends whose packets are taken; any when left out, as tunl0 does. */
  readonly remotes?: readonly Ipv4Address[];
  /** Of packets inside: 1480 unless told. */
  readonly mtu?: number;
  readonly addresses?: readonly InterfaceAddress[];
}

/** What went through a tunnel. */
export interface TunnelCounters {
  encapsulated: number;
  decapsulated: number;
  /** Packets with DF that the path to the other end has no room for. */
  tooBig: number;
  /** Arrived from an end that is not among the remotes. */
  foreign: number;
}

/**
 * IP in IP (RFC 2003), as an interface of a host: a packet routed out of it leaves inside another one to the next hop its route names; packets of
 * protocol 4 for this host come in through it without their outer header. The outer header has its own TTL, takes over type of service and DF; a
 * narrower path is told to the inner sender with its next packet (RFC 2003 §5.1, the tunnel's soft state).
 */
export class IpipTunnel {
  readonly interface: Interface;
  readonly counters: TunnelCounters = { encapsulated: 0, decapsulated: 0, tooBig: 0, foreign: 0 };
  readonly #stack: Stack;
  readonly #local: Ipv4Address | undefined;
  readonly #remotes: ReadonlySet<Ipv4Address> | undefined;
  #handler: FrameHandler | undefined;

  constructor(options: IpipTunnelOptions) {
    const { stack, name = "tunl0", mtu = 1480, addresses = [] } = options;
    this.#stack = stack;
    this.#local = options.local;
    this.#remotes = options.remotes && new Set(options.remotes);
    const device: Device = {
      mtu,
      send: (frame) => this.#encapsulate(frame),
      onFrame: (handler) => {
        this.#handler = handler;
      },
    };
    this.interface = stack.addInterface({ name, device, mac: TUNNEL_MAC, addresses, resolves: false });
    stack.onProtocol(IpProtocol.ipip, (packet) => this.#decapsulate(packet));
  }

  /** The way through the tunnel to the end at `remote`. */
  hopTo(remote: Ipv4Address): Hop {
    return { out: this.interface, nextHop: remote, source: undefined };
  }

  #encapsulate(frame: Frame): void {
    const inner = frame.context;
    // Only the stack sends through this interface, and it leaves the packet with its frame.
    if (!(inner instanceof Packet)) return frame.release();
    const host = this.#stack.host;
    const remote =
      inner.route?.out === this.interface
        ? inner.route.nextHop
        : this.#stack.addressing.hop(inner.destination)?.nextHop;
    const source = remote === undefined ? undefined : (this.#local ?? this.#stack.addressing.sourceFor(remote));
    if (remote === undefined || source === undefined) return host.drop(inner, "no-route");
    const room = this.#stack.pathMtu(remote) - IPV4_HEADER_LENGTH;
    if (inner.dontFragment && inner.length > room) {
      this.counters.tooBig += 1;
      this.#stack.icmp.sendError(inner, IcmpType.unreachable, UnreachableCode.fragmentationNeeded, room);
      return host.drop(inner, "fragmentation-needed");
    }
    this.counters.encapsulated += 1;
    const outer = this.#stack.ip.create(
      {
        protocol: IpProtocol.ipip,
        source,
        destination: remote,
        dontFragment: inner.dontFragment,
        typeOfService: inner.typeOfService,
      },
      inner.length,
    );
    outer.bytes.set(inner.bytes.subarray(inner.ip, inner.end), outer.transport);
    outer.frame.lineage = frame.lineage;
    outer.frame.at = frame.at;
    if (host.events.active) host.emit(frame.lineage, { kind: "encapsulated", in: "ipip", source, destination: remote });
    frame.release();
    this.#stack.ip.send(outer);
  }

  #decapsulate(outer: Packet): void {
    const host = this.#stack.host;
    const { frame, transport, end, source, destination } = outer;
    if (this.#remotes !== undefined && !this.#remotes.has(source)) {
      this.counters.foreign += 1;
      return host.drop(outer, "no-listener");
    }
    const fault = ipv4Fault(outer.bytes, transport, end);
    if (fault !== undefined) return host.drop(outer, fault);
    if ((outer.typeOfService & ECN_BITS) !== 0 && !new Packet(frame, transport).mergeEcn(outer.typeOfService))
      return host.drop(outer, "tunnel-marked");
    this.counters.decapsulated += 1;
    if (host.events.active) host.emit(frame.lineage, { kind: "decapsulated", in: "ipip", source, destination });
    // The inner packet goes on in the same frame: what was the outer header makes room for an Ethernet header.
    frame.start = transport - ETHERNET_HEADER_LENGTH;
    frame.end = end;
    frame.context = undefined;
    emitEthernet({ destination: TUNNEL_MAC, source: TUNNEL_MAC, type: EtherType.ipv4 }, frame.bytes, frame.start);
    if (this.#handler === undefined) frame.release();
    else this.#handler(frame);
  }
}

/** A tunnel has no hardware address; frames on it carry zeros in captures. */
/** Of the type of service (RFC 3168 §5). */
const ECN_BITS = 3;
const TUNNEL_MAC: MacAddress = ZERO_MAC;
