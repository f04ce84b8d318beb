import { after, BOX_TIME, type Frame } from "../sim/index.ts";
import type { Addressing } from "./addressing.ts";
import type { HostContext } from "./context.ts";
import type { Interface } from "./interface.ts";
import { ANY_ADDRESS, type Ipv4Address, isLoopback, isMulticast } from "./ipv4-address.ts";
import { BROADCAST_MAC, getMac, isGroupMac, type MacAddress, mac, ZERO_MAC } from "./mac.ts";
import { NeighbourTable } from "./neighbour.ts";
import { Packet } from "./packet.ts";
import { sendThrough } from "./segment-train.ts";
import { ARP_LENGTH, ArpOperation, type ArpPacket, emitArp, parseArp } from "./wire/arp.ts";
import { ETHERNET_HEADER_LENGTH, EtherType, emitEthernet, ethernetType } from "./wire/ethernet.ts";
import { IcmpType, UnreachableCode } from "./wire/icmp.ts";
import { ipv4Fault } from "./wire/ipv4.ts";

export interface LinkLayerNeighbours {
  receive(packet: Packet): void;
  icmpError(about: Packet, type: number, code: number): void;
}

/** Ethernet and ARP of one host: frames in and out of its interfaces, and neighbours found for packets. */
export class LinkLayer {
  readonly neighbours: NeighbourTable;
  readonly #host: HostContext;
  readonly #addressing: Addressing;
  readonly #above: LinkLayerNeighbours;
  /** Addresses of others that this host answers for (`ip neigh add proxy`), by interface. */
  readonly #proxied = new Map<Interface, Set<Ipv4Address>>();

  constructor(host: HostContext, addressing: Addressing, above: LinkLayerNeighbours) {
    this.#host = host;
    this.#addressing = addressing;
    this.#above = above;
    this.neighbours = new NeighbourTable(host.clock, host.random.fork("neighbours"), {
      request: (on, address, to) => this.#request(on, address, to),
      resolved: (packet, on, to) => this.#sendTo(packet, on, to),
      unresolved: (packet, why) => {
        if (why === "neighbour-unreachable") this.#above.icmpError(packet, IcmpType.unreachable, UnreachableCode.host);
        this.#host.drop(packet, why);
      },
    });
  }

  /** Takes a frame that arrived at `through`. */
  receive(through: Interface, frame: Frame): void {
    this.#host.follow(frame);
    if (this.#host.events.active) {
      this.#host.emit(frame.lineage, { kind: "arrived", interface: through.name, bytes: frame.view() });
    }
    if (!through.up) return this.#host.drop(frame, "interface-down");
    if (frame.length < ETHERNET_HEADER_LENGTH) return this.#host.drop(frame, "ethernet-truncated");
    const destination = getMac(frame.bytes, frame.start);
    const mine = destination === through.mac || isGroupMac(destination) || !through.resolves;
    if (!mine) return this.#host.drop(frame, "other-host");
    const at = frame.start + ETHERNET_HEADER_LENGTH;
    const type = ethernetType(frame.bytes, frame.start);
    if (type === EtherType.ipv4) return this.#receiveIp(through, frame, at);
    if (type === EtherType.arp) return this.#receiveArp(through, frame, at);
    const tagged = type === EtherType.vlan || type === EtherType.serviceVlan;
    this.#host.drop(frame, tagged ? "vlan-not-configured" : "unknown-ethertype");
  }

  /** Sends `packet` to the neighbour `nextHop`, as soon as its hardware address is known. */
  transmit(packet: Packet, out: Interface, nextHop: Ipv4Address): void {
    if (!out.up) return this.#host.drop(packet, "interface-down");
    const to = this.#hardwareAddress(packet, out, nextHop);
    if (to !== undefined) return this.#sendTo(packet, out, to);
    if (this.#host.events.active) {
      this.#host.emit(packet.lineage, { kind: "queued", interface: out.name, nextHop, for: "arp" });
    }
  }

  /** Tells the network who has `address`, unasked (RFC 5227 §2.3): gratuitous ARP. */
  announce(on: Interface, address: Ipv4Address): void {
    this.#sendArp(on, BROADCAST_MAC, {
      operation: ArpOperation.request,
      senderMac: on.mac,
      senderIp: address,
      targetMac: ZERO_MAC,
      targetIp: address,
    });
  }

  /** Answers ARP requests for `address` on an interface although the host does not have it, until {@link answerNoMoreFor}. */
  answerFor(on: Interface, address: Ipv4Address): void {
    const addresses = this.#proxied.get(on) ?? new Set();
    this.#proxied.set(on, addresses.add(address));
  }

  answerNoMoreFor(on: Interface, address: Ipv4Address): void {
    this.#proxied.get(on)?.delete(address);
  }

  #hardwareAddress(packet: Packet, out: Interface, nextHop: Ipv4Address): MacAddress | undefined {
    if (!out.resolves) return out.mac;
    const usable = this.neighbours.usable(out, nextHop);
    if (usable !== undefined) return usable;
    if (this.#addressing.isBroadcast(nextHop)) return BROADCAST_MAC;
    // RFC 1112 §6.4: 01:00:5e and the low 23 bits.
    if (isMulticast(nextHop)) return mac(0x01005e000000 + (nextHop & 0x7fffff));
    return this.neighbours.resolve(out, nextHop, packet);
  }

  #receiveIp(through: Interface, frame: Frame, ip: number): void {
    const known = frame.context;
    if (known instanceof Packet) return this.#receiveKnown(known, through);
    const fault = ipv4Fault(frame.bytes, ip, frame.end, frame.data);
    if (fault !== undefined) return this.#host.drop(frame, fault);
    const packet = new Packet(frame, ip);
    packet.in = through;
    this.#above.receive(packet);
  }

  /** A packet that comes back through the loopback device, or up from a bridge, keeps its mark and its connection, as an skb does. */
  #receiveKnown(packet: Packet, through: Interface): void {
    packet.frame.context = undefined;
    packet.in = through;
    packet.out = undefined;
    packet.physIn = undefined;
    this.#above.receive(packet);
  }

  #sendTo(packet: Packet, out: Interface, destination: MacAddress): void {
    const frame = packet.frame;
    frame.start = packet.ip - ETHERNET_HEADER_LENGTH;
    frame.end = packet.end;
    emitEthernet({ destination, source: out.mac, type: EtherType.ipv4 }, frame.bytes, frame.start);
    frame.context = packet;
    this.#send(frame, out);
  }

  #send(frame: Frame, out: Interface): void {
    this.#host.follow(frame);
    frame.at = after(frame.at, BOX_TIME);
    if (this.#host.events.active) {
      const { time, lineage, bytes } = { time: frame.at, lineage: frame.lineage, bytes: frame.view() };
      this.#host.events.emit({ time, node: this.#host.name, lineage, kind: "sent", interface: out.name, bytes });
    }
    sendThrough(out.device, frame, this.#host.frames);
  }

  #receiveArp(through: Interface, frame: Frame, at: number): void {
    const arp = parseArp(frame.bytes, at, frame.end);
    if (arp === undefined) return this.#host.drop(frame, "arp-malformed");
    const forUs = this.#addressing.isLocal(arp.targetIp) && !isLoopback(arp.targetIp);
    const gratuitous = arp.senderIp === arp.targetIp;
    const proxied = this.#proxied.get(through)?.has(arp.targetIp) === true;
    if (arp.operation === ArpOperation.request && (forUs || proxied) && !gratuitous) this.#answer(through, arp);
    if (arp.senderIp !== ANY_ADDRESS && !this.#addressing.isLocal(arp.senderIp)) {
      const answer = arp.operation === ArpOperation.reply && forUs;
      this.neighbours.learn(through, arp.senderIp, arp.senderMac, { answer, create: forUs && !gratuitous });
    }
    frame.release();
  }

  /** arp_ignore is 0, as by default: a host answers for any of its addresses on any interface. */
  #answer(on: Interface, request: ArpPacket): void {
    this.#sendArp(on, request.senderMac, {
      operation: ArpOperation.reply,
      senderMac: on.mac,
      senderIp: request.targetIp,
      targetMac: request.senderMac,
      targetIp: request.senderIp,
    });
  }

  #request(on: Interface, address: Ipv4Address, to: MacAddress | undefined): void {
    const senderIp = this.#addressing.selectAddress(on, address) ?? ANY_ADDRESS;
    const request = {
      operation: ArpOperation.request,
      senderMac: on.mac,
      senderIp,
      targetMac: ZERO_MAC,
      targetIp: address,
    };
    this.#sendArp(on, to ?? BROADCAST_MAC, request);
  }

  #sendArp(on: Interface, destination: MacAddress, arp: ArpPacket): void {
    if (!on.up) return;
    const frame = this.#host.frames.create(ETHERNET_HEADER_LENGTH + ARP_LENGTH);
    frame.at = this.#host.now();
    emitEthernet({ destination, source: on.mac, type: EtherType.arp }, frame.bytes, frame.start);
    emitArp(arp, frame.bytes, frame.start + ETHERNET_HEADER_LENGTH);
    this.#send(frame, on);
  }
}
