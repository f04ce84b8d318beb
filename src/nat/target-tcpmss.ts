import { getU8, getU16, ipv4, setU16, TCP_HEADER_LENGTH, updateChecksum } from "../netstack/index.ts";
import type { CompiledRule } from "./compiled-rule.ts";
import { findTcpOption } from "./match-ports.ts";
import { type PacketWalk, Verdict } from "./packet-walk.ts";
import type { Target } from "./rule.ts";
import type { TargetAction } from "./target.ts";
import { tellRewritten } from "./walk-events.ts";

const OPTION_MSS = 2;
/** IPv4's and TCP's headers without options. */
const HEADERS = 40;

/**
 * Lowers a SYN's MSS: net/netfilter/xt_TCPMSS.c. It is never raised. A SYN without the option is left as it is, where Linux would insert one of
 * 536: that is what its receiver assumes anyhow (RFC 9293 §3.7.1).
 */
export function tcpmss(target: Extract<Target, { kind: "tcpmss" }>): TargetAction {
  return (walk, rule) => {
    if (walk.isLaterFragment || walk.transportLength < TCP_HEADER_LENGTH) return Verdict.continue;
    const mss = target.set === "clamp-to-pmtu" ? clampedMss(walk) : target.set;
    if (mss === undefined) return Verdict.drop;
    lower(walk, rule, mss);
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
