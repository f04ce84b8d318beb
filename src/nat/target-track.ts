import { type PacketWalk, Verdict } from "./packet-walk.ts";
import { UNTRACKED } from "./tracking.ts";

/** NOTRACK, and CT --notrack: net/netfilter/xt_CT.c. A packet that is tracked already stays so. */
export function notrack(walk: PacketWalk): number {
  if (walk.tracking !== undefined) return Verdict.continue;
  walk.packet.tracking = UNTRACKED;
  walk.see(UNTRACKED);
  return Verdict.continue;
}
