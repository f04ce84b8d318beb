import {
  type AddressKind,
  ETHERNET_HEADER_LENGTH,
  getMac,
  type Interface,
  type Ipv4Address,
  ipv4,
} from "../netstack/index.ts";
import type { MatchTest } from "./compiled-rule.ts";
import type { PacketWalk } from "./packet-walk.ts";
import type { AddressRange, AddressType, Match } from "./rule.ts";

/* Matches on addresses: net/netfilter/xt_addrtype.c, xt_iprange.c, xt_mac.c, xt_set.c. */

type OfKind<K extends Match["kind"]> = Extract<Match, { kind: K }>;

const TYPES: Readonly<Record<AddressKind, AddressType>> = {
  unspecified: "UNSPEC",
  local: "LOCAL",
  broadcast: "BROADCAST",
  multicast: "MULTICAST",
  unicast: "UNICAST",
  unreachable: "UNREACHABLE",
};

export function addrtype(match: OfKind<"addrtype">): MatchTest {
  const { source, destination, limitInterface } = match;
  return (walk) => {
    const on = limitInterface === undefined ? undefined : walk.packet[limitInterface];
    if (source !== undefined && !isType(walk, walk.source, source, on)) return false;
    return destination === undefined || isType(walk, walk.destination, destination, on);
  };
}

function isType(
  walk: PacketWalk,
  address: number,
  match: { readonly types: readonly AddressType[]; readonly not?: true },
  on: Interface | undefined,
): boolean {
  const kind = walk.environment.host.addressKind(ipv4(address), on);
  return match.types.includes(TYPES[kind]) !== (match.not ?? false);
}

export function iprange(match: OfKind<"iprange">): MatchTest {
  const { source, destination } = match;
  return (walk) => {
    if (source !== undefined && isInRange(ipv4(walk.source), source.range) === (source.not ?? false)) return false;
    return (
      destination === undefined || isInRange(ipv4(walk.destination), destination.range) !== (destination.not ?? false)
    );
  };
}

function isInRange(address: Ipv4Address, range: AddressRange): boolean {
  return address >= range.from && address <= range.to;
}

/** The sender's hardware address; what the host itself sends has none yet. */
export function mac(match: OfKind<"mac">): MatchTest {
  const not = match.not ?? false;
  return ({ packet }) => {
    const { frame, ip } = packet;
    if (packet.in === undefined || !packet.in.resolves || ip - frame.start < ETHERNET_HEADER_LENGTH) return false;
    return (getMac(frame.bytes, frame.start + 6) === match.source) !== not;
  };
}

/** A set that does not exist has no members and no others. */
export function set(match: OfKind<"set">): MatchTest {
  const not = match.not ?? false;
  return (walk) => {
    const found = walk.environment.sets.get(match.name);
    return found !== undefined && found.matches(walk, match.flags) !== not;
  };
}
