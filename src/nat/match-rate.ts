import type { MatchTest } from "./compiled-rule.ts";
import { HashlimitTable } from "./hashlimit-table.ts";
import type { Match } from "./rule.ts";
import { fullBucket, rateOf, takes } from "./token-bucket.ts";

/* Matches that count and draw: net/netfilter/xt_statistic.c, xt_limit.c, xt_hashlimit.c. */

type OfKind<K extends Match["kind"]> = Extract<Match, { kind: K }>;

export function statistic(match: OfKind<"statistic">): MatchTest {
  const not = match.not ?? false;
  if (match.mode === "random")
    return ({ environment }) => environment.host.random.u32() >>> 1 < match.probability !== not;
  const { every, packet } = match;
  return (walk) => {
    const counter = walk.environment.state(match, () => ({ count: 0 }));
    const isIts = counter.count === packet;
    counter.count = (counter.count + 1) % every;
    return isIts !== not;
  };
}

export function limit(match: OfKind<"limit">): MatchTest {
  const rate = rateOf(match);
  return (walk) => {
    const now = walk.environment.host.clock.now();
    return takes(
      walk.environment.state(match, () => fullBucket(rate, now)),
      rate,
      now,
    );
  };
}

export function hashlimit(match: OfKind<"hashlimit">): MatchTest {
  return (walk) => {
    const { host, hashlimits } = walk.environment;
    const now = host.clock.now();
    let table = hashlimits.get(match.name);
    if (table === undefined) {
      table = new HashlimitTable(match);
      hashlimits.set(match.name, table);
    }
    const bucket = table.bucket(walk, now);
    if (bucket === undefined) {
      walk.hotDrop = true;
      return false;
    }
    return takes(bucket, table.rate, now) !== match.above;
  };
}
