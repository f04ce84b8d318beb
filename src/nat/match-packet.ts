import { getU8, getU16, TCP_HEADER_LENGTH } from "../netstack/index.ts";
import { isInterface, type MatchTest } from "./compiled-rule.ts";
import { findTcpOption, isIn } from "./match-ports.ts";
import type { Match } from "./rule.ts";

/* Matches on the packet's own fields and on where it is: net/netfilter/xt_mark.c, xt_length.c, xt_hl.c, xt_tcpmss.c, xt_physdev.c. */

type OfKind<K extends Match["kind"]> = Extract<Match, { kind: K }>;

const OPTION_MSS = 2;

export function mark(match: OfKind<"mark">): MatchTest {
  const { value, mask } = match;
  const not = match.not ?? false;
  return (walk) => ((walk.packet.mark & mask) >>> 0 === value) !== not;
}

/** Of the whole IP packet. */
export function length(match: OfKind<"length">): MatchTest {
  const not = match.not ?? false;
  return (walk) => isIn(walk.packet.length, match.range) !== not;
}

export function ttl(match: OfKind<"ttl">): MatchTest {
  const { comparison, value } = match;
  const not = match.not ?? false;
  if (comparison === "lt") return (walk) => walk.packet.ttl < value;
  if (comparison === "gt") return (walk) => walk.packet.ttl > value;
  return (walk) => (walk.packet.ttl === value) !== not;
}

/** A segment without the option is as one outside the range. */
export function tcpmss(match: OfKind<"tcpmss">): MatchTest {
  const not = match.not ?? false;
  return (walk) => {
    const { bytes, transport } = walk.packet;
    const isWhole = !walk.isLaterFragment && walk.transportLength >= TCP_HEADER_LENGTH;
    if (!isWhole || (getU8(bytes, transport + 12) >>> 4) * 4 < TCP_HEADER_LENGTH) {
      walk.hotDrop = true;
      return false;
    }
    const at = findTcpOption(walk, OPTION_MSS);
    if (at < 0 || getU8(bytes, at + 1) !== 4 || at + 4 > walk.packet.end) return not;
    return isIn(getU16(bytes, at + 2), match.range) !== not;
  };
}

/** What is asked of a packet that is not on a bridge holds only where it is asked with `!`. */
export function physdev(match: OfKind<"physdev">): MatchTest {
  return ({ packet }) => {
    const { physIn, physOut } = packet;
    if (physIn === undefined && physOut === undefined) return isNothingAsked(match);
    const isBridged = physIn !== undefined && physOut !== undefined;
    if (match.isBridged && isBridged === (match.isBridged.not ?? false)) return false;
    if (match.isIn && (physIn !== undefined) === (match.isIn.not ?? false)) return false;
    if (match.isOut && (physOut !== undefined) === (match.isOut.not ?? false)) return false;
    if (match.in && physIn !== undefined && !isInterface(match.in, physIn)) return false;
    return !match.out || physOut === undefined || isInterface(match.out, physOut);
  };
}

function isNothingAsked(match: OfKind<"physdev">): boolean {
  const { in: input, out: output, isIn, isOut, isBridged } = match;
  return [input, output, isIn, isOut, isBridged].every((asked) => asked === undefined || asked.not === true);
}
