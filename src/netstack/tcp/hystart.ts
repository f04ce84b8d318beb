import { ms, type Time } from "../../sim/index.ts";
import type { AckEvent } from "./congestion.ts";

/** Below this window HyStart stays out of the way. */
const LEAST_WINDOW = 16;
/** Measurements at the start of a round that are compared. */
const SAMPLES = 8;
const LEAST_RISE: number = ms(4);
const MOST_RISE: number = ms(16);
/** ACKs that come closer than this form one train. */
const TRAIN_GAP: number = ms(2);

/**
 * Ends slow start before it loses segments, as tcp_cubic.c does: when a round trip's first measurements are higher than the least seen, or
 * when an uninterrupted train of ACKs is half a round trip long.
 */
export class HyStart {
  #roundStart: Time | undefined;
  #lastAck: Time = 0 as Time;
  #samples = 0;
  #roundLeast = Number.POSITIVE_INFINITY;

  restart(): void {
    this.#roundStart = undefined;
  }

  /** Takes in an ACK with a measured round-trip time, during slow start. */
  slowStartIsOver(event: AckEvent, leastRtt: number, window: number): boolean {
    if (this.#roundStart === undefined || event.newRound) this.#startRound(event.now);
    if (window < LEAST_WINDOW) return false;
    return this.#trainIsLong(event.now, leastRtt) || this.#delayHasRisen(event, leastRtt);
  }

  #startRound(now: Time): void {
    this.#roundStart = now;
    this.#lastAck = now;
    this.#samples = 0;
    this.#roundLeast = Number.POSITIVE_INFINITY;
  }

  #trainIsLong(now: Time, leastRtt: number): boolean {
    if (now - this.#lastAck > TRAIN_GAP) return false;
    this.#lastAck = now;
    return now - (this.#roundStart ?? now) > leastRtt / 2;
  }

  #delayHasRisen(event: AckEvent, leastRtt: number): boolean {
    const rtt = event.rtt ?? Number.POSITIVE_INFINITY;
    if (rtt < this.#roundLeast) this.#roundLeast = rtt;
    if (this.#samples < SAMPLES) {
      this.#samples++;
      return false;
    }
    const rise = Math.min(Math.max(leastRtt / 8, LEAST_RISE), MOST_RISE);
    return this.#roundLeast > leastRtt + rise;
  }
}
