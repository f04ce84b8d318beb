import { type Duration, ms, type Time, toSeconds } from "../../sim/index.ts";
import { type AckEvent, type CongestionControl, slowStart } from "./congestion.ts";
import { HyStart } from "./hystart.ts";

/** RFC 9438 §4.6, §5.1: what the window is multiplied with on a loss, and how steep the cubic is. Linux: 717/1024 and 410/1024. */
const BETA = 717 / 1024;
const C = 410 / 1024;
/** RFC 9438 §4.3: growth of a Reno flow that would get the same share. */
const RENO_GROWTH = (3 * (1 - BETA)) / (1 + BETA);
/** At most half a window more in a round trip; before the first loss at least one segment in twenty (net/ipv4/tcp_cubic.c). */
const FEWEST_ACKS = 2;
const MOST_ACKS_BEFORE_LOSS = 20;

/** RFC 9438, in the shape of Linux's tcp_cubic.c with HyStart. */
export class Cubic implements CongestionControl {
  readonly name = "cubic";
  window: number;
  threshold: number = Number.POSITIVE_INFINITY;
  readonly #hystart = new HyStart();
  /** W_max: the window before the last loss, with fast convergence; 0 before the first. */
  #greatest = 0;
  /** Start of the present stage of congestion avoidance; `undefined` before its first ACK. */
  #epoch: Time | undefined;
  /** The cubic's plateau, and the seconds from the epoch until it is reached (K). */
  #plateau = 0;
  #untilPlateau = 0;
  /** W_est: the window of a Reno flow, and the segments acknowledged towards its growth. */
  #reno = 0;
  #renoAcked = 0;
  #counted = 0;
  #leastRtt = 0;

  constructor(initialWindow: number) {
    this.window = initialWindow;
  }

  onAck(event: AckEvent): void {
    this.#noteRtt(event);
    let left = event.acked;
    if (this.window < this.threshold) {
      left = slowStart(this, left);
      if (left === 0) return;
    }
    this.#grow(this.#acksPerSegment(left, event.now), left);
  }

  onLoss(): void {
    this.#epoch = undefined;
    this.#greatest = this.window < this.#greatest ? (this.window * (1 + BETA)) / 2 : this.window;
    this.threshold = Math.max(Math.floor(this.window * BETA), 2);
  }

  onTimeout(): void {
    this.#epoch = undefined;
    this.#greatest = 0;
    this.#counted = 0;
    this.#leastRtt = 0;
    this.#hystart.restart();
  }

  onUndo(window: number, threshold: number): void {
    this.window = Math.max(this.window, window);
    this.threshold = Math.max(this.threshold, threshold);
  }

  /** Idle time does not count as time since the epoch (RFC 9438 §5.8). */
  onIdle(idle: Duration, now: Time): void {
    if (this.#epoch === undefined) return;
    this.#epoch = Math.min(this.#epoch + idle, now) as Time;
  }

  #noteRtt(event: AckEvent): void {
    const { rtt } = event;
    if (rtt === undefined || rtt <= 0) return;
    // Shortly after a recovery measurements are distorted (`cubictcp_acked`).
    if (this.#epoch !== undefined && event.now - this.#epoch < ms(1000)) return;
    if (this.#leastRtt === 0 || rtt < this.#leastRtt) this.#leastRtt = rtt;
    if (this.window >= this.threshold) return;
    if (this.#hystart.slowStartIsOver(event, this.#leastRtt, this.window)) this.threshold = this.window;
  }

  /** Segments that have to be acknowledged for the window to grow by one (`bictcp_update`). */
  #acksPerSegment(acked: number, now: Time): number {
    this.#renoAcked += acked;
    if (this.#epoch === undefined) this.#startEpoch(now, acked);
    const elapsed = toSeconds((now - (this.#epoch ?? now) + this.#leastRtt) as Duration);
    const target = this.#plateau + C * (elapsed - this.#untilPlateau) ** 3;
    let acks = target > this.window ? this.window / (target - this.window) : 100 * this.window;
    if (this.#greatest === 0) acks = Math.min(acks, MOST_ACKS_BEFORE_LOSS);
    return Math.max(Math.min(acks, this.#acksToKeepUpWithReno()), FEWEST_ACKS);
  }

  #startEpoch(now: Time, acked: number): void {
    this.#epoch = now;
    this.#renoAcked = acked;
    this.#reno = this.window;
    this.#untilPlateau = this.#greatest > this.window ? Math.cbrt((this.#greatest - this.window) / C) : 0;
    this.#plateau = Math.max(this.#greatest, this.window);
  }

  /** RFC 9438 §4.3. */
  #acksToKeepUpWithReno(): number {
    const needed = this.window / RENO_GROWTH;
    const growth = Math.floor(this.#renoAcked / needed);
    this.#renoAcked -= growth * needed;
    this.#reno += growth;
    return this.#reno > this.window ? this.window / (this.#reno - this.window) : Number.POSITIVE_INFINITY;
  }

  #grow(acksPerSegment: number, acked: number): void {
    // What was counted while growth was slow is worth one segment, not a jump (`tcp_cong_avoid_ai`).
    if (this.#counted >= acksPerSegment) {
      this.#counted = 0;
      this.window++;
    }
    this.#counted += acked;
    const growth = Math.floor(this.#counted / acksPerSegment);
    this.#counted -= growth * acksPerSegment;
    this.window += growth;
  }
}
