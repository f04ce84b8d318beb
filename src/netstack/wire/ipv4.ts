import { getU8, getU16, getU32, setU8, setU16, setU32 } from "../bytes.ts";
import { fillChecksum, finishChecksum, sumData, sumWords } from "../checksum.ts";
import { formatIpv4, type Ipv4Address, ipv4 } from "../ipv4-address.ts";

/**
 * RFC 791 §3.1
 * ```
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * |Version|  IHL  |Type of Service|          Total Length         |
 * |         Identification        |Flags|      Fragment Offset    |
 * |  Time to Live |    Protocol   |         Header Checksum       |
 * |                       Source Address                          |
 * |                    Destination Address                        |
 * |                    Options                    |    Padding    |
 * ```
 */
const VERSION_IHL = 0;
const TYPE_OF_SERVICE = 1;
const TOTAL_LENGTH = 2;
const IDENTIFICATION = 4;
const FLAGS_OFFSET = 6;
const TTL = 8;
const PROTOCOL = 9;
const CHECKSUM = 10;
const SOURCE = 12;
const DESTINATION = 16;
export const IPV4_HEADER_LENGTH = 20;
export const IPV4_LONGEST_HEADER = 60;

/** Numbers of the protocols in an IP packet. */
export const IpProtocol = { icmp: 1, ipip: 4, tcp: 6, udp: 17, gre: 47, sctp: 132 } as const;

const DONT_FRAGMENT = 0x4000;
const MORE_FRAGMENTS = 0x2000;
const OFFSET_MASK = 0x1fff;

/** An IPv4 header, RFC 791, without its options. */
export interface Ipv4Header {
  readonly headerLength: number;
  readonly typeOfService: number;
  readonly totalLength: number;
  readonly identification: number;
  readonly dontFragment: boolean;
  readonly moreFragments: boolean;
  /** In bytes, a multiple of 8. */
  readonly fragmentOffset: number;
  readonly ttl: number;
  readonly protocol: number;
  readonly checksum: number;
  readonly source: Ipv4Address;
  readonly destination: Ipv4Address;
}

/** Why bytes are not an IPv4 packet. */
export type Ipv4Fault =
  | "ip-truncated"
  | "ip-bad-version"
  | "ip-bad-header-length"
  | "ip-bad-length"
  | "ip-bad-checksum";

/**
 * The first fault of the packet at `at`, in the order in which `ip_rcv_core` (net/ipv4/ip_input.c) looks; `undefined` when it is sound. A frame's `data`
 * makes it quicker.
 */
export function ipv4Fault(bytes: Uint8Array, at: number, end: number, data?: DataView): Ipv4Fault | undefined {
  if (end - at < IPV4_HEADER_LENGTH) return "ip-truncated";
  const first = getU8(bytes, at + VERSION_IHL);
  if (first >>> 4 !== 4) return "ip-bad-version";
  const headerLength = (first & 15) * 4;
  if (headerLength < IPV4_HEADER_LENGTH) return "ip-bad-header-length";
  if (end - at < headerLength) return "ip-truncated";
  const sum = data === undefined ? sumWords(bytes, at, at + headerLength) : sumData(data, at, at + headerLength, 0);
  if (finishChecksum(sum) !== 0) return "ip-bad-checksum";
  const totalLength = getU16(bytes, at + TOTAL_LENGTH);
  if (totalLength < headerLength) return "ip-bad-length";
  return totalLength > end - at ? "ip-truncated" : undefined;
}

/** Reads the header at `at`; `undefined` when the packet has a fault, see `ipv4Fault`. */
export function parseIpv4Header(bytes: Uint8Array, at: number, end: number): Ipv4Header | undefined {
  return ipv4Fault(bytes, at, end) === undefined ? readIpv4Header(bytes, at) : undefined;
}

/** Reads a header that is known to be whole: of a packet that was checked, or quoted in an ICMP error. */
export function readIpv4Header(bytes: Uint8Array, at: number): Ipv4Header {
  const flags = getU16(bytes, at + FLAGS_OFFSET);
  return {
    headerLength: (getU8(bytes, at + VERSION_IHL) & 15) * 4,
    typeOfService: getU8(bytes, at + TYPE_OF_SERVICE),
    totalLength: getU16(bytes, at + TOTAL_LENGTH),
    identification: getU16(bytes, at + IDENTIFICATION),
    dontFragment: (flags & DONT_FRAGMENT) !== 0,
    moreFragments: (flags & MORE_FRAGMENTS) !== 0,
    fragmentOffset: (flags & OFFSET_MASK) * 8,
    ttl: getU8(bytes, at + TTL),
    protocol: getU8(bytes, at + PROTOCOL),
    checksum: getU16(bytes, at + CHECKSUM),
    source: ipv4(getU32(bytes, at + SOURCE)),
    destination: ipv4(getU32(bytes, at + DESTINATION)),
  };
}

/** Writes the fixed 20 bytes and leaves options behind them alone; the checksum is a step of its own. */
export function emitIpv4Header(header: Ipv4Header, bytes: Uint8Array, at: number): void {
  setU8(bytes, at + VERSION_IHL, 0x40 | (header.headerLength / 4));
  setU8(bytes, at + TYPE_OF_SERVICE, header.typeOfService);
  setU16(bytes, at + TOTAL_LENGTH, header.totalLength);
  setU16(bytes, at + IDENTIFICATION, header.identification);
  const flags = (header.dontFragment ? DONT_FRAGMENT : 0) | (header.moreFragments ? MORE_FRAGMENTS : 0);
  setU16(bytes, at + FLAGS_OFFSET, flags | (header.fragmentOffset / 8));
  setU8(bytes, at + TTL, header.ttl);
  setU8(bytes, at + PROTOCOL, header.protocol);
  setU16(bytes, at + CHECKSUM, header.checksum);
  setU32(bytes, at + SOURCE, header.source);
  setU32(bytes, at + DESTINATION, header.destination);
}

/** Makes a copied header that of the packet `number` places further on in its series, of `totalLength` bytes. */
export function advanceIpv4(bytes: Uint8Array, at: number, number: number, totalLength: number): void {
  setU16(bytes, at + TOTAL_LENGTH, totalLength);
  setU16(bytes, at + IDENTIFICATION, getU16(bytes, at + IDENTIFICATION) + number);
  fillIpv4Checksum(bytes, at);
}

/** Writes a computed checksum. */
export function setIpv4Checksum(bytes: Uint8Array, at: number, sum: number): void {
  setU16(bytes, at + CHECKSUM, sum);
}

/** Computes and writes the header's checksum. */
export function fillIpv4Checksum(bytes: Uint8Array, at: number): void {
  fillChecksum(bytes, at + CHECKSUM, { at, end: at + (getU8(bytes, at + VERSION_IHL) & 15) * 4 });
}

/** In one line. */
export function describeIpv4(header: Ipv4Header): string {
  const fragment =
    header.moreFragments || header.fragmentOffset > 0
      ? ` fragment at ${header.fragmentOffset}${header.moreFragments ? "+" : ""}`
      : "";
  return `${formatIpv4(header.source)} > ${formatIpv4(header.destination)} ttl ${header.ttl} id ${header.identification}${header.dontFragment ? " DF" : ""}${fragment} length ${header.totalLength}`;
}
