import { type Duration, nanoseconds } from "../../sim/index.ts";
import { isAfter, type Seq } from "./seq.ts";

/** Bounds and start of the timeout (RFC 6298 §2; Linux's TCP_RTO_MIN, TCP_RTO_MAX, TCP_TIMEOUT_INIT). */
export interface TimeoutBounds {
  readonly initialTimeout: Duration;
  readonly leastTimeout: Duration;
  readonly mostTimeout: Duration;
}

/**
 * Round-trip time and retransmission timeout, RFC 6298 in Linux's variant (`tcp_rtt_estimator`, net/ipv4/tcp_input.c): the variation
 * counts with at least 200 ms, so that the timeout is SRTT + max(200 ms, 4 · RTTVAR), and it falls at most once a round trip.
 */
export class RttEstimator {
  readonly #bounds: TimeoutBounds;
  #smoothed: number | undefined;
  /** Four times the mean deviation. */
  #deviation = 0;
  /** Greatest deviation within this round trip. */
  #greatest = 0;
  #variation = 0;
  #roundEnd: Seq | undefined;
  #least = Number.POSITIVE_INFINITY;
  #base: number;

  constructor(bounds: TimeoutBounds) {
    this.#bounds = bounds;
    this.#base = bounds.initialTimeout;
  }

  /** SRTT; `undefined` before the first measurement. */
  get smoothed(): Duration | undefined {
    return this.#smoothed === undefined ? undefined : nanoseconds(this.#smoothed);
  }

  get variation(): Duration {
    return nanoseconds(this.#variation / 4);
  }

  /** The least round-trip time seen; infinite before the first measurement. */
  get least(): number {
    return this.#least;
  }

  /** The retransmission timeout without back-off. */
  get timeout(): Duration {
    return this.#base as Duration;
  }

  /** Takes in one measurement of a segment that was sent once (Karn) or identified by its timestamp. */
  measure(sample: number, una: Seq, next: Seq): void {
    const measured = Math.max(sample, 1);
    if (measured < this.#least) this.#least = measured;
    if (this.#smoothed === undefined) {
      this.#smoothed = measured;
      this.#deviation = 2 * measured;
      this.#variation = Math.max(this.#deviation, this.#bounds.leastTimeout);
      this.#greatest = this.#variation;
      this.#roundEnd = next;
    } else {
      this.#update(this.#smoothed, measured);
      this.#decay(una, next);
    }
    const timeout = (this.#smoothed ?? measured) + this.#variation;
    this.#base = Math.round(Math.min(timeout, this.#bounds.mostTimeout));
  }

  /** A SYN had to be repeated and nothing could be measured: TCP_TIMEOUT_FALLBACK, 3 s (RFC 6298 §5.7). */
  fallBack(timeout: Duration): void {
    if (this.#smoothed === undefined) this.#base = timeout;
  }

  #update(smoothed: number, measured: number): void {
    const error = measured - smoothed;
    this.#smoothed = smoothed + error / 8;
    let change = Math.abs(error) - this.#deviation / 4;
    // A round trip that got shorter must not raise the timeout quickly: an eighth of the usual gain (as in Linux, after Eifel).
    if (error < 0 && change > 0) change /= 8;
    this.#deviation += change;
    if (this.#deviation > this.#greatest) {
      this.#greatest = this.#deviation;
      if (this.#greatest > this.#variation) this.#variation = this.#greatest;
    }
  }

  /** Once a round trip: lets the variation fall a quarter of the way to this round's greatest deviation. */
  #decay(una: Seq, next: Seq): void {
    if (this.#roundEnd !== undefined && !isAfter(una, this.#roundEnd)) return;
    if (this.#greatest < this.#variation) this.#variation -= (this.#variation - this.#greatest) / 4;
    this.#roundEnd = next;
    this.#greatest = this.#bounds.leastTimeout;
  }
}
