import { type Duration, nanoseconds, seconds, type Time } from "../sim/index.ts";
import type { MatchTest } from "./compiled-rule.ts";
import type { PacketWalk } from "./packet-walk.ts";
import type { Match, RateUnit } from "./rule.ts";

/* Matches that count and draw: net/netfilter/xt_statistic.c, xt_limit.c, xt_hashlimit.c. */

type OfKind<K extends Match["kind"]> = Extract<Match, { kind: K }>;

const UNIT_SECONDS: Readonly<Record<RateUnit, number>> = { second: 1, minute: 60, hour: 3600, day: 86_400 };
/** Entries of a hashlimit table without `--hashlimit-htable-max`, and how long they live unused. */
const HASHLIMIT_ENTRIES = 65_536;
const HASHLIMIT_EXPIRE_MS = 10_000;

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

/** A bucket of `burst` packets, filled at the rate. */
interface Bucket {
  credit: Duration;
  last: Time;
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
  const rate = rateOf(match);
  return (walk) => {
    const now = walk.environment.host.clock.now();
    const buckets = walk.environment.state(match, () => new HashlimitTable(match));
    const bucket = buckets.bucket(walk, now, () => fullBucket(rate, now));
    if (bucket === undefined) {
      walk.hotDrop = true;
      return false;
    }
    return takes(bucket, rate, now) !== match.above;
  };
}

interface Rate {
  /** What a packet costs, and what the bucket holds. */
  readonly cost: Duration;
  readonly capacity: Duration;
}

function rateOf(match: { readonly rate: number; readonly unit: RateUnit; readonly burst: number }): Rate {
  const cost = nanoseconds(seconds(UNIT_SECONDS[match.unit]) / match.rate);
  return { cost, capacity: nanoseconds(cost * match.burst) };
}

function fullBucket(rate: Rate, now: Time): Bucket {
  return { credit: rate.capacity, last: now };
}

function takes(bucket: Bucket, rate: Rate, now: Time): boolean {
  bucket.credit = Math.min(rate.capacity, bucket.credit + (now - bucket.last)) as Duration;
  bucket.last = now;
  if (bucket.credit < rate.cost) return false;
  bucket.credit = (bucket.credit - rate.cost) as Duration;
  return true;
}

/** One bucket per address or port, as `--hashlimit-mode` says. */
class HashlimitTable {
  readonly #match: OfKind<"hashlimit">;
  readonly #buckets = new Map<string, Bucket>();
  readonly #maximum: number;
  readonly #expire: Duration;

  constructor(match: OfKind<"hashlimit">) {
    this.#match = match;
    this.#maximum = match.maximum ?? HASHLIMIT_ENTRIES;
    this.#expire = nanoseconds((match.expireMs ?? HASHLIMIT_EXPIRE_MS) * 1e6);
  }

  /** `undefined` when the table is full, or the packet lacks what it is to be told apart by. */
  bucket(walk: PacketWalk, now: Time, create: () => Bucket): Bucket | undefined {
    const key = this.#key(walk);
    if (key === undefined) return undefined;
    const known = this.#buckets.get(key);
    if (known !== undefined && now - known.last < this.#expire) return known;
    this.#buckets.delete(key);
    if (this.#buckets.size >= this.#maximum) this.#removeExpired(now);
    if (this.#buckets.size >= this.#maximum) return undefined;
    const bucket = create();
    this.#buckets.set(key, bucket);
    return bucket;
  }

  #removeExpired(now: Time): void {
    for (const [key, bucket] of this.#buckets) {
      if (now - bucket.last >= this.#expire) this.#buckets.delete(key);
    }
  }

  #key(walk: PacketWalk): string | undefined {
    const { mode, sourceMask = -1, destinationMask = -1 } = this.#match;
    const asksPorts = mode.includes("srcport") || mode.includes("dstport");
    // Protocols without ports are told apart by the rest; a header cut short is dropped.
    if (asksPorts && !walk.hasPorts && walk.isLaterFragment) return undefined;
    const ports = walk.hasPorts;
    return mode
      .map((part) => {
        if (part === "srcip") return walk.source & sourceMask;
        if (part === "dstip") return walk.destination & destinationMask;
        if (!ports) return 0;
        return part === "srcport" ? walk.sourcePort : walk.destinationPort;
      })
      .join(",");
  }
}
