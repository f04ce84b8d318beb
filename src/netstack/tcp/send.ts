import type { Duration } from "../../sim/index.ts";
import { TcpFlag } from "../wire/tcp.ts";
import type { SackBlock, TcpOptions } from "../wire/tcp-options.ts";
import { noteAckSent, noteDataSent } from "./delayed-ack.ts";
import { asCapable, echoFlag } from "./ecn.ts";
import type { Flown } from "./flight.ts";
import { inReduction } from "./recovery.ts";
import { NO_BYTES, NO_OPTIONS, type Segment, type SegmentTrain } from "./segment.ts";
import { payloadRoom, sackBlocksToSend, sendMss } from "./segment-size.ts";
import { isAfter, isBefore, type Seq, seqAdd, seqDiff } from "./seq.ts";
import { isSynchronized, maySendData } from "./state.ts";
import { type Tcb, timestampNow } from "./tcb.ts";
import { joinTrain } from "./train.ts";
import { armProbe, armRetransmission, scheduleLossProbe } from "./transmission-timer.ts";
import { offerWindow } from "./window.ts";

/** The next segment that may go out now, or with `asTrains` the next few as one, most urgent first; `undefined` when there is none. */
export function nextSegment(tcb: Tcb, asTrains: boolean): Segment | undefined {
  if (!isSynchronized(tcb.state)) return undefined;
  const segment = dueProbe(tcb) ?? dueRepetition(tcb) ?? newData(tcb, asTrains) ?? dueAck(tcb);
  if (segment === undefined) afterSending(tcb);
  return segment;
}

/** Whether data, a FIN or a repetition would go out now and carry the acknowledgment. */
export function dataIsDue(tcb: Tcb): boolean {
  return mayRepeat(tcb) || nextLength(tcb) > 0;
}

/** A segment that only acknowledges. */
export function acknowledgment(tcb: Tcb): Segment {
  return build(tcb, tcb.snd.nxt, TcpFlag.ack, 0);
}

/** The RST that tells the peer at once that the connection is gone (`tcp_send_active_reset`). */
export function resetSegment(tcb: Tcb): Segment {
  return build(tcb, tcb.snd.nxt, TcpFlag.rst | TcpFlag.ack, 0);
}

/** An ACK for a number already acknowledged: makes the peer answer (`tcp_xmit_probe_skb`). */
export function probeSegment(tcb: Tcb): Segment {
  return build(tcb, seqAdd(tcb.snd.una, -1), TcpFlag.ack, 0);
}

/** The options of every segment after the handshake. */
function currentOptions(tcb: Tcb): TcpOptions {
  const sack = sackBlocks(tcb);
  if (!tcb.timestamps.on) return sack === undefined ? NO_OPTIONS : { sack };
  const timestamps = { value: timestampNow(tcb), echo: tcb.timestamps.recent };
  return sack === undefined ? { timestamps } : { timestamps, sack };
}

/** A report of data received twice comes first, and once (RFC 2883 §4). */
function sackBlocks(tcb: Tcb): readonly SackBlock[] | undefined {
  const count = sackBlocksToSend(tcb);
  if (count === 0) return undefined;
  const { duplicate } = tcb.rcv;
  const blocks = tcb.rcv.fin === undefined ? tcb.receiveQueue.blocks : withPeersFin(tcb, tcb.rcv.fin);
  tcb.rcv.duplicate = undefined;
  return (duplicate === undefined ? blocks : [duplicate, ...blocks]).slice(0, count);
}

/** A FIN that came with data beyond a gap is received as well. */
function withPeersFin({ receiveQueue }: Tcb, fin: Seq): SackBlock[] {
  return receiveQueue.blocks.map((block) => (block.end === fin ? { start: block.start, end: seqAdd(fin, 1) } : block));
}

function build(tcb: Tcb, sequence: Seq, flags: number, length: number, train?: SegmentTrain): Segment {
  const options = currentOptions(tcb);
  const window = offerWindow(tcb);
  noteAckSent(tcb);
  return {
    sequence,
    acknowledgment: tcb.rcv.nxt,
    flags: flags | echoFlag(tcb),
    window,
    options,
    bytes: length > 0 ? tcb.sendQueue.store : NO_BYTES,
    at: length > 0 ? tcb.sendQueue.indexOf(sequence) : 0,
    length,
    train,
  };
}

/** The peer's window reaches over the segment. */
function windowAllows(tcb: Tcb, end: Seq): boolean {
  return !isAfter(end, seqAdd(tcb.snd.una, tcb.snd.wnd));
}

function congestionAllows(tcb: Tcb): boolean {
  return tcb.flight.inNetwork < tcb.congestion.window;
}

/** A small segment waits while another small one is in flight (Minshall's variant of RFC 9293 §3.7.4, `tcp_nagle_check`). */
function nagleAllows(tcb: Tcb): boolean {
  const { snd } = tcb;
  if (tcb.noDelay || tcb.flight.count === 0) return true;
  return !isAfter(snd.small, snd.una) || isAfter(snd.small, snd.nxt);
}

/** Sequence numbers of the next new segment with `payload` bytes: one more when the FIN comes right behind them. */
function withFin(tcb: Tcb, payload: number): number {
  return tcb.snd.fin === seqAdd(tcb.snd.nxt, payload) ? payload + 1 : payload;
}

/** Sequence numbers of the next new segment, FIN counted; 0 when none may go. */
function nextLength(tcb: Tcb): number {
  const { snd, sendQueue } = tcb;
  if (!maySendData(tcb.state)) return 0;
  const unsent = seqDiff(sendQueue.end, snd.nxt);
  if (unsent < 0 || (unsent === 0 && snd.fin === undefined)) return 0;
  if (!congestionAllows(tcb)) {
    tcb.limitedNow = true;
    return 0;
  }
  const room = payloadRoom(tcb);
  const payload = Math.min(unsent, room);
  const length = withFin(tcb, payload);
  if (!windowAllows(tcb, seqAdd(snd.nxt, length))) return 0;
  return length > payload || payload === room || nagleAllows(tcb) ? length : 0;
}

function newData(tcb: Tcb, asTrains: boolean): Segment | undefined {
  const length = nextLength(tcb);
  if (length === 0) return undefined;
  return asTrains && sackBlocksToSend(tcb) === 0 ? sendTogether(tcb, length) : sendNew(tcb, length);
}

/** Sends the next `length` sequence numbers for the first time. */
function sendNew(tcb: Tcb, length: number): Segment {
  const start = tcb.snd.nxt;
  const flags = noteNew(tcb, length);
  return asCapable(tcb, build(tcb, start, flags, length - (flags & TcpFlag.fin)));
}

/** Sends the segments of a train that may go now as one; `length` is the first one's. */
function sendTogether(tcb: Tcb, length: number): Segment {
  const start = tcb.snd.nxt;
  let flags = noteNew(tcb, length);
  const size = length - (flags & TcpFlag.fin);
  let total = size;
  let count = 1;
  // What is shorter has the end of what was written, and so PSH, or FIN.
  while (flags === TcpFlag.ack && isBefore(tcb.snd.nxt, tcb.train.end)) {
    const next = nextLength(tcb);
    if (next === 0) break;
    flags = noteNew(tcb, next);
    total += next - (flags & TcpFlag.fin);
    count += 1;
  }
  return asCapable(tcb, build(tcb, start, flags, total, count === 1 ? undefined : { count, size }));
}

/** Notes that the next `length` sequence numbers go out for the first time, as one segment; gives the flags with which they do. */
function noteNew(tcb: Tcb, length: number): number {
  const { snd, sendQueue, flight } = tcb;
  if (flight.count === 0) restartAfterIdle(tcb);
  const start = snd.nxt;
  const end = seqAdd(start, length);
  const finGoes = snd.fin !== undefined && isAfter(end, snd.fin);
  const payload = finGoes ? length - 1 : length;
  joinTrain(tcb, start, payloadRoom(tcb));
  const payloadEnd = seqAdd(start, payload);
  const atEnd = payload > 0 && payloadEnd === sendQueue.end;
  const flags = TcpFlag.ack | (atEnd ? TcpFlag.psh : 0) | (finGoes ? TcpFlag.fin : 0);
  const isLastOfMany = payload > 0 && payloadEnd === tcb.train.end && start !== tcb.train.start;
  const wasIdle = flight.count === 0;
  const train = tcb.train.start;
  flight.push({
    start,
    end,
    flags,
    train,
    sentAt: tcb.now,
    sacked: false,
    lost: false,
    repeated: false,
    repeating: false,
  });
  snd.nxt = end;
  if (payload < sendMss(tcb)) snd.small = end;
  if (inReduction(tcb.recovery)) tcb.recovery.prrOut++;
  tcb.sentAt = tcb.now;
  if (payload > 0) noteDataSent(tcb);
  tcb.sentNow = true;
  if (wasIdle || tcb.timer.kind === "loss-probe" || tcb.timer.kind === "zero-window-probe") armRetransmission(tcb);
  scheduleLossProbe(tcb);
  // Only this once: a repetition has it if the program's write ends there.
  return isLastOfMany ? flags | TcpFlag.psh : flags;
}

/** A pause longer than the timeout: the window learnt before it is no longer known to be right (RFC 5681 §4.1, `tcp_cwnd_restart`). */
function restartAfterIdle(tcb: Tcb): void {
  const { congestion, settings } = tcb;
  const idle = tcb.now - tcb.sentAt;
  const timeout = tcb.rtt.timeout;
  congestion.onIdle(idle as Duration, tcb.now);
  if (idle <= timeout || !settings.restartsAfterIdle) return;
  const restart = Math.min(settings.initialWindow, congestion.window);
  congestion.threshold = Math.max(congestion.threshold, (congestion.window * 3) >>> 2);
  const halvings = Math.min(Math.floor(idle / timeout), 32);
  congestion.window = Math.max(Math.floor(congestion.window / 2 ** halvings), restart);
}

function mayRepeat(tcb: Tcb): boolean {
  if (!tcb.flight.hasWaiting || !congestionAllows(tcb)) return false;
  const record = tcb.flight.at(tcb.flight.nextWaiting());
  return record !== undefined && (record.start === tcb.snd.una || isBefore(record.start, sendEnd(tcb)));
}

function sendEnd(tcb: Tcb): Seq {
  return seqAdd(tcb.snd.una, tcb.snd.wnd);
}

/** A lost segment that the window of congestion control lets go (`tcp_xmit_retransmit_queue`). */
function dueRepetition(tcb: Tcb): Segment | undefined {
  return mayRepeat(tcb) ? repeat(tcb, tcb.flight.nextWaiting()) : undefined;
}

/** Repeats the record at `index` as part of recovery (`tcp_retransmit_skb`). */
function repeat(tcb: Tcb, index: number): Segment | undefined {
  const { flight, recovery } = tcb;
  const segment = sendAgain(tcb, index);
  const record = flight.at(index);
  if (segment === undefined || record === undefined) return undefined;
  flight.markRepeating(record);
  recovery.repeatedAt ??= timestampNow(tcb);
  recovery.undoCount = Math.max(recovery.undoCount, 0) + 1;
  if (inReduction(recovery)) recovery.prrOut++;
  if (index === 0 && tcb.timer.kind !== "retransmit" && tcb.timer.kind !== "reordering") armRetransmission(tcb);
  return segment;
}

/** Sends the record at `index` again, or as much of it as fits into a segment now (`__tcp_retransmit_skb`). */
function sendAgain(tcb: Tcb, index: number): Segment | undefined {
  const { flight, recovery } = tcb;
  const record = flight.at(index);
  if (record === undefined) return undefined;
  const available = seqDiff(sendEnd(tcb), record.start);
  const room = Math.max(1, Math.min(payloadRoom(tcb), available > 0 ? available : Number.POSITIVE_INFINITY));
  if (seqDiff(record.end, record.start) > room + finLength(record)) flight.split(index, seqAdd(record.start, room));
  record.repeated = true;
  record.sentAt = tcb.now;
  tcb.sentAt = tcb.now;
  recovery.repetitions++;
  return build(tcb, record.start, record.flags, seqDiff(record.end, record.start) - finLength(record));
}

function finLength(record: Flown): number {
  return record.flags & TcpFlag.fin;
}

/** Probes are not followed by more. */
function sendAlone(tcb: Tcb, length: number): Segment {
  const segment = sendNew(tcb, length);
  tcb.train.end = tcb.snd.nxt;
  return segment;
}

/** What a timer asked for: a tail loss probe or a probe of a closed window. */
function dueProbe(tcb: Tcb): Segment | undefined {
  const { probe } = tcb;
  if (probe === "none") return undefined;
  tcb.probe = "none";
  return probe === "tail" ? tailProbe(tcb) : windowProbe(tcb);
}

/** RFC 8985 §7.3: new data if there is any that may go, else the last segment again. */
function tailProbe(tcb: Tcb): Segment | undefined {
  const { flight, recovery, snd, sendQueue } = tcb;
  const unsent = seqDiff(sendQueue.end, snd.nxt);
  const length = Math.min(unsent, payloadRoom(tcb));
  const isNew = length > 0 && windowAllows(tcb, seqAdd(snd.nxt, length));
  const segment = isNew ? sendAlone(tcb, withFin(tcb, length)) : sendAgain(tcb, flight.count - 1);
  if (segment === undefined) return undefined;
  recovery.tailProbeEnd = snd.nxt;
  recovery.tailProbeRepeated = !isNew;
  armRetransmission(tcb);
  return segment;
}

/** As much as the window takes, or an old number when it is closed (`tcp_write_wakeup`). */
function windowProbe(tcb: Tcb): Segment | undefined {
  const { snd, sendQueue } = tcb;
  const open = seqDiff(sendEnd(tcb), snd.nxt);
  const length = Math.min(open, seqDiff(sendQueue.end, snd.nxt), payloadRoom(tcb));
  if (length > 0 && maySendData(tcb.state)) return sendAlone(tcb, length);
  return probeSegment(tcb);
}

function dueAck(tcb: Tcb): Segment | undefined {
  return tcb.ack.immediately ? acknowledgment(tcb) : undefined;
}

/** Nothing more can go: notes what held it up, and makes sure that a closed window is probed (`tcp_check_probe_timer`). */
function afterSending(tcb: Tcb): void {
  const { flight, snd, sendQueue } = tcb;
  validateWindow(tcb);
  if (flight.count > 0 || tcb.timer.kind !== "idle" || !maySendData(tcb.state)) return;
  const unsent = seqDiff(sendQueue.end, snd.nxt);
  if (unsent > 0 || (unsent === 0 && snd.fin !== undefined)) armProbe(tcb);
}

/** RFC 7661 in Linux's form (`tcp_cwnd_validate`): the window may only grow while it is what limits sending. */
function validateWindow(tcb: Tcb): void {
  const { snd, flight, congestion } = tcb;
  const limited = tcb.limitedNow || (tcb.sentNow && flight.inNetwork >= congestion.window);
  if (!limited && !tcb.sentNow) return;
  tcb.limitedNow = false;
  tcb.sentNow = false;
  const newWindow = !isBefore(snd.una, tcb.usageEnd);
  if (!newWindow && !limited && (tcb.windowLimited || flight.count <= tcb.mostOut)) return;
  tcb.windowLimited = limited;
  tcb.mostOut = flight.count;
  tcb.usageEnd = snd.nxt;
}

/** Whether an ACK may make the window grow (`tcp_is_cwnd_limited`): in slow start, half of it must have been in use. */
export function windowWasUsed(tcb: Tcb): boolean {
  const { congestion } = tcb;
  if (tcb.windowLimited) return true;
  return congestion.window < congestion.threshold && congestion.window < 2 * tcb.mostOut;
}
