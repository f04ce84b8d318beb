import { after, type Duration, ms, type Time } from "../../sim/index.ts";
import type { Tcb } from "./tcb.ts";
import { arm, disarm } from "./timers.ts";

/** TCP_TIMEOUT_MIN: slack of a tail loss probe. */
const PROBE_SLACK = ms(2);

/** The retransmission timeout, doubled as often as it has expired (RFC 6298 §5.5). */
export function currentTimeout(tcb: Tcb): Duration {
  return Math.min(tcb.rtt.timeout * 2 ** tcb.backoff, tcb.settings.mostTimeout) as Duration;
}

/** Starts the retransmission timer from now. */
export function armRetransmission(tcb: Tcb): void {
  arm(tcb.timer, "retransmit", after(tcb.now, currentTimeout(tcb)));
}

/** Starts the persist timer: the peer's window is closed (RFC 9293 §3.8.6.1). */
export function armProbe(tcb: Tcb): void {
  arm(tcb.timer, "zero-window-probe", after(tcb.now, currentTimeout(tcb)));
}

/** New data was acknowledged: the timer starts over (RFC 6298 §5.3), as a loss probe if there may be one (`tcp_set_xmit_timer`). */
export function restartTimer(tcb: Tcb): void {
  if (!scheduleLossProbe(tcb, "advancing")) rearmRetransmission(tcb);
}

/** `tcp_rearm_rto`: where a probe or reordering timer has used up part of the timeout, only the rest is left. */
export function rearmRetransmission(tcb: Tcb): void {
  const { timer, flight } = tcb;
  const oldest = flight.first;
  if (oldest === undefined) {
    disarm(timer);
    return;
  }
  if (timer.kind !== "reordering" && timer.kind !== "loss-probe") {
    armRetransmission(tcb);
    return;
  }
  const at = after(oldest.sentAt, currentTimeout(tcb));
  arm(timer, "retransmit", Math.max(at, tcb.now + 1) as Time);
}

/** RFC 8985 §7.2 (`tcp_schedule_loss_probe`): twice the round-trip time after the last segment went out, the last one is sent again. */
export function scheduleLossProbe(tcb: Tcb, cause: "sending" | "advancing" = "sending"): boolean {
  const { flight, rtt, recovery, settings, timer } = tcb;
  const oldest = flight.first;
  const isCalm = recovery.phase === "open" || recovery.phase === "cwr";
  if (oldest === undefined || !tcb.sackPermitted || !isCalm || !settings.tailProbes) return false;
  const slack = flight.count === 1 ? settings.leastTimeout : PROBE_SLACK;
  const wait = rtt.smoothed === undefined ? settings.initialTimeout : 2 * rtt.smoothed + slack;
  const timeout = currentTimeout(tcb);
  const untilTimeout = cause === "advancing" ? timeout : oldest.sentAt + timeout - tcb.now;
  const delay = untilTimeout > 0 ? Math.min(wait, untilTimeout) : wait;
  arm(timer, "loss-probe", after(tcb.now, delay as Duration));
  return true;
}
