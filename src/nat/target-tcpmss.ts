import { getU8, getU16, ipv4, setU16, TCP_HEADER_LENGTH, updateChecksum } from "../netstack/index.ts";
import type { CompiledRule } from "./compiled-rule.ts";
import { findTcpOption } from "./match-ports.ts";
import { type PacketWalk, Verdict } from "./packet-walk.ts";
import type { Target } from "./rule.ts";
import type { TargetAction } from "./target.ts";
import { tellRewritten } from "./walk-events.ts";

const OPTION_MSS = 2;
const OPTION_LENGTH = 4;
/** What a receiver without the option assumes (RFC 9293 §3.7.1). */
const ASSUMED_MSS = 536;
/** No option fits into a TCP header of this length. */
const LONGEST_HEADER = 60;
/** IPv4's and TCP's headers without options. */
const HEADERS = 40;

/**
 * Lowers a SYN's MSS: net/netfilter/xt_TCPMSS.c. It is never raised. A SYN without the option gets one, of 536 at most: that is what its receiver assumes
 * anyhow (RFC 9293 §3.7.1).
 */
export function tcpmss(target: Extract<Target, { kind: "tcpmss" }>): TargetAction {
  return (walk, rule) => {
    if (walk.isLaterFragment || walk.transportLength < TCP_HEADER_LENGTH) return Verdict.continue;
    const mss = target.set === "clamp-to-pmtu" ? clampedMss(walk) : target.set;
    if (mss === undefined) return Verdict.drop;
    const headerLength = (getU8(walk.packet.bytes, walk.packet.transport + 12) >>> 4) * 4;
    if (headerLength < TCP_HEADER_LENGTH || headerLength > walk.transportLength) return Verdict.drop;
    if (findTcpOption(walk, OPTION_MSS) >= 0) lower(walk, rule, mss);
    else if (walk.transportLength === headerLength && headerLength < LONGEST_HEADER)
      insert(walk, rule, Math.min(mss, ASSUMED_MSS));
    return Verdict.continue;
  };
}

/** What fits the way on and the way back. */
function clampedMss(walk: PacketWalk): number | undefined {
  const { host } = walk.environment;
  const onward = Math.min(walk.packet.out?.mtu ?? Number.POSITIVE_INFINITY, host.pathMtu(ipv4(walk.destination)));
  const mtu = Math.min(onward, host.pathMtu(ipv4(walk.source)));
  return mtu > HEADERS ? mtu - HEADERS : undefined;
}

function lower(walk: PacketWalk, rule: CompiledRule, mss: number): void {
  const { bytes, transport, end } = walk.packet;
  const at = findTcpOption(walk, OPTION_MSS);
  if (at < 0 || at + 4 > end || getU8(bytes, at + 1) !== 4) return;
  const from = getU16(bytes, at + 2);
  if (from <= mss) return;
  setU16(bytes, at + 2, mss);
  patchChecksum(bytes, transport + 16, { from, to: mss, isOdd: ((at - transport) & 1) === 1 });
  if (!walk.environment.host.events.active) return;
  const cause = { kind: "rule", target: "TCPMSS", rule: rule.reference } as const;
  tellRewritten(walk, { field: "mss", from, to: mss, cause });
}

/** In front of all other options; not where there is data, which would have to be moved. */
function insert(walk: PacketWalk, rule: CompiledRule, mss: number): void {
  const { packet } = walk;
  const { bytes, transport } = packet;
  const length = packet.end - transport;
  const at = transport + TCP_HEADER_LENGTH;
  if (!packet.insert(at, OPTION_LENGTH)) return;
  setU16(bytes, at, (OPTION_MSS << 8) | OPTION_LENGTH);
  setU16(bytes, at + 2, mss);
  const before = getU16(bytes, transport + 12);
  setU16(bytes, transport + 12, before + ((OPTION_LENGTH / 4) << 12));
  let sum = getU16(bytes, transport + 16);
  // The pseudo-header has the segment's length.
  sum = updateChecksum(sum, length, length + OPTION_LENGTH);
  sum = updateChecksum(sum, before, getU16(bytes, transport + 12));
  sum = updateChecksum(sum, 0, getU16(bytes, at));
  setU16(bytes, transport + 16, updateChecksum(sum, 0, mss));
  walk.transportLength += OPTION_LENGTH;
  if (!walk.environment.host.events.active) return;
  const cause = { kind: "rule", target: "TCPMSS", rule: rule.reference } as const;
  tellRewritten(walk, { field: "mss", from: 0, to: mss, cause });
}

/** A word at an odd offset is spread over two words of the sum, with its bytes changed around (RFC 1071 §2 B). */
function patchChecksum(
  bytes: Uint8Array,
  field: number,
  change: { readonly from: number; readonly to: number; readonly isOdd: boolean },
): void {
  const { from, to, isOdd } = change;
  const sum = getU16(bytes, field);
  setU16(bytes, field, isOdd ? updateChecksum(sum, swap(from), swap(to)) : updateChecksum(sum, from, to));
}

function swap(word: number): number {
  return ((word & 0xff) << 8) | (word >>> 8);
}
