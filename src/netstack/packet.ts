import type { Frame } from "../sim/index.ts";
import type { Hop } from "./addressing.ts";
import { getU8, getU16, setU8, setU16 } from "./bytes.ts";
import {
  applyChange,
  change16,
  change32,
  finishChecksum,
  sumData,
  sumPseudoHeader,
  updateChecksum,
} from "./checksum.ts";
import type { PacketSummary } from "./events.ts";
import type { Interface } from "./interface.ts";
import { type Ipv4Address, ipv4 } from "./ipv4-address.ts";
import { ETHERNET_HEADER_LENGTH } from "./wire/ethernet.ts";
import { ICMP_HEADER_LENGTH, IcmpType } from "./wire/icmp.ts";
import { IpProtocol } from "./wire/ipv4.ts";
import { TCP_HEADER_LENGTH, tcpHeaderLength } from "./wire/tcp.ts";
import { UDP_HEADER_LENGTH } from "./wire/udp.ts";

/** Offsets within the IPv4 header that rewriting needs; wire/ipv4.ts has them all. */
const IP_TOS = 1;
/** The low bits of the type of service (RFC 3168 §5). */
const ECN_BITS = 3;
const ECN_NOT_CAPABLE = 0;
const ECN_ECT_1 = 1;
const ECN_ECT_0 = 2;
const ECN_MARKED = 3;
const IP_LENGTH = 2;
const IP_ID = 4;
const IP_FRAGMENT = 6;
const IP_TTL = 8;
const IP_PROTOCOL = 9;
const IP_CHECKSUM = 10;
const IP_SOURCE = 12;
const IP_DESTINATION = 16;
const TCP_CHECKSUM = 16;
const UDP_CHECKSUM = 6;
const ICMP_CHECKSUM = 2;
const ICMP_IDENTIFIER = 4;
const NO_FIELD = -1;

/**
 * An IPv4 packet on its way through a host: a mutable view over a frame's bytes, with what the host knows about it. Setters change the
 * bytes in place and patch the IP and transport checksums by RFC 1624; every other byte stays as the sender wrote it. Later fragments have
 * no transport header: their ports read 0 and setting them has no effect.
 */
export class Packet {
  readonly frame: Frame;
  /** The frame's buffer. */
  readonly bytes: Uint8Array;
  /** True once a bridge of this host has run "prerouting" on it: it is not run again when the bridge hands the packet up. */
  prerouted = false;
  /** Where the IP header begins in the frame's buffer. */
  readonly ip: number;
  /** Where the transport header begins. */
  readonly transport: number;
  /** Where the IP packet ends: padding of the frame lies behind. */
  end: number;
  in: Interface | undefined;
  out: Interface | undefined;
  /** The bridge ports it came and will leave through, while it passes a bridge. */
  physIn: string | undefined;
  physOut: string | undefined;
  /** skb->mark: lives as long as the packet stays in this host. */
  mark = 0;
  /** Where a hook in "prerouting" sends it instead of where its destination belongs, even one of this host's own: `skb_dst_set`. */
  route: Hop | undefined;
  /** Whatever the host's hook keeps with the packet; conntrack's entry. */
  tracking: unknown;
  /** How the datagram was cut before it was reassembled for the hooks: the pieces' payload lengths, in order. */
  fragments: readonly number[] | undefined;

  constructor(frame: Frame, ip: number) {
    const { bytes } = frame;
    this.frame = frame;
    this.bytes = bytes;
    this.ip = ip;
    this.transport = ip + (getU8(bytes, ip) & 15) * 4;
    this.end = ip + getU16(bytes, ip + 2);
  }

  /** Of the IP packet, header included. */
  get length(): number {
    return this.end - this.ip;
  }

  get lineage(): number {
    return this.frame.lineage;
  }

  /** Length of the longest packet that this one is on the wire: of a train's segments, or of the fragments it was put together from. */
  get longestOnWire(): number {
    const headers = this.transport - this.ip;
    if (this.fragments !== undefined) return headers + Math.max(...this.fragments);
    const { segments, segmentSize } = this.frame;
    return segments === 1 ? this.length : headers + tcpHeaderLength(this.bytes, this.transport) + segmentSize;
  }

  /** Bytes of all packets that this one is on the wire: a train's headers count once a segment. */
  get bytesOnWire(): number {
    const { segments } = this.frame;
    if (segments === 1) return this.length;
    const headers = this.transport - this.ip + tcpHeaderLength(this.bytes, this.transport);
    return this.length + (segments - 1) * headers;
  }

  get source(): Ipv4Address {
    return ipv4(this.frame.data.getUint32(this.ip + IP_SOURCE));
  }

  get destination(): Ipv4Address {
    return ipv4(this.frame.data.getUint32(this.ip + IP_DESTINATION));
  }

  get protocol(): number {
    return getU8(this.bytes, this.ip + IP_PROTOCOL);
  }

  get ttl(): number {
    return getU8(this.bytes, this.ip + IP_TTL);
  }

  get typeOfService(): number {
    return getU8(this.bytes, this.ip + IP_TOS);
  }

  get identification(): number {
    return getU16(this.bytes, this.ip + IP_ID);
  }

  get dontFragment(): boolean {
    return (getU16(this.bytes, this.ip + IP_FRAGMENT) & 0x4000) !== 0;
  }

  /** True for every piece of a fragmented datagram. */
  get isFragment(): boolean {
    return (getU16(this.bytes, this.ip + IP_FRAGMENT) & 0x3fff) !== 0;
  }

  /** True for the pieces that do not hold the transport header. */
  get isLaterFragment(): boolean {
    return (getU16(this.bytes, this.ip + IP_FRAGMENT) & 0x1fff) !== 0;
  }

  /** TCP's or UDP's source port, or an ICMP echo request's identifier; 0 where there is none. */
  get sourcePort(): number {
    const field = this.#sourcePortField();
    return field === NO_FIELD ? 0 : getU16(this.bytes, field);
  }

  /** TCP's or UDP's destination port, or an ICMP echo reply's identifier; 0 where there is none. */
  get destinationPort(): number {
    const field = this.#destinationPortField();
    return field === NO_FIELD ? 0 : getU16(this.bytes, field);
  }

  set source(address: Ipv4Address) {
    this.#change(this.ip + IP_SOURCE, address, NO_FIELD, 0);
  }

  set destination(address: Ipv4Address) {
    this.#change(this.ip + IP_DESTINATION, address, NO_FIELD, 0);
  }

  set sourcePort(port: number) {
    this.#change(NO_FIELD, 0, this.#sourcePortField(), port);
  }

  set destinationPort(port: number) {
    this.#change(NO_FIELD, 0, this.#destinationPortField(), port);
  }

  /** Changes the source's address and, where there is one, its port. */
  setSource(address: Ipv4Address, port: number): void {
    this.#change(this.ip + IP_SOURCE, address, this.#sourcePortField(), port);
  }

  /** The same for the destination. */
  setDestination(address: Ipv4Address, port: number): void {
    this.#change(this.ip + IP_DESTINATION, address, this.#destinationPortField(), port);
  }

  /**
   * The checksum over pseudo-header and transport bytes up to `end`: 0 when the one in the packet is right, the one to write when that field is zeroed.
   */
  transportSum(end: number = this.end): number {
    const pseudo = sumPseudoHeader(this.source, this.destination, this.protocol, end - this.transport);
    return finishChecksum(sumData(this.frame.data, this.transport, end, pseudo));
  }

  /**
   * Whether the transport checksum over the bytes up to `end` is right. It is summed once on the packet's way: {@link Frame.sumKnownAt} notes that, and the
   * setters here, which patch it, leave it right.
   */
  isSumRight(end: number = this.end): boolean {
    const { frame, transport } = this;
    if (frame.sumKnownAt === transport || frame.segments > 1) return true;
    if (this.transportSum(end) !== 0) return false;
    frame.sumKnownAt = transport;
    return true;
  }

  set ttl(ttl: number) {
    const before = getU16(this.bytes, this.ip + IP_TTL);
    setU8(this.bytes, this.ip + IP_TTL, ttl);
    this.#patchIp(before, getU16(this.bytes, this.ip + IP_TTL));
  }

  /**
   * Takes over what a tunnel's outer header says of congestion (RFC 6040 §4.2, `INET_ECN_decapsulate`). False when the packet has to be dropped: it was marked, and its
   * ends would not understand a mark.
   */
  mergeEcn(outer: number): boolean {
    const before = getU16(this.bytes, this.ip);
    const [mark, own] = [outer & ECN_BITS, before & ECN_BITS];
    if (own === ECN_NOT_CAPABLE) return mark !== ECN_MARKED;
    if (mark !== ECN_MARKED && (mark !== ECN_ECT_1 || own !== ECN_ECT_0)) return true;
    setU16(this.bytes, this.ip, (before & ~ECN_BITS) | mark);
    this.#patchIp(before, getU16(this.bytes, this.ip));
    return true;
  }

  /** Makes the packet longer by `count` undefined bytes at `at`, and its IP header say so; the transport checksum is the caller's. False when its frame has no room. */
  insert(at: number, count: number): boolean {
    if (this.end + count > this.bytes.length) return false;
    this.frame.sumKnownAt = 0;
    this.bytes.copyWithin(at + count, at, this.end);
    const before = this.length;
    this.end += count;
    this.frame.end = Math.max(this.frame.end, this.end);
    setU16(this.bytes, this.ip + IP_LENGTH, this.length);
    this.#patchIp(before, this.length);
    return true;
  }

  /** A packet in `frame`, a part or a copy of this one, with what the host knows about it. */
  continuedIn(frame: Frame): Packet {
    const packet = new Packet(frame, frame.start + ETHERNET_HEADER_LENGTH);
    packet.prerouted = this.prerouted;
    packet.in = this.in;
    packet.out = this.out;
    packet.physIn = this.physIn;
    packet.physOut = this.physOut;
    packet.mark = this.mark;
    packet.route = this.route;
    packet.tracking = this.tracking;
    return packet;
  }

  /** Its addresses, ports and length, for an event. */
  summary(): PacketSummary {
    return {
      protocol: this.protocol,
      source: this.source,
      sourcePort: this.sourcePort,
      destination: this.destination,
      destinationPort: this.destinationPort,
    };
  }

  /** Writes an address, and a port, either of them where it is not {@link NO_FIELD}, and patches both checksums once. */
  #change(addressField: number, address: number, portField: number, port: number): void {
    const { bytes } = this;
    const { data } = this.frame;
    let change = 0;
    if (addressField !== NO_FIELD) {
      change = change32(data.getUint32(addressField), address);
      if (change !== 0) {
        data.setUint32(addressField, address);
        const ipChecksum = this.ip + IP_CHECKSUM;
        data.setUint16(ipChecksum, applyChange(data.getUint16(ipChecksum), change));
      }
    }
    const protocol = getU8(bytes, this.ip + IP_PROTOCOL);
    // Only TCP and UDP put the addresses under their checksum.
    if (protocol === IpProtocol.icmp) change = 0;
    if (portField !== NO_FIELD) {
      change += change16(data.getUint16(portField), port);
      data.setUint16(portField, port);
    }
    if (change === 0) return;
    const field = this.#checksumField(protocol);
    if (field === NO_FIELD) return;
    const sum = applyChange(data.getUint16(field), change);
    // UDP's zero means "no checksum", so a sum of zero is written as its other form.
    data.setUint16(field, sum === 0 && protocol === IpProtocol.udp ? 0xffff : sum);
  }

  #patchIp(before: number, now: number): void {
    const field = this.ip + IP_CHECKSUM;
    setU16(this.bytes, field, updateChecksum(getU16(this.bytes, field), before, now));
  }

  /** Bytes of the transport header that are in this packet. */
  #transportLength(): number {
    return this.isLaterFragment ? 0 : this.end - this.transport;
  }

  #checksumField(protocol: number): number {
    const length = this.#transportLength();
    if (protocol === IpProtocol.tcp && length >= TCP_HEADER_LENGTH) return this.transport + TCP_CHECKSUM;
    if (protocol === IpProtocol.icmp && length >= ICMP_HEADER_LENGTH) return this.transport + ICMP_CHECKSUM;
    if (protocol === IpProtocol.udp && length >= UDP_HEADER_LENGTH) {
      const field = this.transport + UDP_CHECKSUM;
      return getU16(this.bytes, field) === 0 ? NO_FIELD : field;
    }
    return NO_FIELD;
  }

  #sourcePortField(): number {
    const protocol = this.protocol;
    if (protocol === IpProtocol.icmp) return this.#echoField(IcmpType.echoRequest);
    return this.#hasPorts(protocol) ? this.transport : NO_FIELD;
  }

  #destinationPortField(): number {
    const protocol = this.protocol;
    if (protocol === IpProtocol.icmp) return this.#echoField(IcmpType.echoReply);
    return this.#hasPorts(protocol) ? this.transport + 2 : NO_FIELD;
  }

  #hasPorts(protocol: number): boolean {
    const hasThem = protocol === IpProtocol.tcp || protocol === IpProtocol.udp || protocol === IpProtocol.sctp;
    return hasThem && this.#transportLength() >= 4;
  }

  #echoField(type: number): number {
    if (this.#transportLength() < ICMP_HEADER_LENGTH) return NO_FIELD;
    return getU8(this.bytes, this.transport) === type ? this.transport + ICMP_IDENTIFIER : NO_FIELD;
  }
}
