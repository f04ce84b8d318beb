import { after, nanoseconds, seconds, type Time } from "../sim/index.ts";
import type { MatchTest } from "./compiled-rule.ts";
import type { PacketWalk } from "./packet-walk.ts";
import type { RecentEntry, RecentList } from "./recent-list.ts";
import type { Match } from "./rule.ts";

type RecentMatch = Extract<Match, { kind: "recent" }>;

/** net/netfilter/xt_recent.c: has the address been seen, how often, how lately? */
export function recent(match: RecentMatch): MatchTest {
  const mask = match.mask | 0;
  const not = match.not ?? false;
  return (walk) => {
    const list = walk.environment.recents.list(match.name);
    list.reserve(match.hitcount ?? 0);
    const address = (match.side === "source" ? walk.source : walk.destination) & mask;
    const known = list.get(address);
    const ttl = ttlOf(walk);
    const entry = match.rttl && known?.ttl !== ttl ? undefined : known;
    const now = walk.environment.host.clock.now();
    if (entry === undefined) {
      // Only --set takes in an address that is not known.
      if (match.action === "set") list.add(address, ttl, now);
      return (match.action === "set") !== not;
    }
    const matches = isKnownRight(list, match, entry, now) !== not;
    if (match.action === "remove") list.delete(address);
    if (match.action === "set" || (match.action === "update" && matches)) {
      entry.ttl = ttl;
      list.update(address, entry, now);
    }
    return matches;
  };
}

function isKnownRight(list: RecentList, match: RecentMatch, entry: RecentEntry, now: Time): boolean {
  if (match.action === "set" || match.action === "remove") return true;
  const limit = match.seconds === undefined ? undefined : after(now, nanoseconds(-seconds(match.seconds)));
  const hits = entry.stamps.filter((stamp) => limit === undefined || stamp >= limit).length;
  const isRight = hits >= Math.max(match.hitcount ?? 0, 1);
  // The entry that is about to be renewed stays.
  const spared = match.action === "update" && isRight !== (match.not ?? false) ? entry : undefined;
  if (limit !== undefined && match.reap) list.reap(limit, spared);
  return isRight;
}

/** As it was before this host took one off a packet that it forwards. */
function ttlOf(walk: PacketWalk): number {
  const { ttl, in: through } = walk.packet;
  return through !== undefined && (walk.hook === "forward" || walk.hook === "postrouting") ? ttl + 1 : ttl;
}
