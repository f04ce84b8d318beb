import { seconds } from "../../sim/index.ts";
import { TcpFlag } from "../wire/tcp.ts";
import { checkAcknowledgment, processAck } from "./acknowledge.ts";
import { challenge } from "./challenge.ts";
import { acknowledgeQuickly, noteData } from "./delayed-ack.ts";
import { noteCodepoint } from "./ecn.ts";
import { completeHandshake, repeatSynAck, synSentArrives } from "./handshake.ts";
import { measureAsReceiver, widenWindow } from "./right-sizing.ts";
import { has, resetFor, type Segment, segmentEnd } from "./segment.ts";
import { acknowledgment } from "./send.ts";
import { isAfter, isBefore, type Seq, seq, seqAdd, seqDiff, seqMax, seqMin } from "./seq.ts";
import { isSynchronized, mayReceiveData } from "./state.ts";
import { finish, move, noteOrderlyEnd, type Tcb } from "./tcb.ts";
import { enterTimeWait, timeWaitArrives, waitForFin } from "./time-wait.ts";
import { offeredWindow, windowEnd } from "./window.ts";

/** Why a segment, or what was left of it, was discarded. */
export type Discard =
  | "tcp-closed"
  | "tcp-old-timestamp"
  | "tcp-old-sequence"
  | "tcp-outside-window"
  | "tcp-reset"
  | "tcp-doubtful-reset"
  | "tcp-unexpected-syn"
  | "tcp-repeated-syn"
  | "tcp-without-ack"
  | "tcp-bad-handshake"
  | "tcp-accept-queue-full"
  | "tcp-ack-of-unsent-data"
  | "tcp-ack-too-old"
  | "tcp-data-after-close"
  | "tcp-too-many-gaps"
  | "tcp-time-wait";

/** Goes on to the next step, or ends here. */
export type Verdict = "continue" | Discard;

type Step = (tcb: Tcb, segment: Segment) => Verdict;

/**
 * SEGMENT ARRIVES of RFC 9293 §3.10.7.4 in the RFC's order, PAWS (RFC 7323 §5.3) before it. Security (third step) has no meaning without the IP
 * option; urgent data (sixth step) stays in the stream where it is, as RFC 6093 advises, so the flag and pointer are not looked at.
 */
const STEPS: readonly Step[] = [checkTimestamp, checkSequence, checkReset, checkSyn, checkAck, processText, processFin];

/** Deals with a segment in any state but LISTEN. Returns why it was discarded, if it was. */
export function segmentArrives(tcb: Tcb, segment: Segment): Discard | undefined {
  if (tcb.state === "closed") return "tcp-closed";
  tcb.timestamps.echo = segment.options.timestamps?.echo ?? 0;
  if (tcb.state === "syn-sent") return discardOf(synSentArrives(tcb, segment));
  if (tcb.state === "time-wait") return timeWaitArrives(tcb, segment);
  if (tcb.state === "syn-received" && tcb.passive) {
    const verdict = checkEmbryo(tcb, segment);
    if (verdict !== "continue") return verdict;
  }
  for (const step of STEPS) {
    const verdict = step(tcb, segment);
    if (verdict !== "continue") return verdict;
  }
  return undefined;
}

/**
 * A connection that its peer has only asked for is no more than a note to Linux, which looks in an order of its own (`tcp_check_req`,
 * net/ipv4/tcp_minisocks.c): a wrong acknowledgment first, which is reset and changes nothing; last a SYN in the window, which ends the attempt.
 */
function checkEmbryo(tcb: Tcb, segment: Segment): Verdict {
  const { snd, rcv } = tcb;
  const isFirstAgain = segment.sequence === rcv.irs && (segment.flags & HANDSHAKE_FLAGS) === TcpFlag.syn;
  if (isFirstAgain) return "continue";
  if (has(segment, TcpFlag.ack) && segment.acknowledgment !== snd.nxt) {
    const reset = resetFor(segment);
    if (reset !== undefined) tcb.outbox.push(reset);
    return "tcp-bad-handshake";
  }
  const isInWindow = !isBefore(segment.sequence, rcv.nxt) && isBefore(segment.sequence, windowEnd(tcb));
  if (!has(segment, TcpFlag.syn) || has(segment, TcpFlag.rst) || !isInWindow) return "continue";
  const reset = resetFor(segment);
  if (reset !== undefined) tcb.outbox.push(reset);
  finish(tcb, "reset");
  return "tcp-unexpected-syn";
}

/** `tcp_flag_word(th) & (TCP_FLAG_RST | TCP_FLAG_SYN | TCP_FLAG_ACK)`. */
const HANDSHAKE_FLAGS: number = TcpFlag.syn | TcpFlag.ack | TcpFlag.rst;

function discardOf(verdict: Verdict): Discard | undefined {
  return verdict === "continue" ? undefined : verdict;
}

/** PAWS: an old duplicate shows by its timestamp (RFC 7323 §5.3 R1). */
function checkTimestamp(tcb: Tcb, segment: Segment): Verdict {
  if (!isFromThePast(tcb, segment) || has(segment, TcpFlag.rst) || isOvertakenAck(tcb, segment)) return "continue";
  answerUnacceptable(tcb, segment);
  return "tcp-old-timestamp";
}

/** TS.Recent is not trusted after 24 days (RFC 7323 §5.5). */
const STAMP_LIFETIME: number = seconds(24 * 24 * 3600);

/** Whether the timestamp is older than TS.Recent. */
function isFromThePast(tcb: Tcb, segment: Segment): boolean {
  const { timestamps } = segment.options;
  const { on, recent, recentAt } = tcb.timestamps;
  if (!on || timestamps === undefined || recent === 0) return false;
  return ((recent - timestamps.value) | 0) > 0 && tcb.now - recentAt < STAMP_LIFETIME;
}

/** A pure ACK that was overtaken by another is harmless, and acknowledging it would start a war of ACKs (`tcp_disordered_ack`). */
function isOvertakenAck(tcb: Tcb, segment: Segment): boolean {
  const { snd, rcv, timestamps } = tcb;
  if (segment.sequence !== rcv.nxt || segmentEnd(segment) !== rcv.nxt) return false;
  if (segment.acknowledgment !== snd.una || segment.window << snd.shift !== snd.wnd) return false;
  const age = (timestamps.recent - (segment.options.timestamps?.value ?? 0)) * 1e6;
  return age <= tcb.rtt.timeout * 1.2;
}

/** First step: is any of it new and within the window? */
function checkSequence(tcb: Tcb, segment: Segment): Verdict {
  const { rcv } = tcb;
  const old = isBefore(segmentEnd(segment), rcv.wup);
  if (!old && !isAfter(segment.sequence, windowEnd(tcb))) return "continue";
  if (tcb.state === "syn-received" && isRepeatedSyn(tcb, segment)) return checkSyn(tcb, segment);
  if (!has(segment, TcpFlag.rst)) answerUnacceptable(tcb, segment);
  return old ? "tcp-old-sequence" : "tcp-outside-window";
}

/** An ACK tells the peer what we expect; one without data is answered only now and then (`tcp_send_dupack`, `tcp_oow_rate_limited`). */
function answerUnacceptable(tcb: Tcb, segment: Segment): void {
  const { rcv } = tcb;
  const end = segmentEnd(segment);
  if (end === segment.sequence || has(segment, TcpFlag.syn)) {
    challenge(tcb);
    return;
  }
  if (isBefore(segment.sequence, rcv.nxt)) {
    acknowledgeQuickly(tcb);
    noteDuplicate(tcb, segment.sequence, seqMin(end, rcv.nxt));
  }
  tcb.outbox.push(acknowledgment(tcb));
}

/** Second step, with RFC 5961 §3.2: only the exact number resets, others in the window are asked back. */
function checkReset(tcb: Tcb, segment: Segment): Verdict {
  if (!has(segment, TcpFlag.rst)) return "continue";
  const { rcv, receiveQueue } = tcb;
  const exact = segment.sequence === rcv.nxt || segment.sequence === receiveQueue.highest;
  if (!exact) {
    challenge(tcb);
    return "tcp-doubtful-reset";
  }
  finish(tcb, tcb.state === "syn-received" && !tcb.passive ? "refused" : "reset");
  return "tcp-reset";
}

/** Fourth step, with RFC 5961 §4.2: a SYN in a connection is asked back; the peer's first SYN again wants the SYN-ACK again. */
function checkSyn(tcb: Tcb, segment: Segment): Verdict {
  if (!has(segment, TcpFlag.syn)) return "continue";
  if (tcb.state === "syn-received" && isRepeatedSyn(tcb, segment)) {
    // In a simultaneous open the peer's SYN comes a second time with an ACK, which counts.
    if (has(segment, TcpFlag.ack)) return "continue";
    repeatSynAck(tcb);
    return "tcp-repeated-syn";
  }
  challenge(tcb);
  return "tcp-unexpected-syn";
}

function isRepeatedSyn(tcb: Tcb, segment: Segment): boolean {
  return has(segment, TcpFlag.syn) && segment.sequence === tcb.rcv.irs;
}

/** Fifth step: the ACK field, and the moves that our SYN's and FIN's acknowledgment make. */
function checkAck(tcb: Tcb, segment: Segment): Verdict {
  if (!has(segment, TcpFlag.ack)) return "tcp-without-ack";
  if (tcb.state === "syn-received") {
    const verdict = completeHandshake(tcb, segment);
    if (verdict !== "continue") return verdict;
  }
  const verdict = checkAcknowledgment(tcb, segment);
  if (verdict !== "continue") return verdict;
  // As in `tcp_ack`, an old acknowledgment says nothing of the time.
  if (!isBefore(segment.acknowledgment, tcb.snd.una)) noteTimestamp(tcb, segment);
  tcb.heardAt = tcb.now;
  processAck(tcb, segment);
  if (tcb.snd.fin !== undefined && isAfter(tcb.snd.una, tcb.snd.fin)) finIsAcknowledged(tcb);
  return "continue";
}

/** TS.Recent follows segments that start at or before what was last acknowledged (RFC 7323 §4.3). */
function noteTimestamp(tcb: Tcb, segment: Segment): void {
  const { timestamps } = segment.options;
  if (!tcb.timestamps.on || timestamps === undefined || isAfter(segment.sequence, tcb.rcv.wup)) return;
  if (isFromThePast(tcb, segment)) return;
  tcb.timestamps.recent = timestamps.value;
  tcb.timestamps.recentAt = tcb.now;
}

function finIsAcknowledged(tcb: Tcb): void {
  if (tcb.state !== "fin-wait-1" && tcb.state !== "closing" && tcb.state !== "last-ack") return;
  const next = move(tcb, "ack-of-fin");
  if (next === "time-wait") enterTimeWait(tcb);
  else if (next === "fin-wait-2" && tcb.orphaned) waitForFin(tcb);
  noteOrderlyEnd(tcb);
}

/** Seventh step: takes the data in, in order or beyond a gap (`tcp_data_queue`). */
function processText(tcb: Tcb, segment: Segment): Verdict {
  const { rcv } = tcb;
  const end = seqAdd(segment.sequence, segment.length);
  // What takes up no numbers is never answered: two ends whose windows are full would do so for ever.
  if (segmentEnd(segment) === segment.sequence) return "continue";
  if (!isAfter(segmentEnd(segment), rcv.nxt)) return repeatedText(tcb, segment);
  if (!isAfter(end, rcv.nxt) || !mayReceiveData(tcb.state)) return "continue";
  if (tcb.orphaned) return refuseData(tcb, segment);
  noteCodepoint(tcb, segment);
  measureAsReceiver(tcb, segment);
  if (offeredWindow(tcb) === 0 || !isBefore(segment.sequence, windowEnd(tcb))) {
    acknowledgeQuickly(tcb);
    return "tcp-outside-window";
  }
  if (isBefore(segment.sequence, rcv.nxt)) noteDuplicate(tcb, segment.sequence, rcv.nxt);
  const from = seqMax(segment.sequence, rcv.nxt);
  return take(tcb, segment, from, seqMin(end, lastAllowed(tcb)));
}

/** Nothing of it is new: the peer has not heard our ACK. */
function repeatedText(tcb: Tcb, segment: Segment): Verdict {
  noteDuplicate(tcb, segment.sequence, segmentEnd(segment));
  acknowledgeQuickly(tcb);
  return "continue";
}

/** The window's end, or the peer's FIN if that is known. */
function lastAllowed(tcb: Tcb): Seq {
  const end = windowEnd(tcb);
  return tcb.rcv.fin === undefined ? end : seqMin(end, tcb.rcv.fin);
}

/** Keeps what lies between `from` and `to`. */
function take(tcb: Tcb, segment: Segment, from: Seq, to: Seq): Verdict {
  const { rcv, receiveQueue } = tcb;
  const length = seqDiff(to, from);
  if (length <= 0) return "continue";
  const at = segment.at + seqDiff(from, segment.sequence);
  const inOrder = from === rcv.nxt;
  const hadGaps = receiveQueue.hasGaps;
  if (!inOrder) noteHeldTwice(tcb, from, to);
  const grown = receiveQueue.insert(from, rcv.nxt, { bytes: segment.bytes, at, length });
  if (typeof grown === "string") return "tcp-too-many-gaps";
  rcv.nxt = seqAdd(rcv.nxt, grown);
  noteData(tcb, segment.length, has(segment, TcpFlag.psh));
  widenWindow(tcb, segment.length);
  if (grown > 0) tcb.notices.readable = true;
  // A gap is closed: say so at once (RFC 5681 §4.2).
  if (hadGaps && inOrder && !receiveQueue.hasGaps) tcb.ack.immediately = true;
  return "continue";
}

/** The program has closed and there is new data: nobody will ever read it (RFC 1122 §4.2.2.13). */
function refuseData(tcb: Tcb, segment: Segment): Verdict {
  const reset = resetFor(segment);
  if (reset !== undefined) tcb.outbox.push(reset);
  finish(tcb, "aborted");
  return "tcp-data-after-close";
}

/** Remembers data received twice for the next ACK (RFC 2883). */
function noteDuplicate(tcb: Tcb, start: Seq, end: Seq): void {
  if (tcb.sackPermitted && tcb.settings.reportsDuplicates && isBefore(start, end)) tcb.rcv.duplicate = { start, end };
}

function noteHeldTwice(tcb: Tcb, from: Seq, to: Seq): void {
  const held = tcb.receiveQueue.blockAt(from);
  if (held !== undefined) noteDuplicate(tcb, from, seqMin(to, seq(held.end)));
}

/** Eighth step: the FIN, once everything before it is here. */
function processFin(tcb: Tcb, segment: Segment): Verdict {
  if (!isSynchronized(tcb.state)) return "continue";
  const { rcv } = tcb;
  if (has(segment, TcpFlag.fin) && rcv.fin === undefined && mayReceiveData(tcb.state)) noteFin(tcb, segment);
  if (rcv.fin === undefined || rcv.fin !== rcv.nxt) return "continue";
  rcv.nxt = seqAdd(rcv.nxt, 1);
  tcb.ack.scheduled = true;
  if (tcb.state === "established") tcb.ack.interactive = true;
  else tcb.ack.immediately = true;
  if (move(tcb, "fin") === "time-wait") enterTimeWait(tcb);
  tcb.notices.peerClosed = true;
  noteOrderlyEnd(tcb);
  return "continue";
}

function noteFin(tcb: Tcb, segment: Segment): void {
  const number = seqAdd(segment.sequence, segment.length);
  const held = tcb.receiveQueue.highest;
  if (isBefore(number, tcb.rcv.nxt) || isAfter(number, windowEnd(tcb))) return;
  if (held !== undefined && isBefore(number, held)) return;
  tcb.rcv.fin = number;
  tcb.ack.scheduled = true;
}
