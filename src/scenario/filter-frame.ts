import {
  type ArpPacket,
  type EthernetHeader,
  EtherType,
  type IcmpHeader,
  IpProtocol,
  type Ipv4Header,
  networkLayer,
  parseArp,
  parseEthernet,
  parseIcmp,
  parseIpv4Header,
  parseTcp,
  parseUdp,
  type TcpHeader,
  type UdpHeader,
} from "../netstack/index.ts";

/** A frame as a display filter looks at it: whichever headers are whole, the outermost of each kind. */
export interface FilterFrame {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** The capture point. */
  readonly point: string;
  readonly ethernet?: EthernetHeader;
  readonly arp?: ArpPacket;
  readonly ipv4?: Ipv4Header;
  readonly icmp?: IcmpHeader;
  readonly udp?: UdpHeader;
  readonly tcp?: TcpHeader;
  /** Bytes behind the TCP or UDP header. */
  readonly payloadLength?: number;
}

/** Where a frame lies, and where it was seen. */
export interface SeenFrame {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  readonly point: string;
}

/** Takes a frame apart as far as its bytes make sense. */
export function readFilterFrame(seen: SeenFrame): FilterFrame {
  const { bytes, start, end } = seen;
  const ethernet = parseEthernet(bytes, start, end);
  const network = networkLayer(bytes, start, end);
  if (ethernet === undefined || network === undefined) return seen;
  if (network.type === EtherType.arp) {
    const arp = parseArp(bytes, network.at, end);
    return { ...seen, ethernet, ...(arp && { arp }) };
  }
  if (network.type !== EtherType.ipv4) return { ...seen, ethernet };
  const ipv4 = parseIpv4Header(bytes, network.at, end);
  return ipv4 === undefined ? { ...seen, ethernet } : { ...seen, ethernet, ipv4, ...transport(seen, ipv4, network.at) };
}

function transport(seen: SeenFrame, ipv4: Ipv4Header, ip: number): Partial<FilterFrame> {
  // Only a first fragment has the header.
  if (ipv4.fragmentOffset > 0) return {};
  const at = ip + ipv4.headerLength;
  const end = Math.min(seen.end, ip + ipv4.totalLength);
  if (ipv4.protocol === IpProtocol.tcp) {
    const tcp = parseTcp(seen.bytes, at, end);
    return tcp === undefined ? {} : { tcp, payloadLength: end - at - tcp.headerLength };
  }
  if (ipv4.protocol === IpProtocol.udp) {
    const udp = parseUdp(seen.bytes, at, end);
    return udp === undefined ? {} : { udp, payloadLength: end - at - 8 };
  }
  if (ipv4.protocol !== IpProtocol.icmp) return {};
  const icmp = parseIcmp(seen.bytes, at, end);
  return icmp === undefined ? {} : { icmp };
}
