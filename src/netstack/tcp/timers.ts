import type { Time } from "../../sim/index.ts";

/**
 * The connection's one timer (RFC 9293 §3.8.1, §3.8.6.1; RFC 8985 §5.4, §7): what it waits for, and until when. As it is one value, two of
 * them cannot run at once.
 */
export type TimerKind =
  | "idle"
  | "retransmit"
  | "zero-window-probe"
  | "reordering"
  | "loss-probe"
  | "fin-wait-2"
  | "time-wait";

export interface ConnectionTimer {
  kind: TimerKind;
  /** Meaningless while idle. */
  at: Time;
}

export function idleTimer(): ConnectionTimer {
  return { kind: "idle", at: 0 as Time };
}

export function arm(timer: ConnectionTimer, kind: Exclude<TimerKind, "idle">, at: Time): void {
  timer.kind = kind;
  timer.at = at;
}

export function disarm(timer: ConnectionTimer): void {
  timer.kind = "idle";
}

/** The earlier of two moments, either of which may be absent. */
export function earlier(a: Time | undefined, b: Time | undefined): Time | undefined {
  if (a === undefined) return b;
  return b === undefined || a <= b ? a : b;
}
