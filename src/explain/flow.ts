import {
  ETHERNET_HEADER_LENGTH,
  EtherType,
  formatIpv4,
  getU8,
  getU16,
  ICMP_HEADER_LENGTH,
  IcmpType,
  IPV4_HEADER_LENGTH,
  IpProtocol,
  type Ipv4Header,
  ipv4,
  isIcmpError,
  networkLayer,
  type PacketField,
  type PacketSummary,
  parseIcmp,
  parseTcp,
  readIpv4Header,
  TCP_HEADER_LENGTH,
  TCP_LONGEST_HEADER,
  type TcpHeader,
} from "../netstack/index.ts";

/** The addresses and ports of a packet. An ICMP echo has its identifier in both ports, so that its answer is its inverse. */
export interface Flow {
  readonly protocol: number;
  readonly source: number;
  readonly sourcePort: number;
  readonly destination: number;
  readonly destinationPort: number;
}

/** What of a packet's bytes tells whose packet it is. */
export interface SeenPacket {
  readonly flow: Flow;
  readonly header: Ipv4Header;
  readonly tcpFlags?: number;
  /** Of an ICMP error: what it says, and the packet that it is about. */
  readonly error?: { readonly type: number; readonly code: number; readonly quoted: Flow };
}

/** Reads an Ethernet frame; `undefined` when it holds no IPv4 packet. */
export function readPacket(bytes: Uint8Array): SeenPacket | undefined {
  const network = networkLayer(bytes, 0, bytes.length);
  return network?.type === EtherType.ipv4 && network.at >= ETHERNET_HEADER_LENGTH
    ? readIpv4Packet(bytes, network.at, bytes.length)
    : undefined;
}

/** Reads the IPv4 packet that begins at `at`; `undefined` when there is none. */
export function readIpv4Packet(bytes: Uint8Array, at: number, limit: number): SeenPacket | undefined {
  const header = readHeader(bytes, at, limit);
  if (header === undefined) return undefined;
  const end = Math.min(limit, at + header.totalLength);
  const transport = at + header.headerLength;
  const flow = flowOf(header, bytes, transport, end);
  if (header.fragmentOffset > 0) return { flow, header };
  if (header.protocol === IpProtocol.tcp) {
    const tcp = parseTcp(bytes, transport, end) ?? parseCutTcp(bytes, transport, end);
    return tcp === undefined ? { flow, header } : { flow, header, tcpFlags: tcp.flags };
  }
  const error = header.protocol === IpProtocol.icmp ? readError(bytes, transport, end) : undefined;
  return error === undefined ? { flow, header } : { flow, header, error };
}

/** A segment of which a capture has kept the header, but not all of its options. */
export function parseCutTcp(bytes: Uint8Array, at: number, end: number): TcpHeader | undefined {
  return end - at < TCP_HEADER_LENGTH ? undefined : parseTcp(bytes, at, at + TCP_LONGEST_HEADER);
}

/** Of a quoted or cut-off packet only the beginning is there: its total length says no more than how long it was. */
function readHeader(bytes: Uint8Array, at: number, limit: number): Ipv4Header | undefined {
  if (limit - at < IPV4_HEADER_LENGTH || getU8(bytes, at) >>> 4 !== 4) return undefined;
  const header = readIpv4Header(bytes, at);
  const isWhole = header.headerLength >= IPV4_HEADER_LENGTH && header.headerLength <= limit - at;
  return isWhole ? header : undefined;
}

function readError(bytes: Uint8Array, at: number, end: number): SeenPacket["error"] {
  const icmp = parseIcmp(bytes, at, end);
  if (icmp === undefined || !isIcmpError(icmp.type)) return undefined;
  // An error quotes the header and eight bytes at least.
  const quotedAt = at + ICMP_HEADER_LENGTH;
  const quoted = readHeader(bytes, quotedAt, end);
  if (quoted === undefined) return undefined;
  return { type: icmp.type, code: icmp.code, quoted: flowOf(quoted, bytes, quotedAt + quoted.headerLength, end) };
}

function flowOf(header: Ipv4Header, bytes: Uint8Array, at: number, end: number): Flow {
  const { protocol, source, destination, fragmentOffset } = header;
  const base = { protocol, source, destination, sourcePort: 0, destinationPort: 0 };
  if (fragmentOffset > 0) return base;
  if (protocol === IpProtocol.icmp) return { ...base, ...echoPorts(bytes, at, end) };
  const hasPorts = protocol === IpProtocol.tcp || protocol === IpProtocol.udp || protocol === IpProtocol.sctp;
  if (!hasPorts || end - at < 4) return base;
  return { ...base, sourcePort: getU16(bytes, at), destinationPort: getU16(bytes, at + 2) };
}

function echoPorts(bytes: Uint8Array, at: number, end: number): Partial<Flow> {
  const icmp = parseIcmp(bytes, at, end);
  if (icmp?.type !== IcmpType.echoRequest && icmp?.type !== IcmpType.echoReply) return {};
  const identifier = icmp.rest >>> 16;
  return { sourcePort: identifier, destinationPort: identifier };
}

/** A hook's view of a packet; an ICMP error has no ports there. */
export function flowOfSummary(summary: PacketSummary): Flow {
  const { protocol, source, sourcePort, destination, destinationPort } = summary;
  if (protocol !== IpProtocol.icmp) return { protocol, source, sourcePort, destination, destinationPort };
  const identifier = sourcePort || destinationPort;
  return { protocol, source, sourcePort: identifier, destination, destinationPort: identifier };
}

/** The packet after one of its fields was rewritten. */
export function withField(flow: Flow, field: PacketField, value: number): Flow {
  if (field === "ttl" || field === "mark" || field === "mss") return flow;
  const isPort = field === "sourcePort" || field === "destinationPort";
  if (isPort && flow.protocol === IpProtocol.icmp) return { ...flow, sourcePort: value, destinationPort: value };
  return { ...flow, [field]: value };
}

/** What an answer to a packet of this flow looks like. */
export function invertFlow(flow: Flow): Flow {
  const { protocol, source, sourcePort, destination, destinationPort } = flow;
  return {
    protocol,
    source: destination,
    sourcePort: destinationPort,
    destination: source,
    destinationPort: sourcePort,
  };
}

export function isSameFlow(one: Flow, other: Flow): boolean {
  return flowKey(one) === flowKey(other);
}

export function flowKey(flow: Flow): string {
  return `${flow.protocol} ${flow.source} ${flow.sourcePort} ${flow.destination} ${flow.destinationPort}`;
}

/** `10.0.0.1:80`, or the address alone where the protocol has no ports. */
export function formatEnd(flow: Flow, which: "source" | "destination"): string {
  const address = formatIpv4(ipv4(flow[which]));
  const port = which === "source" ? flow.sourcePort : flow.destinationPort;
  return port === 0 || flow.protocol === IpProtocol.icmp ? address : `${address}:${port}`;
}

export function protocolName(protocol: number): string {
  const name = Object.entries(IpProtocol).find(([, number]) => number === protocol)?.[0];
  return name === undefined ? `protocol ${protocol}` : name.toUpperCase();
}
