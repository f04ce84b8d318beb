import {
  describeTcpFlags,
  ETHERNET_HEADER_LENGTH,
  EtherType,
  emitEthernet,
  formatIpv4,
  getU8,
  getU16,
  getU32,
  IpProtocol,
  mac,
  networkLayer,
  parseIcmp,
  parseTcp,
  parseTcpOptions,
} from "../netstack/index.ts";
import type { CapturedPacket } from "../pcap/index.ts";
import { parseCutTcp, readIpv4Packet, type SeenPacket } from "./flow.ts";

/** What may be looked at in a captured packet, by its name, as a reader sees it. */
export type FieldName =
  | "source"
  | "destination"
  | "source port"
  | "destination port"
  | "identifier"
  | "TTL"
  | "TOS"
  | "IP ID"
  | "fragment"
  | "length"
  | "flags"
  | "seq"
  | "ack"
  | "window"
  | "MSS"
  | "ICMP"
  | "payload";

/** A captured IPv4 packet, taken apart. */
export interface CapturedFields {
  readonly seen: SeenPacket;
  readonly values: ReadonlyMap<FieldName, string>;
  /** What no address translation changes: the same for one packet wherever it is seen, as good as never for two. */
  readonly content: string;
}

/** Where a link type's header has what it says: the EtherType, what became of the frame, and the interface's number. */
interface CookedHeader {
  readonly length: number;
  readonly type: number;
  /** The place of the low byte. */
  readonly sentTo: number;
  readonly interface?: number;
}

/** Linux "cooked", of `tcpdump -i any`: the first version, and the second (https://www.tcpdump.org/linktypes.html). */
const LINK_HEADERS: Readonly<Record<number, CookedHeader>> = {
  113: { length: 16, type: 14, sentTo: 1 },
  276: { length: 20, type: 0, sentTo: 10, interface: 4 },
};
/** The frame was sent by the machine itself; other values say whom it came in for. */
const SENT_BY_US = 4;
const ETHERNET = 1;
/** LINKTYPE_RAW, LINKTYPE_IPV4, and the number that some systems write for raw IP. */
const RAW_IP: ReadonlySet<number> = new Set([101, 228, 12]);
/** LINKTYPE_NULL and LINKTYPE_LOOP: the address family in four bytes, in one order or the other, as on the BSDs' and macOS's loopback. */
const LOOPBACK: ReadonlySet<number> = new Set([0, 108]);
const LOOPBACK_IPV4: readonly number[] = [0x0000_0002, 0x0200_0000];
const LOOPBACK_LENGTH = 4;

/** Where a captured packet's IPv4 header would be; `undefined` where the link says that it is something else, or is of an unknown type. */
export function ipv4At({ interface: source, bytes }: CapturedPacket): number | undefined {
  const { linkType } = source;
  if (RAW_IP.has(linkType)) return 0;
  if (linkType === ETHERNET) {
    const network = networkLayer(bytes, 0, bytes.length);
    return network?.type === EtherType.ipv4 ? network.at : undefined;
  }
  if (LOOPBACK.has(linkType)) {
    return bytes.length >= LOOPBACK_LENGTH && LOOPBACK_IPV4.includes(getU32(bytes, 0)) ? LOOPBACK_LENGTH : undefined;
  }
  const header = LINK_HEADERS[linkType];
  if (header === undefined || bytes.length < header.length) return undefined;
  return getU16(bytes, header.type) === EtherType.ipv4 ? header.length : undefined;
}

/** What a "cooked" header tells of the interface that stands behind the one that is captured on; nothing for other link types. */
export function cookedHeader({ interface: source, bytes }: CapturedPacket): {
  readonly direction?: "in" | "out";
  readonly interface?: number;
} {
  const header = LINK_HEADERS[source.linkType];
  if (header === undefined || bytes.length < header.length) return {};
  const direction = getU8(bytes, header.sentTo) === SENT_BY_US ? "out" : "in";
  return { direction, ...(header.interface !== undefined && { interface: getU32(bytes, header.interface) }) };
}

/** A captured packet as an Ethernet frame, for readers that know nothing else: an IPv4 packet of another link type gets an empty header. */
export function asEthernet(packet: CapturedPacket): Uint8Array {
  const at = packet.interface.linkType === ETHERNET ? undefined : ipv4At(packet);
  if (at === undefined) return packet.bytes;
  const frame = new Uint8Array(ETHERNET_HEADER_LENGTH + packet.bytes.length - at);
  emitEthernet({ destination: mac(0), source: mac(0), type: EtherType.ipv4 }, frame, 0);
  frame.set(packet.bytes.subarray(at), ETHERNET_HEADER_LENGTH);
  return frame;
}

/** How many bytes of an IPv4 packet every one of these captures has kept, or the packet had: what is compared must have been kept by all. */
export function keptByAll(packets: readonly CapturedPacket[]): number {
  let kept = Number.POSITIVE_INFINITY;
  for (const packet of packets) {
    const at = packet.bytes.length < packet.originalLength ? ipv4At(packet) : undefined;
    if (at !== undefined) kept = Math.min(kept, packet.bytes.length - at);
  }
  return kept;
}

/** Takes a captured packet apart, as if no more than `kept` bytes of it were there; `undefined` when it holds no whole IPv4 header. */
export function readFields(
  packet: CapturedPacket,
  kept: number = Number.POSITIVE_INFINITY,
): CapturedFields | undefined {
  const at = ipv4At(packet);
  if (at === undefined) return undefined;
  const limit = Math.min(packet.bytes.length, at + kept);
  const seen = readIpv4Packet(packet.bytes, at, limit);
  if (seen === undefined) return undefined;
  const end = Math.min(limit, at + seen.header.totalLength);
  const values = new Map<FieldName, string>(ipv4Fields(seen));
  const transport = transportFields(seen, { bytes: packet.bytes, at: at + seen.header.headerLength, end });
  for (const [name, value] of transport) values.set(name, value);
  return { seen, values, content: contentOf(seen, values) };
}

type Field = readonly [FieldName, string];

function ipv4Fields({ header, flow }: SeenPacket): Field[] {
  const hasPorts = flow.protocol !== IpProtocol.icmp && (flow.sourcePort !== 0 || flow.destinationPort !== 0);
  return [
    ["source", formatIpv4(header.source)],
    ...(hasPorts ? ([["source port", String(flow.sourcePort)]] as const) : []),
    ["destination", formatIpv4(header.destination)],
    ...(hasPorts ? ([["destination port", String(flow.destinationPort)]] as const) : []),
    ["TTL", String(header.ttl)],
    ["TOS", String(header.typeOfService)],
    ["IP ID", String(header.identification)],
    ["fragment", describeFragment(header)],
    ["length", String(header.totalLength)],
  ];
}

function describeFragment({ dontFragment, moreFragments, fragmentOffset }: SeenPacket["header"]): string {
  if (moreFragments || fragmentOffset > 0)
    return `at ${fragmentOffset}${moreFragments ? ", more follow" : ", the last"}`;
  return dontFragment ? "DF" : "none";
}

interface Range {
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly end: number;
}

function transportFields({ header, flow, error }: SeenPacket, range: Range): Field[] {
  const { bytes, at, end } = range;
  const rest = (from: number): Field => ["payload", digest(bytes, Math.min(from, end), end)];
  if (header.fragmentOffset > 0) return [rest(at)];
  if (header.protocol === IpProtocol.tcp) return tcpFields(range) ?? [rest(at)];
  if (header.protocol === IpProtocol.udp) return [rest(at + 8)];
  const icmp = header.protocol === IpProtocol.icmp ? parseIcmp(bytes, at, end) : undefined;
  if (icmp === undefined) return [rest(at)];
  const kind: Field = ["ICMP", `type ${icmp.type} code ${icmp.code}`];
  // What an error quotes is translated with it: its digest would say no more than that.
  if (error !== undefined) return [kind, ["payload", "quoted"]];
  const sequence: Field = ["seq", String(icmp.rest & 0xffff)];
  return [kind, ["identifier", String(flow.sourcePort)], sequence, rest(at + 8)];
}

function tcpFields({ bytes, at, end }: Range): Field[] | undefined {
  const tcp = parseTcp(bytes, at, end) ?? parseCutTcp(bytes, at, end);
  if (tcp === undefined) return undefined;
  const { mss } = at + tcp.headerLength > end ? {} : parseTcpOptions(bytes, at, tcp.headerLength);
  return [
    ["flags", describeTcpFlags(tcp.flags)],
    ["seq", String(tcp.sequence)],
    ["ack", String(tcp.acknowledgment)],
    ["window", String(tcp.window)],
    ...(mss === undefined ? [] : ([["MSS", String(mss)]] as const)),
    ["payload", digest(bytes, Math.min(at + tcp.headerLength, end), end)],
  ];
}

const CONTENT: readonly FieldName[] = ["IP ID", "fragment", "flags", "seq", "ack", "ICMP", "payload"];

function contentOf({ header, error }: SeenPacket, values: ReadonlyMap<FieldName, string>): string {
  const quoted = error === undefined ? "" : ` quotes ${error.quoted.protocol}`;
  return `${header.protocol} ${CONTENT.map((name) => values.get(name) ?? "").join(" ")}${quoted}`;
}

/** FNV-1a over 32 bits, and the length: enough to tell payloads of one capture apart together with sequence numbers. */
function digest(bytes: Uint8Array, from: number, to: number): string {
  let hash = 0x811c9dc5;
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ getU8(bytes, at), 0x01000193);
  return `${Math.max(0, to - from)} bytes ${(hash >>> 0).toString(16)}`;
}
