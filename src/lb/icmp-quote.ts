import {
  fillIcmpChecksum,
  getU8,
  getU16,
  getU32,
  ICMP_HEADER_LENGTH,
  IPV4_HEADER_LENGTH,
  IpProtocol,
  type Ipv4Address,
  isIcmpChecksumRight,
  isIcmpError,
  type Packet,
  readIpv4Header,
  setU16,
  setU32,
  TCP_HEADER_LENGTH,
  UDP_HEADER_LENGTH,
  updateChecksum,
  updateChecksum32,
} from "../netstack/index.ts";
import type { Flow } from "./flow.ts";

/** Bytes of the transport header that every error quotes (RFC 792). */
const QUOTED_TRANSPORT = 8;
const IP_CHECKSUM = 10;
const IP_SOURCE = 12;
const IP_DESTINATION = 16;
const TCP_CHECKSUM = 16;
const UDP_CHECKSUM = 6;

/** The packet that an ICMP error is about, as far as it is quoted. */
export interface IcmpQuote {
  readonly flow: Flow;
  /** Where its IP header and its transport header begin in the error's bytes. */
  readonly ip: number;
  readonly transport: number;
}

/** Reads what an ICMP error quotes; `undefined` when `packet` is no sound error or quotes a packet without ports. */
export function readIcmpQuote(packet: Packet): IcmpQuote | undefined {
  const { bytes, end } = packet;
  if (packet.protocol !== IpProtocol.icmp || packet.isFragment) return undefined;
  const ip = packet.transport + ICMP_HEADER_LENGTH;
  if (end - ip < IPV4_HEADER_LENGTH + QUOTED_TRANSPORT || !isIcmpError(getU8(bytes, packet.transport)))
    return undefined;
  if (!isIcmpChecksumRight(bytes, packet.transport, end)) return undefined;
  const header = readIpv4Header(bytes, ip);
  const transport = ip + header.headerLength;
  if (header.headerLength < IPV4_HEADER_LENGTH || end - transport < QUOTED_TRANSPORT) return undefined;
  const { protocol, source, destination } = header;
  const hasPorts = protocol === IpProtocol.tcp || protocol === IpProtocol.udp || protocol === IpProtocol.sctp;
  if (!hasPorts || header.fragmentOffset > 0) return undefined;
  const sourcePort = getU16(bytes, transport);
  const destinationPort = getU16(bytes, transport + 2);
  return { flow: { protocol, source, sourcePort, destination, destinationPort }, ip, transport };
}

/** Changes one side of the quoted packet, its checksums as far as they are quoted, and the error's own: net/ipv4's `icmp_manip_pkt` and kin. */
export function rewriteIcmpQuote(
  packet: Packet,
  quote: IcmpQuote,
  side: "source" | "destination",
  to: { readonly address: Ipv4Address; readonly port: number },
): void {
  const { bytes } = packet;
  const addressAt = quote.ip + (side === "source" ? IP_SOURCE : IP_DESTINATION);
  const portAt = quote.transport + (side === "source" ? 0 : 2);
  const from = { address: getU32(bytes, addressAt), port: getU16(bytes, portAt) };
  setU32(bytes, addressAt, to.address);
  setU16(bytes, portAt, to.port);
  const ipChecksum = quote.ip + IP_CHECKSUM;
  setU16(bytes, ipChecksum, updateChecksum32(getU16(bytes, ipChecksum), from.address, to.address));
  const field = quotedChecksum(packet, quote);
  if (field !== undefined) {
    const sum = updateChecksum32(getU16(bytes, field), from.address, to.address);
    setU16(bytes, field, updateChecksum(sum, from.port, to.port));
  }
  fillIcmpChecksum(bytes, packet.transport, packet.end);
}

/** Where the quoted packet's transport checksum is, when it was quoted and there is one. */
function quotedChecksum(packet: Packet, quote: IcmpQuote): number | undefined {
  const quoted = packet.end - quote.transport;
  if (quote.flow.protocol === IpProtocol.tcp)
    return quoted >= TCP_HEADER_LENGTH ? quote.transport + TCP_CHECKSUM : undefined;
  if (quote.flow.protocol !== IpProtocol.udp || quoted < UDP_HEADER_LENGTH) return undefined;
  const field = quote.transport + UDP_CHECKSUM;
  return getU16(packet.bytes, field) === 0 ? undefined : field;
}
