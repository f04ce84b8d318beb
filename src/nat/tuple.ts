import { IpProtocol, type Ipv4Address, ipv4, type Packet } from "../netstack/index.ts";

/**
 * What conntrack tells connections apart by (`struct nf_conntrack_tuple`). Where the protocol has no ports, ICMP's echo identifier stands in
 * `sourcePort`, and type × 256 + code in `destinationPort`.
 */
export interface Tuple {
  readonly protocol: number;
  readonly source: Ipv4Address;
  readonly sourcePort: number;
  readonly destination: Ipv4Address;
  readonly destinationPort: number;
}

/** A tuple as words, to be filled again and again: the packet path makes no objects. */
export class TupleWords {
  source = 0;
  destination = 0;
  /** Source port above destination port. */
  ports = 0;
  protocol = 0;

  set(source: number, destination: number, ports: number, protocol: number): void {
    this.source = source;
    this.destination = destination;
    this.ports = ports;
    this.protocol = protocol;
  }

  copy(other: TupleWords): void {
    this.set(other.source, other.destination, other.ports, other.protocol);
  }

  /** Turns this tuple into that of the other direction (`nf_ct_invert_tuple`); false for ICMP types that have no answer. */
  invert(): boolean {
    const ports = invertPorts(this.ports, this.protocol);
    if (ports === NO_PORTS) return false;
    const { source } = this;
    this.source = this.destination;
    this.destination = source;
    this.ports = ports;
    return true;
  }

  /** Reads the IPv4 header at `ip` of a frame's bytes and the ports behind it; false when they are not there. */
  read(data: DataView, ip: number, end: number): boolean {
    const at = ip + (data.getUint8(ip) & 15) * 4;
    const protocol = data.getUint8(ip + 9);
    this.protocol = protocol;
    this.source = data.getInt32(ip + 12);
    this.destination = data.getInt32(ip + 16);
    this.ports = 0;
    if ((data.getUint16(ip + 6) & 0x1fff) !== 0) return false;
    switch (protocol) {
      case IpProtocol.tcp:
      case IpProtocol.udp:
      case IpProtocol.sctp:
      case UDP_LITE:
        if (end - at < 8) return false;
        this.ports = data.getInt32(at);
        return true;
      case IpProtocol.icmp:
        if (end - at < 8) return false;
        this.ports = (data.getUint16(at + 4) << 16) | data.getUint16(at);
        return true;
      case IpProtocol.gre:
        return this.#readGre(data, at, end);
      default:
        return true;
    }
  }

  /** Version 1 (PPTP) has a call ID; others are told apart by their addresses alone (net/netfilter/nf_conntrack_proto_gre.c). */
  #readGre(data: DataView, at: number, end: number): boolean {
    if (end - at < 4 || (data.getUint8(at + 1) & 7) !== 1) return true;
    if (end - at < 8) return false;
    this.ports = data.getUint16(at + 6);
    return true;
  }
}

export const UDP_LITE = 136;
/** Given by {@link invertPorts} for what cannot be inverted: no tuple has it, as it would be an ICMP type of 255. */
const NO_PORTS = 0xffff;

/** ICMP types that ask and answer: net/netfilter/nf_conntrack_proto_icmp.c. */
const ANSWERS: Readonly<Record<number, number>> = { 8: 0, 0: 8, 13: 14, 14: 13, 15: 16, 16: 15, 17: 18, 18: 17 };

function invertPorts(ports: number, protocol: number): number {
  if (protocol !== IpProtocol.icmp) return (ports << 16) | (ports >>> 16);
  const answer = ANSWERS[(ports >>> 8) & 0xff];
  return answer === undefined ? NO_PORTS : (ports & 0xffff00ff) | (answer << 8);
}

/** Reads the tuple of a whole packet. */
export function readTuple(packet: Packet, into: TupleWords): boolean {
  return into.read(packet.frame.data, packet.ip, packet.end);
}

/** The words as a value to give away. */
export function tupleOf(words: TupleWords): Tuple {
  return {
    protocol: words.protocol,
    source: ipv4(words.source),
    sourcePort: words.ports >>> 16,
    destination: ipv4(words.destination),
    destinationPort: words.ports & 0xffff,
  };
}
