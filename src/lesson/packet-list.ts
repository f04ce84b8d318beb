import { asEthernet } from "../explain/index.ts";
import {
  describeArp,
  describeIcmp,
  EtherType,
  formatIpv4,
  IpProtocol,
  type Ipv4Header,
  networkLayer,
  parseArp,
  parseIcmp,
  parseIpv4Header,
  parseTcp,
  parseUdp,
  TcpFlag,
} from "../netstack/index.ts";
import type { CapturedPacket } from "../pcap/index.ts";
import { compileDisplayFilter } from "../scenario/index.ts";

/** Numbers of the packets, from 1, that a display filter shows; undefined for a filter with fields that only Wireshark knows. */
export function findPackets(packets: readonly CapturedPacket[], filter: string): number[] | undefined {
  const compiled = compileDisplayFilter(filter);
  if ("fault" in compiled) return undefined;
  return packets.flatMap((packet, index) => {
    const bytes = asEthernet(packet);
    const point = packet.interface.name ?? "";
    return compiled.filter.matches({ bytes, start: 0, end: bytes.length, point }) ? [index + 1] : [];
  });
}

/** The packets of these numbers as a table, as in Wireshark's list: number, capture point, addresses, TTL and what it is. */
export function listPackets(packets: readonly CapturedPacket[], numbers: readonly number[]): string[] {
  const rows = numbers.map((number) => rowOf(number, packets[number - 1]));
  const table = [HEAD, ...rows];
  const widths = HEAD.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const lines = table.map((row) =>
    row
      .map((cell, column) =>
        column === 0 || column === TTL ? cell.padStart(widths[column] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
  return [...lines, `${numbers.length} ${numbers.length === 1 ? "packet" : "packets"}`];
}

const HEAD: readonly string[] = ["No.", "Point", "Source", "Destination", "TTL", "Info"];
const TTL = HEAD.indexOf("TTL");

function rowOf(number: number, packet: CapturedPacket | undefined): readonly string[] {
  if (packet === undefined) return [String(number), "", "", "", "", "not in the capture"];
  const point = `${packet.interface.name ?? ""}${packet.direction === undefined ? "" : ` ${packet.direction}`}`;
  const bytes = asEthernet(packet);
  const network = networkLayer(bytes, 0, bytes.length);
  const head = [String(number), point];
  const arp = network?.type === EtherType.arp ? parseArp(bytes, network.at, bytes.length) : undefined;
  if (arp !== undefined) return [...head, formatIpv4(arp.senderIp), formatIpv4(arp.targetIp), "", describeArp(arp)];
  const header = network?.type === EtherType.ipv4 ? parseIpv4Header(bytes, network.at, bytes.length) : undefined;
  if (network === undefined || header === undefined) return [...head, "", "", "", `${bytes.length} bytes`];
  const range = { bytes, at: network.at + header.headerLength, end: network.at + header.totalLength };
  return [...head, ...endpointsOf(header, range), String(header.ttl), infoOf(header, range)];
}

interface Range {
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly end: number;
}

function endpointsOf(header: Ipv4Header, { bytes, at, end }: Range): [string, string] {
  const read =
    header.protocol === IpProtocol.tcp ? parseTcp : header.protocol === IpProtocol.udp ? parseUdp : undefined;
  const ports = header.fragmentOffset === 0 ? read?.(bytes, at, end) : undefined;
  const [source, destination] = [formatIpv4(header.source), formatIpv4(header.destination)];
  if (ports === undefined) return [source, destination];
  return [`${source}:${ports.sourcePort}`, `${destination}:${ports.destinationPort}`];
}

function infoOf(header: Ipv4Header, range: Range): string {
  const { bytes, at, end } = range;
  if (header.protocol === IPIP) return describeInner(bytes, at, end);
  if (header.protocol === IpProtocol.udp) return `UDP, ${end - at - 8} bytes`;
  const icmp = header.protocol === IpProtocol.icmp ? parseIcmp(bytes, at, end) : undefined;
  if (icmp !== undefined) return describeIcmp(icmp);
  const tcp = header.protocol === IpProtocol.tcp ? parseTcp(bytes, at, end) : undefined;
  if (tcp === undefined) return `protocol ${header.protocol}`;
  const flags = FLAGS.filter(([bit]) => (tcp.flags & bit) !== 0).map(([, name]) => name);
  const length = end - at - tcp.headerLength;
  return `TCP ${flags.join(" ")}${length > 0 ? `, ${length} bytes` : ""}`;
}

/** RFC 2003. */
const IPIP = 4;

const FLAGS: readonly (readonly [number, string])[] = [
  [TcpFlag.syn, "SYN"],
  [TcpFlag.fin, "FIN"],
  [TcpFlag.rst, "RST"],
  [TcpFlag.psh, "PSH"],
  [TcpFlag.ack, "ACK"],
];

function describeInner(bytes: Uint8Array, at: number, end: number): string {
  const inner = parseIpv4Header(bytes, at, end);
  if (inner === undefined) return "IP in IP";
  const range = { bytes, at: at + inner.headerLength, end: Math.min(end, at + inner.totalLength) };
  const [source, destination] = endpointsOf(inner, range);
  return `IP in IP: ${source} → ${destination}, ${infoOf(inner, range)}`;
}
