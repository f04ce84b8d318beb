import { after, assert, type Frame, us } from "../sim/index.ts";
import type { Addressing, Hop } from "./addressing.ts";
import { finishChecksum, sumData } from "./checksum.ts";
import type { HostContext } from "./context.ts";
import type { DropReason } from "./drop.ts";
import { fragment, needsFragmenting } from "./fragment.ts";
import type { Hook, PacketHook } from "./hooks.ts";
import { IdentificationSource } from "./identification.ts";
import type { Interface } from "./interface.ts";
import {
  ANY_ADDRESS,
  type Ipv4Address,
  isLoopback,
  isMulticast,
  isZeroNet,
  LIMITED_BROADCAST,
} from "./ipv4-address.ts";
import { Packet } from "./packet.ts";
import { Reassembler } from "./reassembly.ts";
import { cutTrainPacket } from "./segment-train.ts";
import type { SegmentTrain } from "./tcp/index.ts";
import { ETHERNET_HEADER_LENGTH } from "./wire/ethernet.ts";
import { IcmpType, TimeExceededCode, UnreachableCode } from "./wire/icmp.ts";
import { emitIpv4Header, IPV4_HEADER_LENGTH, setIpv4Checksum } from "./wire/ipv4.ts";

/** What {@link IpLayer} needs of its neighbours in the stack. */
export interface IpNeighbours {
  /** Hands a packet to the link layer. */
  transmit(packet: Packet, out: Interface, nextHop: Ipv4Address): void;
  /** Takes a packet for this host; false when nobody knows its protocol. */
  deliver(packet: Packet): boolean;
  /** What is known of the path's MTU, at most `mtu`. */
  pathMtu(destination: Ipv4Address, mtu: number): number;
  icmpError(about: Packet, type: number, code: number, rest?: number): void;
}

/** What a layer above asks to be sent. */
export interface DatagramHeader {
  readonly protocol: number;
  readonly source: Ipv4Address;
  readonly destination: Ipv4Address;
  readonly dontFragment: boolean;
  /** `undefined` leaves it to the host: 0 with DF, else a counter per destination, as `ip_select_ident` does. */
  readonly identification?: number;
  readonly ttl?: number;
  readonly typeOfService?: number;
}

/** How long a packet that begins a connection is on a CPU, where several share the work. */
const CPU_TIME = us(20);

/** IPv4 in the order of Linux's net/ipv4/ip_input.c, ip_forward.c and ip_output.c, with the five hooks in their places. */
export class IpLayer {
  hook: PacketHook | undefined;
  readonly #host: HostContext;
  readonly #addressing: Addressing;
  readonly #below: IpNeighbours;
  readonly #identifications: IdentificationSource;
  readonly #reassembler: Reassembler;
  /** Packets that other CPUs have. */
  #elsewhere = 0;

  constructor(host: HostContext, addressing: Addressing, below: IpNeighbours) {
    this.#host = host;
    this.#addressing = addressing;
    this.#below = below;
    this.#identifications = new IdentificationSource(host.random.fork("ip-id"));
    this.#reassembler = new Reassembler(host.clock, host.frames, {
      drop: (packet, reason) => host.drop(packet, reason),
      timedOut: (first) => this.#reassemblyTimedOut(first),
    });
  }

  /** A packet whose header was found sound came in through `packet.in`. */
  receive(packet: Packet): void {
    const seen = packet.prerouted ? packet : this.prerouting(packet);
    if (seen !== undefined) this.routeInput(seen);
  }

  /** Defragments if the hook wants datagrams and runs "prerouting"; `undefined` when the packet ended or waits for its other pieces. */
  prerouting(packet: Packet): Packet | undefined {
    const whole = this.hook?.wantsDatagrams && packet.isFragment ? this.#reassemble(packet) : packet;
    if (whole === undefined) return undefined;
    return this.runHook("prerouting", whole) ? whole : undefined;
  }

  /** Runs one hook; false when it ended the packet. */
  runHook(hook: Hook, packet: Packet): boolean {
    if (this.hook === undefined) return true;
    const verdict = this.hook.run(hook, packet);
    if (verdict === "accept") return true;
    this.#host.drop(packet, verdict);
    return false;
  }

  /** The way on after "prerouting": to this host, or forwarding. */
  routeInput(packet: Packet): void {
    const fault = this.#martian(packet);
    if (fault !== undefined) return this.#host.drop(packet, fault);
    if (packet.route !== undefined) return this.#forward(packet);
    const { destination } = packet;
    const known = this.#addressing.destination(destination);
    if (known.isLocal || known.isBroadcast || isMulticast(destination)) return this.#deliver(packet);
    if (!this.#host.sysctls.forwarding) return this.#host.drop(packet, "forwarding-off");
    this.#forward(packet);
  }

  /** Makes a packet, or a train of segments, with room for `length` bytes behind its header, to be filled in and given to {@link send}. */
  create(header: DatagramHeader, length: number, train?: SegmentTrain): Packet {
    const total = IPV4_HEADER_LENGTH + length;
    const { frames } = this.#host;
    const size = ETHERNET_HEADER_LENGTH + total;
    const frame = train === undefined ? frames.create(size) : frames.createTrain(size, train.count, train.size);
    frame.at = this.#host.now();
    const ip = frame.start + ETHERNET_HEADER_LENGTH;
    const identification = header.identification ?? (header.dontFragment ? 0 : this.#identifications.next(header));
    emitIpv4Header(
      {
        headerLength: IPV4_HEADER_LENGTH,
        typeOfService: header.typeOfService ?? 0,
        totalLength: total,
        identification,
        dontFragment: header.dontFragment,
        moreFragments: false,
        fragmentOffset: 0,
        ttl: header.ttl ?? this.#host.sysctls.defaultTtl,
        protocol: header.protocol,
        checksum: 0,
        source: header.source,
        destination: header.destination,
      },
      frame.bytes,
      ip,
    );
    setIpv4Checksum(frame.bytes, ip, finishChecksum(sumData(frame.data, ip, ip + IPV4_HEADER_LENGTH, 0)));
    return new Packet(frame, ip);
  }

  /** Sends a packet of this host: "output", routing again if that changed where it goes, "postrouting", and out. */
  send(packet: Packet): void {
    const first = this.#addressing.hop(packet.destination);
    if (first === undefined) return this.#host.drop(packet, "no-route");
    packet.out = first.out;
    this.#routed(packet, first);
    const { destination, mark } = packet;
    if (!this.runHook("output", packet)) return;
    const changed = packet.destination !== destination || packet.mark !== mark;
    const hop = changed ? this.#addressing.hop(packet.destination) : first;
    if (hop === undefined) return this.#host.drop(packet, "no-route");
    if (changed) this.#routed(packet, hop);
    this.#output(packet, hop, this.#below.pathMtu(packet.destination, hop.out.mtu));
  }

  /** A host cuts its own packets to the path's MTU, those of others to the interface's (net.ipv4.ip_forward_use_pmtu). */
  #output(packet: Packet, hop: Hop, mtu: number = hop.out.mtu): void {
    packet.out = hop.out;
    if (this.runHook("postrouting", packet)) this.#transmit(packet, hop, mtu);
  }

  #transmit(packet: Packet, hop: Hop, mtu: number): void {
    if (!needsFragmenting(packet, mtu)) return this.#below.transmit(packet, hop.out, hop.nextHop);
    if (packet.frame.segments > 1) {
      for (const segment of cutTrainPacket(packet, this.#host.frames)) this.#transmit(segment, hop, mtu);
      return;
    }
    if (packet.dontFragment && packet.length > mtu && packet.fragments === undefined) {
      this.#below.icmpError(packet, IcmpType.unreachable, UnreachableCode.fragmentationNeeded, mtu);
      return this.#host.drop(packet, "fragmentation-needed");
    }
    for (const piece of this.cut(packet, mtu)) this.#below.transmit(piece, hop.out, hop.nextHop);
  }

  /** Fragments `packet`, or gives back the pieces it was reassembled from. */
  cut(packet: Packet, mtu: number): readonly Packet[] {
    const pieces = fragment(packet, mtu, this.#host.frames);
    if (this.#host.events.active) this.#host.emit(packet.lineage, { kind: "fragmented", into: pieces.length });
    return pieces;
  }

  #deliver(packet: Packet): void {
    const whole = packet.isFragment ? this.#reassemble(packet) : packet;
    if (whole === undefined) return;
    const { destination } = whole;
    if (!this.runHook("input", whole)) return;
    // A virtual server sent it on (`ip_vs_nat_xmit`, net/netfilter/ipvs/ip_vs_xmit.c).
    if (whole.destination !== destination) return this.#forward(whole);
    if (!this.#below.deliver(whole)) {
      this.#below.icmpError(whole, IcmpType.unreachable, UnreachableCode.protocol);
      this.#host.drop(whole, "unknown-protocol");
    }
  }

  /** `ip_forward`: TTL and MTU are looked at before the FORWARD hook. */
  #forward(packet: Packet): void {
    const hop = packet.route ?? this.#addressing.hop(packet.destination);
    if (hop === undefined) {
      this.#below.icmpError(packet, IcmpType.unreachable, UnreachableCode.network);
      return this.#host.drop(packet, "no-route");
    }
    if (packet.ttl <= 1) {
      this.#below.icmpError(packet, IcmpType.timeExceeded, TimeExceededCode.ttl);
      return this.#host.drop(packet, "ttl-expired");
    }
    if (packet.dontFragment && packet.longestOnWire > hop.out.mtu) {
      if (packet.frame.segments > 1) return this.#forwardSegments(packet);
      this.#below.icmpError(packet, IcmpType.unreachable, UnreachableCode.fragmentationNeeded, hop.out.mtu);
      return this.#host.drop(packet, "fragmentation-needed");
    }
    packet.out = hop.out;
    this.#routed(packet, hop);
    this.#decrementTtl(packet);
    if (!this.runHook("forward", packet)) return;
    if (this.#elsewhere < this.#host.cpus - 1 && this.hook?.isUnsettled?.(packet))
      return this.#outputLater(packet, hop);
    this.#output(packet, hop);
  }

  /** Each segment of a train is refused by itself. */
  #forwardSegments(train: Packet): void {
    for (const segment of cutTrainPacket(train, this.#host.frames)) this.#forward(segment);
  }

  /** Another CPU has the packet: what comes in meanwhile goes past it. */
  #outputLater(packet: Packet, hop: Hop): void {
    const { clock } = this.#host;
    this.#elsewhere += 1;
    const timer = clock.timer(() => {
      this.#elsewhere -= 1;
      this.#output(packet, hop);
    }, "protocol");
    timer.set(after(clock.now(), CPU_TIME));
  }

  #decrementTtl(packet: Packet): void {
    const from = packet.ttl;
    packet.ttl = from - 1;
    if (!this.#host.events.active) return;
    const cause = { kind: "forwarding" } as const;
    this.#host.emit(packet.lineage, { kind: "rewritten", hook: "forward", field: "ttl", from, to: from - 1, cause });
  }

  /** `ip_route_input_slow` and `fib_validate_source` (net/ipv4): addresses that cannot have come this way. */
  #martian(packet: Packet): DropReason | undefined {
    const { source, destination } = packet;
    const through = packet.in;
    assert(through !== undefined, "a received packet has an interface");
    if (!through.resolves && isLoopback(source)) return undefined;
    if (isMulticast(source) || source === LIMITED_BROADCAST) return "martian-source";
    if (isZeroNet(source) && !(source === ANY_ADDRESS && destination === LIMITED_BROADCAST)) return "martian-source";
    if (isZeroNet(destination)) return "martian-destination";
    if (!through.resolves) return undefined;
    if (!this.#host.sysctls.routeLocalnet) {
      if (isLoopback(source)) return "martian-source";
      if (isLoopback(destination)) return "martian-destination";
    }
    if (this.#addressing.isLocal(source) && !this.#host.sysctls.acceptLocal) return "martian-source";
    const filter = this.#host.sysctls.reversePathFilter;
    if (filter === "off" || this.#addressing.isReachable(source, filter === "strict" ? through : undefined))
      return undefined;
    return "reverse-path-filter";
  }

  #reassemble(packet: Packet): Packet | undefined {
    const whole = this.#reassembler.add(packet);
    if (whole !== undefined && this.#host.events.active) {
      this.#host.emit(whole.lineage, { kind: "reassembled", from: whole.fragments?.length ?? 0 });
    }
    return whole;
  }

  /** A forwarding host keeps quiet about datagrams it only put together for its hooks (`ip_expire`, net/ipv4/ip_fragment.c). */
  #reassemblyTimedOut(first: Packet): void {
    if (!this.#addressing.isLocal(first.destination)) return;
    this.#below.icmpError(first, IcmpType.timeExceeded, TimeExceededCode.reassembly);
  }

  #routed(packet: Packet, hop: Hop): void {
    if (!this.#host.events.active) return;
    const { out, nextHop } = hop;
    const direct = nextHop === packet.destination;
    this.#host.emit(packet.lineage, {
      kind: "routed",
      destination: packet.destination,
      out: out.name,
      nextHop: direct ? undefined : nextHop,
    });
  }
}

/** Makes a packet of the IPv4 bytes that follow a frame's Ethernet header. The header must have been found sound. */
export function packetOf(frame: Frame, ip: number, through: Interface): Packet {
  const packet = new Packet(frame, ip);
  packet.in = through;
  return packet;
}
