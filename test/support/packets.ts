import {
  ETHERNET_HEADER_LENGTH,
  emitIcmp,
  emitIpv4Header,
  emitTcp,
  emitUdp,
  fillIcmpChecksum,
  fillIpv4Checksum,
  fillTcpChecksum,
  fillUdpChecksum,
  getU8,
  getU16,
  IpProtocol,
  type Ipv4Address,
  isIcmpChecksumRight,
  isTcpChecksumRight,
  isUdpChecksumRight,
  Packet,
  parseIpv4,
  TcpFlag,
} from "../../src/netstack/index.ts";
import { FramePool } from "../../src/sim/index.ts";

/* Packets for tests of what stands on a host's packet path: whole frames with right checksums. */

const pool = new FramePool();

interface Addresses {
  /** `10.0.0.1:1000`, or without a port for ICMP. */
  readonly from: string;
  readonly to: string;
  readonly ttl?: number;
}

export interface TcpPacketOptions extends Addresses {
  /** As tcpdump writes them: `S`, `S.`, `.`, `P.`, `F.`, `R`, `R.`. */
  readonly flags?: string;
  readonly seq?: number;
  readonly ack?: number;
  readonly window?: number;
  readonly payload?: string | number;
  /** Raw option bytes, a multiple of four. */
  readonly options?: readonly number[];
}

const FLAGS: Readonly<Record<string, number>> = {
  S: TcpFlag.syn,
  F: TcpFlag.fin,
  R: TcpFlag.rst,
  P: TcpFlag.psh,
  U: TcpFlag.urg,
  ".": TcpFlag.ack,
};

export function tcpPacket(options: TcpPacketOptions): Packet {
  const { seq = 0, ack = 0, window = 65535, flags = "S" } = options;
  const [source, sourcePort] = endpoint(options.from);
  const [destination, destinationPort] = endpoint(options.to);
  const payload = payloadOf(options.payload);
  const tcpOptions = options.options ?? [];
  const headerLength = 20 + tcpOptions.length;
  const packet = ipPacket(options, IpProtocol.tcp, headerLength + payload.length);
  const { bytes, transport, end } = packet;
  emitTcp(
    {
      sourcePort,
      destinationPort,
      sequence: seq >>> 0,
      acknowledgment: ack >>> 0,
      headerLength,
      flags: [...flags].reduce((bits, letter) => bits | FLAGS[letter]!, 0),
      window,
      checksum: 0,
      urgentPointer: 0,
    },
    bytes,
    transport,
  );
  bytes.set(tcpOptions, transport + 20);
  bytes.set(payload, transport + headerLength);
  fillTcpChecksum(bytes, { at: transport, end, source, destination });
  return packet;
}

export function udpPacket(options: Addresses & { payload?: string | number; checksum?: false }): Packet {
  const [source, sourcePort] = endpoint(options.from);
  const [destination, destinationPort] = endpoint(options.to);
  const payload = payloadOf(options.payload ?? "x");
  const packet = ipPacket(options, IpProtocol.udp, 8 + payload.length);
  const { bytes, transport } = packet;
  emitUdp({ sourcePort, destinationPort, length: 8 + payload.length, checksum: 0 }, bytes, transport);
  bytes.set(payload, transport + 8);
  if (options.checksum !== false) fillUdpChecksum(bytes, transport, source, destination);
  return packet;
}

/** An echo request, or with `reply` its answer; or another message with an identifier by its `type`. */
export function icmpEcho(
  options: Addresses & { id: number; seq?: number; reply?: boolean; type?: number; payload?: string },
): Packet {
  const payload = payloadOf(options.payload ?? "ping");
  const packet = ipPacket(options, IpProtocol.icmp, 8 + payload.length);
  const { bytes, transport, end } = packet;
  const type = options.type ?? (options.reply ? 0 : 8);
  emitIcmp({ type, code: 0, checksum: 0, rest: options.id * 0x10000 + (options.seq ?? 1) }, bytes, transport);
  bytes.set(payload, transport + 8);
  fillIcmpChecksum(bytes, transport, end);
  return packet;
}

/** An error from `from` about `about`, quoting `quote` bytes of it (as many as there are, by default). */
export function icmpError(
  options: Addresses & { about: Packet; type?: number; code?: number; rest?: number; quote?: number },
): Packet {
  const { about, type = 3, code = 3, rest = 0 } = options;
  const quote = Math.min(options.quote ?? about.length, about.length);
  const packet = ipPacket(options, IpProtocol.icmp, 8 + quote);
  const { bytes, transport, end } = packet;
  emitIcmp({ type, code, checksum: 0, rest }, bytes, transport);
  bytes.set(about.bytes.subarray(about.ip, about.ip + quote), transport + 8);
  fillIcmpChecksum(bytes, transport, end);
  return packet;
}

/** A packet of a protocol without ports. */
export function otherPacket(options: Addresses & { protocol: number; payload?: string }): Packet {
  const payload = payloadOf(options.payload ?? "data");
  const packet = ipPacket(options, options.protocol, payload.length);
  packet.bytes.set(payload, packet.transport);
  return packet;
}

/** The packet as one line: `tcp 10.0.0.1:1000 > 10.0.0.2:80`, `icmp 10.0.0.1 > 10.0.0.2 id 7`. */
export function describePacket(packet: Packet): string {
  return describeAt(packet.bytes, packet.ip, packet.end);
}

/** What an ICMP error quotes, as {@link describePacket} puts it. */
export function describeQuoted(packet: Packet): string {
  return describeAt(packet.bytes, packet.transport + 8, packet.end);
}

function describeAt(bytes: Uint8Array, ip: number, end: number): string {
  const transport = ip + (getU8(bytes, ip) & 15) * 4;
  const protocol = getU8(bytes, ip + 9);
  const address = (at: number): string => [...bytes.subarray(at, at + 4)].join(".");
  const [source, destination] = [address(ip + 12), address(ip + 16)];
  if (protocol === IpProtocol.tcp || protocol === IpProtocol.udp) {
    const name = protocol === IpProtocol.tcp ? "tcp" : "udp";
    return `${name} ${source}:${getU16(bytes, transport)} > ${destination}:${getU16(bytes, transport + 2)}`;
  }
  if (protocol !== IpProtocol.icmp || transport + 8 > end) return `${protocol} ${source} > ${destination}`;
  const type = getU8(bytes, transport);
  const hasId = type === 0 || type === 8 || (type >= 13 && type <= 18);
  return `icmp ${source} > ${destination} ${hasId ? `id ${getU16(bytes, transport + 4)}` : `type ${type}`}`;
}

/** What is wrong with the packet's checksums, those in an ICMP quote included; empty when all are right. */
export function wrongChecksums(packet: Packet): string[] {
  const { bytes, ip, transport, end } = packet;
  const wrong = wrongAt(bytes, ip, transport, end, "");
  const isError = packet.protocol === IpProtocol.icmp && [3, 4, 5, 11, 12].includes(getU8(bytes, transport));
  if (!isError) return wrong;
  const quoted = transport + 8;
  const inner = quoted + (getU8(bytes, quoted) & 15) * 4;
  const isWhole = getU16(bytes, quoted + 2) === end - quoted;
  return [...wrong, ...wrongAt(bytes, quoted, inner, isWhole ? end : inner, "quoted ")];
}

function wrongAt(bytes: Uint8Array, ip: number, transport: number, end: number, where: string): string[] {
  const wrong: string[] = [];
  const header = bytes.slice(ip, transport);
  fillIpv4Checksum(header, 0);
  if (getU16(header, 10) !== getU16(bytes, ip + 10)) wrong.push(`${where}IP`);
  if (end === transport) return wrong;
  const source = read(bytes, ip + 12);
  const destination = read(bytes, ip + 16);
  const protocol = getU8(bytes, ip + 9);
  if (protocol === IpProtocol.tcp && !isTcpChecksumRight(bytes, { at: transport, end, source, destination }))
    wrong.push(`${where}TCP`);
  if (protocol === IpProtocol.udp && !isUdpChecksumRight(bytes, transport, source, destination))
    wrong.push(`${where}UDP`);
  if (protocol === IpProtocol.icmp && !isIcmpChecksumRight(bytes, transport, end)) wrong.push(`${where}ICMP`);
  return wrong;
}

function read(bytes: Uint8Array, at: number): Ipv4Address {
  return parseIpv4([...bytes.subarray(at, at + 4)].join("."))!;
}

function ipPacket(options: Addresses, protocol: number, length: number): Packet {
  const [source] = endpoint(options.from);
  const [destination] = endpoint(options.to);
  const frame = pool.create(ETHERNET_HEADER_LENGTH + 20 + length);
  frame.bytes.fill(0, frame.start, frame.end);
  const ip = frame.start + ETHERNET_HEADER_LENGTH;
  emitIpv4Header(
    {
      headerLength: 20,
      typeOfService: 0,
      totalLength: 20 + length,
      identification: 1,
      dontFragment: true,
      moreFragments: false,
      fragmentOffset: 0,
      ttl: options.ttl ?? 64,
      protocol,
      checksum: 0,
      source,
      destination,
    },
    frame.bytes,
    ip,
  );
  fillIpv4Checksum(frame.bytes, ip);
  return new Packet(frame, ip);
}

function endpoint(text: string): [Ipv4Address, number] {
  const [address = "", port = "0"] = text.split(":");
  const parsed = parseIpv4(address);
  if (parsed === undefined) throw new Error(`not an address: ${text}`);
  return [parsed, Number(port)];
}

/** A number stands for so many bytes. */
function payloadOf(payload: string | number | undefined): Uint8Array {
  if (typeof payload === "number") return new Uint8Array(payload).fill(0x61);
  return new TextEncoder().encode(payload ?? "");
}
