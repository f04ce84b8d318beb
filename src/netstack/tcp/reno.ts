import type { Duration } from "../../sim/index.ts";
import { type AckEvent, type CongestionControl, slowStart } from "./congestion.ts";

/** RFC 5681: slow start, then one segment a round trip; half the window on a loss. */
export class Reno implements CongestionControl {
  readonly name = "reno";
  window: number;
  threshold: number = Number.POSITIVE_INFINITY;
  /** Segments acknowledged since the window last grew. */
  #counted = 0;

  constructor(initialWindow: number) {
    this.window = initialWindow;
  }

  onAck(event: AckEvent): void {
    let left = event.acked;
    if (this.window < this.threshold) left = slowStart(this, left);
    if (left > 0) this.#avoidCongestion(left);
  }

  onLoss(): void {
    this.threshold = Math.max(this.window >>> 1, 2);
  }

  onTimeout(): void {
    this.#counted = 0;
  }

  onUndo(window: number, threshold: number): void {
    this.window = Math.max(this.window, window);
    this.threshold = Math.max(this.threshold, threshold);
  }

  onIdle(_idle: Duration): void {
    this.#counted = 0;
  }

  #avoidCongestion(acked: number): void {
    this.#counted += acked;
    if (this.#counted < this.window) return;
    const growth = Math.floor(this.#counted / this.window);
    this.#counted -= growth * this.window;
    this.window += growth;
  }
}
