import { after } from "../../sim/index.ts";
import { emptyDigest } from "./ack-digest.ts";
import { delayedAckDue } from "./delayed-ack.ts";
import { repeatSyn } from "./handshake.ts";
import { keepAliveDue } from "./keep-alive.ts";
import { detectLosses, waitForReordered } from "./rack.ts";
import { enterLoss, enterRecovery, inReduction, reduceProportionally } from "./recovery.ts";
import { finish, move, type Tcb } from "./tcb.ts";
import { arm, disarm } from "./timers.ts";
import { armProbe, armRetransmission, currentTimeout, rearmRetransmission } from "./transmission-timer.ts";

/** Enough for more than 100 s with the least timeout. */
const ORPHAN_RETRIES = 8;

/** Does what has become due. What is to be sent for it is put into the outbox or comes from the next look for segments. */
export function handleTimeouts(tcb: Tcb): void {
  const { timer, ack } = tcb;
  if (timer.kind !== "idle" && timer.at <= tcb.now) timerDue(tcb);
  if (ack.deadline !== undefined && ack.deadline <= tcb.now) delayedAckDue(tcb);
  if (tcb.keepAliveAt !== undefined && tcb.keepAliveAt <= tcb.now) keepAliveDue(tcb);
}

function timerDue(tcb: Tcb): void {
  switch (tcb.timer.kind) {
    case "retransmit":
      return retransmissionDue(tcb);
    case "zero-window-probe":
      return probeDue(tcb);
    case "loss-probe":
      return tailProbeDue(tcb);
    case "reordering":
      return reorderingDue(tcb);
    case "fin-wait-2":
      return finish(tcb, "closed");
    case "time-wait":
      move(tcb, "2msl");
      return;
    case "idle":
      return;
  }
}

/** RFC 6298 §5.4 to §5.7 (`tcp_retransmit_timer`). */
function retransmissionDue(tcb: Tcb): void {
  if (tcb.flight.count === 0) {
    disarm(tcb.timer);
    return;
  }
  if (hasGivenUp(tcb)) {
    finish(tcb, tcb.softError ?? "timed-out");
    return;
  }
  if (tcb.timeouts === 0) tcb.firstTimeoutAt = tcb.now;
  const opening = tcb.state === "syn-sent" || tcb.state === "syn-received";
  if (opening) repeatSyn(tcb);
  else enterLoss(tcb);
  tcb.timeouts++;
  if (tcb.state !== "syn-sent" || tcb.timeouts > tcb.settings.synLinearTimeouts) tcb.backoff++;
  armRetransmission(tcb);
}

/** `tcp_write_timeout`: SYN and SYN-ACK are counted, everything else is given as much time as its number of retries would take. */
function hasGivenUp(tcb: Tcb): boolean {
  const { settings, state, timeouts } = tcb;
  if (state === "syn-sent") return timeouts >= settings.synRetries + settings.synLinearTimeouts;
  if (state === "syn-received") return timeouts >= (tcb.passive ? settings.synAckRetries : settings.synRetries);
  if (timeouts === 0) return false;
  if (tcb.snd.wnd === 0 && !tcb.orphaned) return peerIsGone(tcb);
  const isShort = currentTimeout(tcb) < settings.mostTimeout;
  const retries = tcb.orphaned ? orphanRetries(tcb, isShort) : settings.retries;
  return tcb.now - tcb.firstTimeoutAt >= patience(tcb, retries);
}

/** The peer has taken back a window over data that was sent: repetitions are probes then, and go on while it answers (`tcp_rtx_probe0_timed_out`). */
function peerIsGone(tcb: Tcb): boolean {
  const most = 2 * tcb.settings.mostTimeout;
  return tcb.now - tcb.heardAt > most && tcb.now - tcb.firstTimeoutAt > most;
}

/** How often something is tried again for a connection that its program has let go of (`tcp_orphan_retries`). */
function orphanRetries({ settings, softError }: Tcb, timeoutIsShort: boolean): number {
  if (timeoutIsShort) return settings.orphanRetries || ORPHAN_RETRIES;
  return softError === undefined ? settings.orphanRetries : 0;
}

/** The time that `retries` doublings of the least timeout take, bounded by the greatest (`retransmits_timed_out`). */
function patience(tcb: Tcb, retries: number): number {
  const { leastTimeout, mostTimeout } = tcb.settings;
  const doublings = Math.floor(Math.log2(mostTimeout / leastTimeout));
  if (retries <= doublings) return (2 ** (retries + 1) - 1) * leastTimeout;
  return (2 ** (doublings + 1) - 1) * leastTimeout + (retries - doublings) * mostTimeout;
}

/**
 * The peer's window is still closed (`tcp_probe_timer`). While it answers probes, they go on for ever (RFC 9293 §3.8.6.1), but not for a connection that its program
 * has let go of: a peer could keep as many as it likes.
 */
function probeDue(tcb: Tcb): void {
  const { settings, backoff } = tcb;
  const isShort = tcb.rtt.timeout * 2 ** backoff < settings.mostTimeout;
  const most = tcb.orphaned ? orphanRetries(tcb, isShort) : settings.retries;
  if (tcb.probes >= most || (tcb.orphaned && !isShort && backoff >= most)) {
    finish(tcb, tcb.softError ?? "timed-out");
    return;
  }
  tcb.probes++;
  tcb.probe = "window";
  if (tcb.backoff < settings.retries) tcb.backoff++;
  armProbe(tcb);
}

/** RFC 8985 §7.3: one probe per episode, then the retransmission timer. */
function tailProbeDue(tcb: Tcb): void {
  if (tcb.recovery.tailProbeEnd === undefined && tcb.flight.count > 0) {
    tcb.probe = "tail";
    arm(tcb.timer, "retransmit", after(tcb.now, currentTimeout(tcb)));
  } else {
    rearmRetransmission(tcb);
  }
}

/** RFC 8985 §6.3 (`tcp_rack_reo_timeout`): what has not arrived by now is lost. */
function reorderingDue(tcb: Tcb): void {
  const { flight, recovery, snd } = tcb;
  const lostBefore = flight.lost;
  const wait = detectLosses(tcb);
  if (flight.lost > lostBefore) {
    enterRecovery(tcb);
    if (inReduction(recovery)) reduceProportionally(tcb, emptyDigest(snd.una, 1), flight.lost - lostBefore);
  }
  if (!waitForReordered(tcb, wait)) rearmRetransmission(tcb);
}
