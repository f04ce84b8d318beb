import type { Duration, Time } from "../../sim/index.ts";

/** What an ACK means to congestion control. */
export interface AckEvent {
  /** Segments newly acknowledged. */
  readonly acked: number;
  readonly now: Time;
  /** The latest round-trip time measured; `undefined` when this ACK gave none. */
  readonly rtt: Duration | undefined;
  /** All segments that were in flight at the start of the last round have now been acknowledged. */
  readonly newRound: boolean;
}

/**
 * A congestion control algorithm: the window in segments, as Linux counts it, and how events change it. What happens to the window during
 * recovery (PRR) and after a timeout (one segment) is the same for all algorithms and lives in recovery.ts; that is why it may be set.
 */
export interface CongestionControl {
  readonly name: "cubic" | "reno";
  /** cwnd */
  window: number;
  /** ssthresh; infinite until the first loss. */
  threshold: number;
  /** Segments were acknowledged outside fast recovery, while the window was what limited sending. */
  onAck(event: AckEvent): void;
  /** A loss episode begins, by duplicate ACKs or timeout: sets the threshold. */
  onLoss(): void;
  /** A timeout: also forgets what was learnt about the path. */
  onTimeout(): void;
  /** The loss was none (Eifel, DSACK): back to the window and threshold before it. */
  onUndo(window: number, threshold: number): void;
  /** Nothing was sent for `idle` while data could have been. */
  onIdle(idle: Duration, now: Time): void;
}

/** Adds to the window in slow start, up to the threshold; returns the acknowledged segments left over (RFC 5681 §3.1, RFC 3465). */
export function slowStart(control: CongestionControl, acked: number): number {
  const window = Math.min(control.window + acked, control.threshold);
  const left = acked - (window - control.window);
  control.window = window;
  return left;
}
