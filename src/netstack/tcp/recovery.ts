import type { AckDigest } from "./ack-digest.ts";
import type { Flown } from "./flight.ts";
import { markLostByRack, newRack, type Rack } from "./rack.ts";
import { sendMss } from "./segment-size.ts";
import { isAfter, isBefore, type Seq, seqDiff } from "./seq.ts";
import type { Tcb } from "./tcb.ts";

/** Where loss recovery stands: Linux's CA states. In `cwr` the window is being reduced for a mark (RFC 3168), and nothing is lost. */
export type RecoveryPhase = "open" | "disorder" | "cwr" | "recovery" | "loss";

/** What recovery from losses has to remember (`tcp_fastretrans_alert`, net/ipv4/tcp_input.c). */
export interface Recovery {
  phase: RecoveryPhase;
  /** SND.NXT when the phase began: recovery ends when it is acknowledged (RFC 6675's RecoveryPoint). */
  recoveryPoint: Seq;
  /** SND.UNA when the window was cut; `undefined` when there is nothing to undo. */
  undoMark: Seq | undefined;
  /** Repetitions not yet reported as unnecessary; −1 before the first. At 0 all were unnecessary. */
  undoCount: number;
  /** Window and threshold before they were cut; a threshold of 0 means that they are not to come back. */
  priorWindow: number;
  priorThreshold: number;
  /** RFC 6937: segments delivered and sent since recovery began. */
  prrDelivered: number;
  prrOut: number;
  /** Our timestamp clock at the first repetition, for Eifel detection (RFC 3522). */
  repeatedAt: number | undefined;
  /** Repetitions in all. */
  repetitions: number;
  /** How many segments a segment may be late by and is not yet lost; duplicate ACKs that are taken for a loss (RFC 5681 §3.2). */
  reordering: number;
  reorderingSeen: boolean;
  /** The spurious-timeout test may still apply (RFC 5682). */
  timeoutInDoubt: boolean;
  /** Segments known to have reached the peer. */
  delivered: number;
  /** End of the highest segment the peer has selectively acknowledged. */
  highestSacked: Seq;
  readonly rack: Rack;
  /** SND.NXT when a tail loss probe went out, and whether it repeated a segment. */
  tailProbeEnd: Seq | undefined;
  tailProbeRepeated: boolean;
  /** The present round trip ends when this is acknowledged. */
  roundEnd: Seq;
}

export function newRecovery(iss: Seq, reordering: number): Recovery {
  return {
    phase: "open",
    recoveryPoint: iss,
    undoMark: undefined,
    undoCount: -1,
    priorWindow: 0,
    priorThreshold: 0,
    prrDelivered: 0,
    prrOut: 0,
    repeatedAt: undefined,
    repetitions: 0,
    reordering,
    reorderingSeen: false,
    timeoutInDoubt: false,
    delivered: 0,
    highestSacked: iss,
    rack: newRack(),
    tailProbeEnd: undefined,
    tailProbeRepeated: false,
    roundEnd: iss,
  };
}

/** The window is being reduced segment by segment (PRR). */
export function inReduction(recovery: Recovery): boolean {
  return recovery.phase === "recovery" || recovery.phase === "cwr";
}

/** Something is missing, repeated or out of order, so that an ACK needs a closer look. */
export function needsAttention(tcb: Tcb, digest: AckDigest): boolean {
  const { sacked, duplicate, duplicateReported, echoed } = digest;
  return tcb.recovery.phase !== "open" || sacked > 0 || duplicate || duplicateReported || echoed;
}

/** Moves recovery on by one ACK (`tcp_fastretrans_alert`): leave a phase, find losses, enter one. */
export function recoverWith(tcb: Tcb, digest: AckDigest): void {
  const { recovery } = tcb;
  // A window cut for a mark stays so (`tcp_fastretrans_alert`, step A).
  if (digest.echoed) recovery.priorThreshold = 0;
  if (isOver(tcb) && finishRecovery(tcb)) return;
  if (recovery.phase === "recovery") return continueRecovery(tcb, digest);
  if (recovery.phase === "loss" && !continueAfterTimeout(tcb, digest)) return;
  if (!tcb.sackPermitted) {
    if (digest.advanced) forgetDuplicates(tcb);
    if (digest.duplicate) addDuplicate(tcb);
  }
  if (recovery.phase !== "loss") undoByReport(tcb);
  identifyLosses(tcb, digest);
  if (tcb.flight.lost > 0) {
    enterRecovery(tcb);
    if (digest.echoed) recovery.priorThreshold = 0;
    return;
  }
  if (digest.echoed) enterCwr(tcb);
  tryToOpen(tcb);
}

/** Everything sent before the phase began is acknowledged; in `cwr` more than that, so that the peer has heard CWR. */
function isOver({ recovery, snd }: Tcb): boolean {
  if (recovery.phase === "open" || recovery.phase === "disorder") return false;
  return recovery.phase === "cwr"
    ? isAfter(snd.una, recovery.recoveryPoint)
    : !isBefore(snd.una, recovery.recoveryPoint);
}

/** A mark counts as a loss of which nothing has to be repeated: once a round trip the window is cut (RFC 3168 §6.1.2, `tcp_enter_cwr`). */
function enterCwr(tcb: Tcb): void {
  const { recovery } = tcb;
  if (recovery.phase !== "open" && recovery.phase !== "disorder") return;
  recovery.undoMark = undefined;
  beginReduction(tcb);
  recovery.phase = "cwr";
}

/** `tcp_init_cwnd_reduction`. */
function beginReduction(tcb: Tcb): void {
  const { recovery, congestion } = tcb;
  recovery.recoveryPoint = tcb.snd.nxt;
  recovery.tailProbeEnd = undefined;
  recovery.priorWindow = congestion.window;
  recovery.prrDelivered = 0;
  recovery.prrOut = 0;
  congestion.onLoss();
  tcb.ecn.tellsReduction = true;
}

/** Everything outstanding at the start is acknowledged. True when nothing more is to be done for this ACK. */
function finishRecovery(tcb: Tcb): boolean {
  const { recovery, congestion } = tcb;
  if (mayUndo(tcb)) undo(tcb, "keep-marks");
  else if (recovery.rack.persist > 0) recovery.rack.persist--;
  // Without SACK, wait until more is acknowledged, or old duplicates would start another recovery (RFC 6582 §4).
  if (!tcb.sackPermitted && recovery.phase !== "cwr" && tcb.snd.una === recovery.recoveryPoint) {
    forgetDuplicates(tcb);
    return true;
  }
  const reduced = recovery.phase === "cwr" || (recovery.phase === "recovery" && recovery.undoMark !== undefined);
  if (reduced && congestion.threshold < Number.POSITIVE_INFINITY) congestion.window = congestion.threshold;
  forgetDuplicates(tcb);
  recovery.phase = "open";
  recovery.timeoutInDoubt = false;
  return false;
}

function continueRecovery(tcb: Tcb, digest: AckDigest): void {
  if (!digest.advanced) {
    if (!tcb.sackPermitted && digest.duplicate) addDuplicate(tcb);
  } else if (undoPartially(tcb, digest)) {
    return;
  }
  if (undoByReport(tcb)) {
    tryToOpen(tcb);
    return;
  }
  identifyLosses(tcb, digest);
}

/** After a timeout. False when this ACK needs no search for further losses. */
function continueAfterTimeout(tcb: Tcb, digest: AckDigest): boolean {
  const { recovery } = tcb;
  if (digest.advanced && mayUndo(tcb)) {
    undoTimeout(tcb);
    return true;
  }
  if (recovery.timeoutInDoubt) {
    // RFC 5682 §3.1 step 3b: data sent once has arrived, so not all was lost.
    if (digest.originalAcked) {
      undoTimeout(tcb);
      return true;
    }
    recovery.timeoutInDoubt = !isAfter(tcb.snd.nxt, recovery.recoveryPoint) && !digest.advanced;
  }
  if (!tcb.sackPermitted) {
    if (digest.advanced) forgetDuplicates(tcb);
    else if (digest.duplicate && isAfter(tcb.snd.nxt, recovery.recoveryPoint)) addDuplicate(tcb);
  } else {
    identifyLosses(tcb, digest);
  }
  return false;
}

function undoTimeout(tcb: Tcb): void {
  undo(tcb, "clear-marks");
  tcb.timeouts = 0;
  tcb.recovery.phase = "open";
  tcb.recovery.timeoutInDoubt = false;
}

/** Fast recovery begins (RFC 6675 §5, RFC 6582 §3.2). */
export function enterRecovery(tcb: Tcb): void {
  const { recovery } = tcb;
  if (recovery.phase === "recovery" || recovery.phase === "loss") return;
  markForUndo(tcb);
  if (recovery.phase !== "cwr") {
    rememberWindow(tcb);
    beginReduction(tcb);
  }
  recovery.phase = "recovery";
}

/** The retransmission timer has expired (`tcp_enter_loss`): what is not known to have arrived is lost, and one segment goes out. */
export function enterLoss(tcb: Tcb): void {
  const { recovery, flight, congestion } = tcb;
  const fresh = recovery.phase !== "recovery" && recovery.phase !== "loss";
  if (fresh && flight.sacked >= recovery.reordering) {
    recovery.reordering = Math.min(recovery.reordering, tcb.settings.reordering);
  }
  markAllLost(tcb);
  const isCut =
    recovery.phase === "cwr" || recovery.phase === "recovery" || (recovery.phase === "loss" && tcb.timeouts > 0);
  if (!isCut || !isAfter(recovery.recoveryPoint, tcb.snd.una)) {
    markForUndo(tcb);
    rememberWindow(tcb);
    congestion.onLoss();
  }
  tcb.ecn.tellsReduction = true;
  congestion.onTimeout();
  congestion.window = flight.inNetwork + 1;
  recovery.phase = "loss";
  recovery.recoveryPoint = tcb.snd.nxt;
  recovery.tailProbeEnd = undefined;
  recovery.timeoutInDoubt = tcb.settings.doubtsTimeouts && (fresh || tcb.timeouts > 0);
}

function markAllLost(tcb: Tcb): void {
  const { flight, recovery } = tcb;
  // The peer has dropped what it had acknowledged selectively, as RFC 2018 §8 allows: nothing of it can be relied on.
  const reneged = flight.first?.sacked === true;
  if (!tcb.sackPermitted) forgetDuplicates(tcb);
  for (let index = 0; index < flight.count; index++) {
    const record = flight.at(index) as Flown;
    if (reneged) flight.clearSacked(record);
    if (record.sacked) continue;
    if (index > 0 && tcb.sackPermitted && isRecent(tcb, record)) continue;
    flight.markLost(record);
  }
  if (reneged) recovery.highestSacked = tcb.snd.una;
}

/** Sent less than a round trip ago: may well be on the way (RFC 8985 §6.3). */
function isRecent(tcb: Tcb, record: Flown): boolean {
  return tcb.now - record.sentAt < tcb.recovery.rack.rtt;
}

function rememberWindow({ recovery, congestion }: Tcb): void {
  recovery.priorWindow = congestion.window;
  recovery.priorThreshold = congestion.threshold;
}

function markForUndo(tcb: Tcb): void {
  const { recovery, flight } = tcb;
  recovery.undoMark = tcb.snd.una;
  const probing = recovery.tailProbeEnd !== undefined && recovery.tailProbeRepeated ? 1 : 0;
  recovery.undoCount = flight.repeating + probing || -1;
}

/** RFC 6937 (`tcp_cwnd_reduction`): the window during recovery, so that as much goes out as the new threshold allows for what arrived. */
export function reduceProportionally(tcb: Tcb, digest: AckDigest, lost: number): void {
  const { recovery, congestion, flight } = tcb;
  if (digest.delivered <= 0 || recovery.priorWindow === 0) return;
  recovery.prrDelivered += digest.delivered;
  const room = congestion.threshold - flight.inNetwork;
  let count: number;
  if (room < 0) {
    count = Math.ceil((congestion.threshold * recovery.prrDelivered) / recovery.priorWindow) - recovery.prrOut;
  } else {
    count = Math.max(recovery.prrDelivered - recovery.prrOut, digest.delivered);
    if (digest.advanced && lost === 0) count++;
    count = Math.min(room, count);
  }
  count = Math.max(count, recovery.prrOut > 0 ? 0 : 1);
  congestion.window = flight.inNetwork + count;
}

/** Finds segments to be taken for lost (`tcp_identify_packet_loss`). */
function identifyLosses(tcb: Tcb, digest: AckDigest): void {
  if (tcb.sackPermitted) {
    markLostByRack(tcb);
    return;
  }
  const { recovery, flight } = tcb;
  const oldest = flight.first;
  if (oldest === undefined) return;
  const enough = recovery.phase !== "recovery" && recovery.phase !== "loss" && flight.sacked >= recovery.reordering;
  const partial = recovery.phase === "recovery" && digest.advanced;
  if ((enough || partial) && !oldest.lost) flight.markLost(oldest);
}

/** Without SACK, a duplicate ACK stands for one segment that has arrived out of order (RFC 5681 §3.2 step 4). */
function addDuplicate(tcb: Tcb): void {
  const { flight, recovery } = tcb;
  if (flight.sacked + flight.lost >= flight.count) return;
  flight.sacked++;
  recovery.delivered++;
}

function forgetDuplicates(tcb: Tcb): void {
  if (!tcb.sackPermitted) tcb.flight.sacked = 0;
}

function tryToOpen(tcb: Tcb): void {
  const { recovery, flight } = tcb;
  if (recovery.phase !== "open" && recovery.phase !== "disorder") return;
  const anythingRepeated = flight.repeating > 0 || flight.first?.repeated === true;
  if (!anythingRepeated) recovery.repeatedAt = undefined;
  const phase = flight.sacked + flight.lost > 0 || anythingRepeated ? "disorder" : "open";
  if (phase === recovery.phase) return;
  recovery.phase = phase;
  recovery.recoveryPoint = tcb.snd.nxt;
}

/** All repetitions were unnecessary, or an ACK answers a segment sent before the first of them (`tcp_may_undo`). */
function mayUndo(tcb: Tcb): boolean {
  const { recovery } = tcb;
  return recovery.undoMark !== undefined && (recovery.undoCount === 0 || answersOriginal(tcb));
}

/** Eifel detection (RFC 3522, `tcp_packet_delayed`). */
function answersOriginal(tcb: Tcb): boolean {
  const { repeatedAt } = tcb.recovery;
  if (repeatedAt === undefined || !tcb.timestamps.on) return false;
  const { echo } = tcb.timestamps;
  return echo !== 0 && ((echo - repeatedAt) | 0) < 0;
}

/** A hole was filled by a segment that was only late, not by its repetition (`tcp_try_undo_partial`). */
function undoPartially(tcb: Tcb, digest: AckDigest): boolean {
  if (tcb.recovery.undoMark === undefined || !answersOriginal(tcb)) return false;
  noteReordering(tcb, digest.priorUna);
  if (tcb.flight.repeating > 0) return true;
  undo(tcb, "clear-marks");
  tcb.recovery.phase = "disorder";
  tryToOpen(tcb);
  return false;
}

/** Reports of data received twice cover all repetitions (RFC 3708, `tcp_try_undo_dsack`). */
function undoByReport(tcb: Tcb): boolean {
  const { recovery } = tcb;
  if (recovery.undoMark === undefined || recovery.undoCount !== 0) return false;
  undo(tcb, "keep-marks");
  if (recovery.phase === "recovery") recovery.phase = "disorder";
  return true;
}

function undo(tcb: Tcb, marks: "keep-marks" | "clear-marks"): void {
  const { recovery, flight, congestion } = tcb;
  if (marks === "clear-marks") {
    for (let index = 0; index < flight.count; index++) flight.clearLost(flight.at(index) as Flown);
  }
  if (recovery.priorThreshold > 0) congestion.onUndo(recovery.priorWindow, recovery.priorThreshold);
  recovery.undoMark = undefined;
  recovery.rack.advanced = true;
}

/** A segment numbered `low` arrived after others that were sent later (`tcp_check_sack_reordering`). */
export function noteReordering(tcb: Tcb, low: Seq): void {
  const { recovery } = tcb;
  const highest = tcb.flight.sacked > 0 || isAfter(recovery.highestSacked, low) ? recovery.highestSacked : low;
  if (!isBefore(low, highest)) return;
  const distance = Math.ceil(seqDiff(highest, low) / sendMss(tcb));
  if (distance > recovery.reordering) recovery.reordering = Math.min(distance, tcb.settings.mostReordering);
  recovery.reorderingSeen = true;
}
