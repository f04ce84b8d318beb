import type { Duration } from "../../sim/index.ts";
import { TcpFlag } from "../wire/tcp.ts";
import { type AckDigest, newDigest } from "./ack-digest.ts";
import { challenge } from "./challenge.ts";
import { isEcho } from "./ecn.ts";
import type { Flown } from "./flight.ts";
import { adaptReorderingWindow, advanceRack } from "./rack.ts";
import type { Verdict } from "./receive.ts";
import { inReduction, needsAttention, noteReordering, recoverWith, reduceProportionally } from "./recovery.ts";
import { noteOvertaken, noteSacks } from "./scoreboard.ts";
import { has, type Segment } from "./segment.ts";
import { windowWasUsed } from "./send.ts";
import { noteRoom } from "./send-buffer.ts";
import { isAfter, isBefore, type Seq, seqAdd, seqDiff } from "./seq.ts";
import { sinceTimestamp, type Tcb } from "./tcb.ts";
import { disarm } from "./timers.ts";
import { armProbe, restartTimer } from "./transmission-timer.ts";

/** Whether the acknowledgment can be this peer's; nothing is believed of a segment for which it cannot. */
export function checkAcknowledgment(tcb: Tcb, { acknowledgment }: Segment): Verdict {
  const { snd } = tcb;
  if (isAfter(acknowledgment, snd.nxt)) {
    challenge(tcb);
    return "tcp-ack-of-unsent-data";
  }
  // RFC 5961 §5: an ACK older than any window, or than all that was ever acknowledged, is not from this conversation.
  if (isBefore(acknowledgment, seqAdd(snd.una, -Math.min(snd.mostWnd, snd.acked)))) {
    challenge(tcb);
    return "tcp-ack-too-old";
  }
  return "continue";
}

/** RFC 9293 §3.10.7.4, fifth step, in a synchronized state: what does the peer acknowledge, and what may be sent now? */
export function processAck(tcb: Tcb, segment: Segment): void {
  const { snd } = tcb;
  const { acknowledgment } = segment;
  tcb.probes = 0;
  const digest = newDigest(snd.una, tcb.recovery.highestSacked, isAfter(acknowledgment, snd.una));
  digest.echoed = isEcho(tcb, segment);
  const deliveredBefore = tcb.recovery.delivered;
  const windowChanged = isBefore(acknowledgment, snd.una) ? false : updateWindow(tcb, segment);
  noteSacks(tcb, segment, digest);
  if (digest.advanced) advance(tcb, acknowledgment, digest);
  else digest.duplicate = isDuplicate(tcb, segment, windowChanged);
  noteOvertaking(tcb, digest);
  const rtt = measureRoundTrip(tcb, digest);
  digest.delivered = tcb.recovery.delivered - deliveredBefore;
  adaptReorderingWindow(tcb, deliveredBefore);
  tcb.recovery.rack.waiting = false;
  judge(tcb, segment, digest, rtt);
  if (digest.advanced && !tcb.recovery.rack.waiting) restartTimer(tcb);
  if (tcb.flight.count === 0) answerProbe(tcb);
  noteRoom(tcb);
}

/** SND.WND <- SEG.WND unless the segment is older than the last that set it (`tcp_may_update_window`). */
function updateWindow(tcb: Tcb, segment: Segment): boolean {
  const { snd } = tcb;
  const window = segment.window << snd.shift;
  const newer = isAfter(segment.acknowledgment, snd.una) || isAfter(segment.sequence, snd.wl1);
  if (!newer && (segment.sequence !== snd.wl1 || window <= snd.wnd)) return false;
  snd.wl1 = segment.sequence;
  if (window === snd.wnd) return false;
  snd.wnd = window;
  snd.mostWnd = Math.max(snd.mostWnd, window);
  return true;
}

/** RFC 5681 §2: no data, no FIN, no news about the window, data outstanding. */
function isDuplicate(tcb: Tcb, segment: Segment, windowChanged: boolean): boolean {
  if (segment.length > 0 || windowChanged || tcb.flight.count === 0) return false;
  return segment.acknowledgment === tcb.snd.una && !has(segment, TcpFlag.fin);
}

/** Takes acknowledged segments off the scoreboard and acknowledged bytes out of the queue (`tcp_clean_rtx_queue`). */
function advance(tcb: Tcb, acknowledgment: Seq, digest: AckDigest): void {
  const { snd, flight, sendQueue, recovery } = tcb;
  snd.acked += seqDiff(acknowledgment, snd.una);
  snd.una = acknowledgment;
  tcb.timeouts = 0;
  let acked = 0;
  for (let record = flight.first; record !== undefined; record = flight.first) {
    if (isAfter(record.end, acknowledgment)) {
      if (isAfter(acknowledgment, record.start)) record.start = acknowledgment;
      break;
    }
    noteAcked(tcb, record, digest);
    flight.shift();
    acked++;
  }
  if (!tcb.sackPermitted) countWithoutSack(tcb, acked);
  if (isBefore(recovery.highestSacked, acknowledgment)) recovery.highestSacked = acknowledgment;
  const data = Math.min(seqDiff(acknowledgment, sendQueue.first), sendQueue.length);
  if (data > 0) sendQueue.drop(data);
}

function noteAcked(tcb: Tcb, record: Flown, digest: AckDigest): void {
  const { recovery } = tcb;
  if (record.repeated) {
    digest.repeatedAcked = true;
  } else if (!record.sacked) {
    digest.oldestSentAt ??= record.sentAt;
    digest.newestSentAt = record.sentAt;
    if (tcb.sackPermitted && isBefore(record.start, digest.priorHighest)) noteOvertaken(digest, record.start);
    if (!isAfter(record.end, recovery.recoveryPoint)) digest.originalAcked = true;
  }
  if (!tcb.sackPermitted || record.sacked) return;
  recovery.delivered++;
  advanceRack(tcb, record);
}

/** Duplicate ACKs counted before stand for segments that this ACK covers (`tcp_remove_reno_sacks`). */
function countWithoutSack(tcb: Tcb, acked: number): void {
  const { flight, recovery } = tcb;
  if (acked === 0) return;
  recovery.delivered += Math.max(acked - flight.sacked, 1);
  flight.sacked = Math.min(Math.max(flight.sacked - (acked - 1), 0), flight.count);
}

function noteOvertaking(tcb: Tcb, digest: AckDigest): void {
  if (digest.overtaken === undefined) return;
  if (tcb.recovery.phase !== "loss" || tcb.recovery.undoMark !== undefined) noteReordering(tcb, digest.overtaken);
}

/**
 * Karn's rule and RFC 7323 §4.1: from segments sent once, else from the timestamp echoed with an ACK of new data. The timeout is computed
 * from the oldest segment acknowledged, what is returned for congestion control from the newest.
 */
function measureRoundTrip(tcb: Tcb, digest: AckDigest): Duration | undefined {
  const { now } = tcb;
  let sample: number | undefined;
  let newest: number | undefined;
  if (digest.oldestSentAt !== undefined && !digest.repeatedAcked) {
    sample = now - digest.oldestSentAt;
    newest = now - (digest.newestSentAt ?? digest.oldestSentAt);
  } else if (digest.sackedSentAt !== undefined) {
    sample = now - digest.sackedSentAt;
  } else if (digest.advanced && tcb.timestamps.on && tcb.timestamps.echo !== 0) {
    sample = sinceTimestamp(tcb, tcb.timestamps.echo);
  }
  if (sample === undefined) return undefined;
  tcb.rtt.measure(sample, tcb.snd.una, tcb.snd.nxt);
  tcb.backoff = 0;
  return (newest ?? sample) as Duration;
}

/** Recovery, then the congestion window (`tcp_fastretrans_alert`, `tcp_cong_control`). */
function judge(tcb: Tcb, segment: Segment, digest: AckDigest, rtt: Duration | undefined): void {
  const { recovery, flight, congestion } = tcb;
  const lostBefore = flight.lost;
  judgeTailProbe(tcb, segment, digest);
  if (needsAttention(tcb, digest)) recoverWith(tcb, digest);
  const newRound = isAfter(tcb.snd.una, recovery.roundEnd);
  if (newRound) recovery.roundEnd = tcb.snd.nxt;
  if (inReduction(recovery)) {
    reduceProportionally(tcb, digest, Math.max(0, flight.lost - lostBefore));
  } else if (
    digest.delivered > 0 &&
    (digest.advanced || recovery.reordering > tcb.settings.reordering) &&
    windowWasUsed(tcb)
  ) {
    congestion.onAck({ acked: digest.delivered, now: tcb.now, rtt, newRound });
  }
}

/** RFC 8985 §7.4 (`tcp_process_tlp_ack`): did the probe repair a loss? Then the window is halved as for any other. */
function judgeTailProbe(tcb: Tcb, segment: Segment, digest: AckDigest): void {
  const { recovery, congestion, snd } = tcb;
  const end = recovery.tailProbeEnd;
  if (end === undefined || isBefore(segment.acknowledgment, end)) return;
  if (!recovery.tailProbeRepeated || digest.duplicateReported) {
    recovery.tailProbeEnd = undefined;
  } else if (isAfter(segment.acknowledgment, end)) {
    recovery.tailProbeEnd = undefined;
    congestion.onLoss();
    tcb.ecn.tellsReduction = true;
    congestion.window = Math.min(congestion.window, congestion.threshold);
    recovery.recoveryPoint = snd.nxt;
  } else if (digest.duplicate && digest.sacked === 0) {
    recovery.tailProbeEnd = undefined;
  }
}

/** Nothing is in flight: is the window open now (`tcp_ack_probe`)? */
function answerProbe(tcb: Tcb): void {
  const { snd, sendQueue, timer } = tcb;
  if (timer.kind !== "zero-window-probe") {
    if (timer.kind === "retransmit" || timer.kind === "loss-probe" || timer.kind === "reordering") disarm(timer);
    return;
  }
  const waiting = Math.min(seqDiff(sendQueue.end, snd.nxt), 1);
  if (!isAfter(seqAdd(snd.nxt, waiting), seqAdd(snd.una, snd.wnd))) {
    tcb.backoff = 0;
    disarm(timer);
    return;
  }
  armProbe(tcb);
}
