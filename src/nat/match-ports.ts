import { getU8, ICMP_HEADER_LENGTH, TCP_HEADER_LENGTH, UDP_HEADER_LENGTH } from "../netstack/index.ts";
import type { MatchTest } from "./compiled-rule.ts";
import type { PacketWalk } from "./packet-walk.ts";
import type { Match, NumberRange, PortsMatch } from "./rule.ts";

/* Matches on the transport header: net/netfilter/xt_tcpudp.c, xt_sctp.c, xt_multiport.c, and `icmp_match` of ip_tables.c. */

type OfKind<K extends Match["kind"]> = Extract<Match, { kind: K }>;

const ANY_ICMP_TYPE = 255;
const SCTP_HEADER_LENGTH = 12;

export function tcp(match: OfKind<"tcp">): MatchTest {
  const { flags, option } = match;
  return (walk) => {
    if (!hasHeader(walk, TCP_HEADER_LENGTH) || !portsFit(walk, match)) return false;
    if (flags !== undefined) {
      const bits = getU8(walk.packet.bytes, walk.packet.transport + 13);
      if (((bits & flags.mask) === flags.set) === (flags.not ?? false)) return false;
    }
    return option === undefined || hasTcpOption(walk, option.kind) !== (option.not ?? false);
  };
}

export function udp(match: OfKind<"udp">): MatchTest {
  return (walk) => hasHeader(walk, UDP_HEADER_LENGTH) && portsFit(walk, match);
}

export function sctp(match: OfKind<"sctp">): MatchTest {
  return (walk) => hasHeader(walk, SCTP_HEADER_LENGTH) && portsFit(walk, match);
}

export function icmp(match: OfKind<"icmp">): MatchTest {
  const not = match.not ?? false;
  return (walk) => {
    if (!hasHeader(walk, ICMP_HEADER_LENGTH)) return false;
    if (match.type === ANY_ICMP_TYPE) return !not;
    const { bytes, transport } = walk.packet;
    return (getU8(bytes, transport) === match.type && isIn(getU8(bytes, transport + 1), match.code)) !== not;
  };
}

export function multiport(match: OfKind<"multiport">): MatchTest {
  const { which, ports } = match;
  const not = match.not ?? false;
  const has = (port: number): boolean => ports.some((range) => isIn(port, range));
  return (walk) => {
    if (!hasHeader(walk, 4)) return false;
    const found =
      (which !== "destination" && has(walk.sourcePort)) || (which !== "source" && has(walk.destinationPort));
    return found !== not;
  };
}

/** A later fragment has no header to look at; a first one that is cut short is an attack, and dropped. */
function hasHeader(walk: PacketWalk, length: number): boolean {
  if (walk.isLaterFragment) return false;
  if (walk.transportLength >= length) return true;
  walk.hotDrop = true;
  return false;
}

function portsFit(
  walk: PacketWalk,
  match: { readonly sourcePort?: PortsMatch; readonly destinationPort?: PortsMatch },
): boolean {
  return isPort(match.sourcePort, walk.sourcePort) && isPort(match.destinationPort, walk.destinationPort);
}

/** True when `port` is one that is meant, or none is asked for. */
export function isPort(match: PortsMatch | undefined, port: number): boolean {
  return match === undefined || isIn(port, match.range) !== (match.not ?? false);
}

export function isIn(number: number, range: NumberRange): boolean {
  return number >= range.from && number <= range.to;
}

function hasTcpOption(walk: PacketWalk, kind: number): boolean {
  const headerLength = tcpHeaderLength(walk);
  if (headerLength < TCP_HEADER_LENGTH || headerLength > walk.transportLength) {
    walk.hotDrop = true;
    return false;
  }
  return findTcpOption(walk, kind) >= 0;
}

function tcpHeaderLength(walk: PacketWalk): number {
  return (getU8(walk.packet.bytes, walk.packet.transport + 12) >>> 4) * 4;
}

/**
 * Where a TCP option begins, or -1 without it. Read as `tcp_find_option` does: a length of 0 counts as 1, what lies behind the header's end is not
 * looked at.
 */
export function findTcpOption(walk: PacketWalk, kind: number): number {
  const { bytes, transport } = walk.packet;
  const end = transport + Math.min(tcpHeaderLength(walk), walk.transportLength);
  let at = transport + TCP_HEADER_LENGTH;
  while (at < end) {
    const code = getU8(bytes, at);
    if (code === kind) return at;
    at += code < 2 || at + 1 >= end ? 1 : Math.max(getU8(bytes, at + 1), 1);
  }
  return -1;
}
