import type { Clock, Time } from "../sim/index.ts";
import type { Sysctls } from "./context.ts";
import { type Ipv4Address, isLoopback } from "./ipv4-address.ts";

/** XRLIM_BURST_FACTOR (net/ipv4/icmp.c): errors that may go to one destination at once. */
const DESTINATION_BURST = 6;
/** net.ipv4.icmp_msgs_burst. */
const HOST_BURST = 50;
/** Destinations remembered; the one longest unused gives way. */
const DESTINATION_LIMIT = 1024;

/** Linux's two limits on ICMP errors: a bucket for the whole host and one per destination. */
export class IcmpRateLimit {
  readonly #clock: Clock;
  readonly #sysctls: Sysctls;
  readonly #host: Bucket;
  readonly #destinations = new Map<Ipv4Address, Bucket>();

  constructor(clock: Clock, sysctls: Sysctls) {
    this.#clock = clock;
    this.#sysctls = sysctls;
    this.#host = { tokens: HOST_BURST, filled: clock.now() };
  }

  /** True when an error may be sent to `destination` now; it is then counted. */
  allows(destination: Ipv4Address): boolean {
    const interval = this.#sysctls.icmpRateLimitMs * 1e6;
    if (interval === 0 || isLoopback(destination)) return true;
    const now = this.#clock.now();
    fill(this.#host, now, { interval: 1e9 / this.#sysctls.icmpMessagesPerSecond, burst: HOST_BURST });
    const bucket = this.#bucketOf(destination, now);
    fill(bucket, now, { interval, burst: DESTINATION_BURST });
    if (this.#host.tokens < 1 || bucket.tokens < 1) return false;
    this.#host.tokens -= 1;
    bucket.tokens -= 1;
    return true;
  }

  #bucketOf(destination: Ipv4Address, now: Time): Bucket {
    const bucket = this.#destinations.get(destination) ?? { tokens: DESTINATION_BURST, filled: now };
    this.#destinations.delete(destination);
    this.#destinations.set(destination, bucket);
    if (this.#destinations.size > DESTINATION_LIMIT) {
      const [oldest] = this.#destinations.keys();
      if (oldest !== undefined) this.#destinations.delete(oldest);
    }
    return bucket;
  }
}

interface Bucket {
  tokens: number;
  filled: Time;
}

/** Adds one token per `interval` nanoseconds, up to `burst`. */
function fill(bucket: Bucket, now: Time, rate: { readonly interval: number; readonly burst: number }): void {
  bucket.tokens = Math.min(rate.burst, bucket.tokens + (now - bucket.filled) / rate.interval);
  bucket.filled = now;
}
