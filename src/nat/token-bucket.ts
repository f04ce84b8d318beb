import { type Duration, nanoseconds, seconds, type Time } from "../sim/index.ts";
import type { RateUnit } from "./rule.ts";

export const UNIT_SECONDS: Readonly<Record<RateUnit, number>> = { second: 1, minute: 60, hour: 3600, day: 86_400 };

/** A bucket of `burst` packets, filled at the rate: `limit` and `hashlimit` count so. */
export interface Bucket {
  credit: Duration;
  last: Time;
}

/** What a packet costs, and what the bucket holds. */
export interface Rate {
  readonly cost: Duration;
  readonly capacity: Duration;
}

export function rateOf(match: { readonly rate: number; readonly unit: RateUnit; readonly burst: number }): Rate {
  const cost = nanoseconds(seconds(UNIT_SECONDS[match.unit]) / match.rate);
  return { cost, capacity: nanoseconds(cost * match.burst) };
}

export function fullBucket(rate: Rate, now: Time): Bucket {
  return { credit: rate.capacity, last: now };
}

/** Takes a packet's cost out of the bucket, if that much is in it. */
export function takes(bucket: Bucket, rate: Rate, now: Time): boolean {
  bucket.credit = Math.min(rate.capacity, bucket.credit + (now - bucket.last)) as Duration;
  bucket.last = now;
  if (bucket.credit < rate.cost) return false;
  bucket.credit = (bucket.credit - rate.cost) as Duration;
  return true;
}
