import {
  ARP_LENGTH,
  ArpOperation,
  describeIcmp,
  describeTcpFlags,
  ETHERNET_HEADER_LENGTH,
  EtherType,
  formatIpv4,
  formatMac,
  getMac,
  getU8,
  getU16,
  getU32,
  ICMP_HEADER_LENGTH,
  IcmpType,
  IPV4_HEADER_LENGTH,
  IpProtocol,
  ipv4,
  isIcmpError,
  parseVxlan,
  TCP_HEADER_LENGTH,
  UDP_HEADER_LENGTH,
  VLAN_TAG_LENGTH,
  VXLAN_HEADER_LENGTH,
  VXLAN_PORT,
} from "../netstack/index.ts";
import type { DecodedField, HeaderRange } from "./decoded-field.ts";
import { protocolName } from "./flow.ts";
import { payloadFields } from "./report-payload.ts";

/** Takes a frame apart into all its headers' fields, in their order. What is cut off is left out. */
export function decodeHeaders(bytes: Uint8Array): DecodedField[] {
  return ethernetFields({ bytes, at: 0, end: bytes.length }, "");
}

/** `which` is " inside" for a frame in a tunnel. */
function ethernetFields(range: HeaderRange, which: string): DecodedField[] {
  const { bytes, at: start, end } = range;
  if (end - start < ETHERNET_HEADER_LENGTH) return payloadFields(range);
  const add = fieldsOf(`Ethernet${which}`);
  const fields = [
    add("Destination", start, 6, formatMac(getMac(bytes, start))),
    add("Source", start + 6, 6, formatMac(getMac(bytes, start + 6))),
  ];
  let at = start + 12;
  while (getU16(bytes, at) === EtherType.vlan && end >= at + VLAN_TAG_LENGTH + 2) {
    fields.push(add("VLAN", at + 2, 2, String(getU16(bytes, at + 2) & 0xfff)));
    at += VLAN_TAG_LENGTH;
  }
  const type = getU16(bytes, at);
  fields.push(add("Type", at, 2, `0x${hex(type, 4)}${TYPE_NAMES[type] === undefined ? "" : ` (${TYPE_NAMES[type]})`}`));
  const inner = { bytes, at: at + 2, end };
  if (type === EtherType.arp) return [...fields, ...arpFields(inner)];
  return [...fields, ...(type === EtherType.ipv4 ? ipv4Fields(inner, which) : payloadFields(inner))];
}

const TYPE_NAMES: Readonly<Record<number, string>> = {
  [EtherType.ipv4]: "IPv4",
  [EtherType.arp]: "ARP",
  [EtherType.ipv6]: "IPv6",
};

type AddField = (name: string, at: number, length: number, value: string) => DecodedField;

function fieldsOf(layer: string): AddField {
  return (name, at, length, value) => ({ layer, name, at, length, value });
}

function arpFields({ bytes, at, end }: HeaderRange): DecodedField[] {
  if (end - at < ARP_LENGTH) return payloadFields({ bytes, at, end });
  const add = fieldsOf("ARP");
  const operation = getU16(bytes, at + 6);
  const word = operation === ArpOperation.request ? " (request)" : operation === ArpOperation.reply ? " (reply)" : "";
  return [
    add("Operation", at + 6, 2, `${operation}${word}`),
    add("Sender MAC", at + 8, 6, formatMac(getMac(bytes, at + 8))),
    add("Sender address", at + 14, 4, addressAt(bytes, at + 14)),
    add("Target MAC", at + 18, 6, formatMac(getMac(bytes, at + 18))),
    add("Target address", at + 24, 4, addressAt(bytes, at + 24)),
  ];
}

/** RFC 791 §3.1. `which` is " in IP-in-IP" or " quoted" where it is not the frame's own header. */
function ipv4Fields(range: HeaderRange, which: string): DecodedField[] {
  const { bytes, at } = range;
  if (range.end - at < IPV4_HEADER_LENGTH || getU8(bytes, at) >>> 4 !== 4) return payloadFields(range);
  const add = fieldsOf(`IPv4${which}`);
  const headerLength = (getU8(bytes, at) & 15) * 4;
  const total = getU16(bytes, at + 2);
  const protocol = getU8(bytes, at + 9);
  const fields = [
    add("Header length", at, 1, `${headerLength} bytes`),
    add("Type of service", at + 1, 1, `0x${hex(getU8(bytes, at + 1), 2)}`),
    add("Total length", at + 2, 2, String(total)),
    add("Identification", at + 4, 2, String(getU16(bytes, at + 4))),
    add("Fragment", at + 6, 2, describeFragment(getU16(bytes, at + 6))),
    add("TTL", at + 8, 1, String(getU8(bytes, at + 8))),
    add("Protocol", at + 9, 1, `${protocol} (${protocolName(protocol)})`),
    add("Header checksum", at + 10, 2, `0x${hex(getU16(bytes, at + 10), 4)}`),
    add("Source address", at + 12, 4, addressAt(bytes, at + 12)),
    add("Destination address", at + 16, 4, addressAt(bytes, at + 16)),
  ];
  if (headerLength > IPV4_HEADER_LENGTH)
    fields.push(add("Options", at + IPV4_HEADER_LENGTH, headerLength - IPV4_HEADER_LENGTH, ""));
  // An error quotes only the beginning of what it is about.
  const end = Math.min(range.end, at + Math.max(total, headerLength));
  const inner = { bytes, at: Math.min(end, at + headerLength), end };
  if ((getU16(bytes, at + 6) & 0x1fff) !== 0) return [...fields, ...payloadFields(inner)];
  return [...fields, ...transportFields(protocol, inner, which)];
}

function transportFields(protocol: number, range: HeaderRange, which: string): DecodedField[] {
  const left = range.end - range.at;
  if (protocol === IpProtocol.tcp && left >= 8) return tcpFields(range, which);
  if (protocol === IpProtocol.udp && left >= UDP_HEADER_LENGTH) return udpFields(range, which);
  if (protocol === IpProtocol.icmp && left >= ICMP_HEADER_LENGTH) return icmpFields(range, which);
  if (protocol === IpProtocol.ipip && which === "") return ipv4Fields(range, " inside");
  return payloadFields(range);
}

/** RFC 9293 §3.1. Of a quoted segment at least eight bytes are there. */
function tcpFields(range: HeaderRange, which: string): DecodedField[] {
  const { bytes, at, end } = range;
  const add = fieldsOf(`TCP${which}`);
  const fields = [
    add("Source port", at, 2, String(getU16(bytes, at))),
    add("Destination port", at + 2, 2, String(getU16(bytes, at + 2))),
    add("Sequence number", at + 4, 4, String(getU32(bytes, at + 4))),
  ];
  if (end - at < TCP_HEADER_LENGTH) return fields;
  const headerLength = (getU8(bytes, at + 12) >>> 4) * 4;
  const optionsEnd = Math.min(end, at + Math.max(headerLength, TCP_HEADER_LENGTH));
  const flags = getU8(bytes, at + 13);
  return [
    ...fields,
    add("Acknowledgment", at + 8, 4, String(getU32(bytes, at + 8))),
    add("Header length", at + 12, 1, `${headerLength} bytes`),
    add("Flags", at + 13, 1, `${describeTcpFlags(flags)} (${tcpFlagNames(flags)})`),
    add("Window", at + 14, 2, String(getU16(bytes, at + 14))),
    add("Checksum", at + 16, 2, `0x${hex(getU16(bytes, at + 16), 4)}`),
    add("Urgent pointer", at + 18, 2, String(getU16(bytes, at + 18))),
    ...tcpOptionFields({ bytes, at: at + TCP_HEADER_LENGTH, end: optionsEnd }, add),
    ...payloadFields({ bytes, at: optionsEnd, end }),
  ];
}

const FLAG_NAMES = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];

/** `SYN, ACK`. */
export function tcpFlagNames(flags: number): string {
  return FLAG_NAMES.filter((_, bit) => (flags & (1 << bit)) !== 0).join(", ") || "none";
}

/** Option kinds: RFC 9293 §3.2, RFC 7323 §2 and §3, RFC 2018 §2 and §3. */
const TCP_OPTIONS: Readonly<Record<number, readonly [name: string, say: (bytes: Uint8Array, at: number) => string]>> = {
  2: ["Option: maximum segment size", (bytes, at) => String(getU16(bytes, at + 2))],
  3: ["Option: window scale", (bytes, at) => `× ${2 ** getU8(bytes, at + 2)}`],
  4: ["Option: SACK permitted", () => "yes"],
  5: ["Option: SACK", (bytes, at) => `${getU32(bytes, at + 2)} – ${getU32(bytes, at + 6)}`],
  8: ["Option: timestamps", (bytes, at) => `${getU32(bytes, at + 2)}, echo ${getU32(bytes, at + 6)}`],
};
/** The shortest length at which an option can be told. */
const SHORTEST: Readonly<Record<number, number>> = { 2: 4, 3: 3, 4: 2, 5: 10, 8: 10 };

function tcpOptionFields({ bytes, at, end }: HeaderRange, add: AddField): DecodedField[] {
  const fields: DecodedField[] = [];
  for (let i = at; i < end; ) {
    const kind = getU8(bytes, i);
    if (kind === 0) break;
    const length = kind === 1 ? 1 : i + 1 < end ? getU8(bytes, i + 1) : 0;
    if (length < 1 || i + length > end || (kind !== 1 && length < 2)) break;
    const known = length >= (SHORTEST[kind] ?? 99) ? TCP_OPTIONS[kind] : undefined;
    if (known !== undefined) fields.push(add(known[0], i, length, known[1](bytes, i)));
    else if (kind !== 1) fields.push(add(`Option ${kind}`, i, length, ""));
    i += length;
  }
  return fields;
}

function udpFields({ bytes, at, end }: HeaderRange, which: string): DecodedField[] {
  const add = fieldsOf(`UDP${which}`);
  return [
    add("Source port", at, 2, String(getU16(bytes, at))),
    add("Destination port", at + 2, 2, String(getU16(bytes, at + 2))),
    add("Length", at + 4, 2, String(getU16(bytes, at + 4))),
    add("Checksum", at + 6, 2, `0x${hex(getU16(bytes, at + 6), 4)}`),
    ...(vxlanFields({ bytes, at: at + UDP_HEADER_LENGTH, end }, which) ??
      payloadFields({ bytes, at: at + UDP_HEADER_LENGTH, end })),
  ];
}

/** Linux's own port for it, besides IANA's. */
const LINUX_VXLAN_PORT = 8472;

/** RFC 7348 §5: a whole frame behind the header. One tunnel within another is not looked into. */
function vxlanFields({ bytes, at, end }: HeaderRange, which: string): DecodedField[] | undefined {
  const port = getU16(bytes, at - UDP_HEADER_LENGTH + 2);
  const header = port === VXLAN_PORT || port === LINUX_VXLAN_PORT ? parseVxlan(bytes, at, end) : undefined;
  if (header === undefined || which !== "") return undefined;
  const network = fieldsOf("VXLAN")("Network identifier", at + 4, 3, String(header.vni));
  return [network, ...ethernetFields({ bytes, at: at + VXLAN_HEADER_LENGTH, end }, " inside")];
}

function icmpFields({ bytes, at, end }: HeaderRange, which: string): DecodedField[] {
  const add = fieldsOf(`ICMP${which}`);
  const [type, code, rest] = [getU8(bytes, at), getU8(bytes, at + 1), getU32(bytes, at + 4)];
  const words = describeIcmp({ type, code, checksum: 0, rest }).replace(/^ICMP | id .*$/g, "");
  const fields = [
    add("Type", at, 1, `${type} (${words})`),
    add("Code", at + 1, 1, String(code)),
    add("Checksum", at + 2, 2, `0x${hex(getU16(bytes, at + 2), 4)}`),
  ];
  const inner = { bytes, at: at + ICMP_HEADER_LENGTH, end };
  if (type === IcmpType.echoRequest || type === IcmpType.echoReply) {
    fields.push(add("Identifier", at + 4, 2, String(rest >>> 16)), add("Sequence", at + 6, 2, String(rest & 0xffff)));
    return [...fields, ...payloadFields(inner)];
  }
  if (!isIcmpError(type)) return [...fields, ...payloadFields(inner)];
  if (type === IcmpType.unreachable && code === 4) fields.push(add("Next-hop MTU", at + 6, 2, String(rest & 0xffff)));
  return [...fields, ...(which === "" ? ipv4Fields(inner, " quoted") : payloadFields(inner))];
}

function describeFragment(word: number): string {
  const [dont, more, offset] = [(word & 0x4000) !== 0, (word & 0x2000) !== 0, (word & 0x1fff) * 8];
  if (more || offset > 0) return `at ${offset}${more ? ", more follow" : ", the last one"}`;
  return dont ? "don't fragment" : "may be fragmented";
}

function addressAt(bytes: Uint8Array, at: number): string {
  return formatIpv4(ipv4(getU32(bytes, at)));
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}
