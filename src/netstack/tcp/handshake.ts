import { type Duration, seconds } from "../../sim/index.ts";
import { TcpFlag } from "../wire/tcp.ts";
import type { TcpOptions } from "../wire/tcp-options.ts";
import { guessPeerMss } from "./delayed-ack.ts";
import { agreeWithCrossedSyn, agreeWithSyn, agreeWithSynAck, repeatedFlags, setupFlags } from "./ecn.ts";
import { startKeepAlive } from "./keep-alive.ts";
import type { Verdict } from "./receive.ts";
import { startSizing } from "./right-sizing.ts";
import { has, NO_BYTES, resetFor, type Segment } from "./segment.ts";
import { DEFAULT_MSS, sendMss } from "./segment-size.ts";
import { acknowledgment, resetSegment } from "./send.ts";
import { isAfter, isBefore, type Seq, seqAdd } from "./seq.ts";
import { finish, move, sinceTimestamp, type Tcb, timestampNow } from "./tcb.ts";
import { disarm } from "./timers.ts";
import { armRetransmission } from "./transmission-timer.ts";
import { openWindow, windowShift } from "./window.ts";

const MOST_SHIFT = 14;
const TIMESTAMPS_LENGTH = 12;
/** TCP_TIMEOUT_FALLBACK */
const FALLBACK_TIMEOUT = seconds(3);

/** Active OPEN (RFC 9293 §3.10.1): sends the SYN. */
export function openActively(tcb: Tcb): void {
  if (tcb.state !== "closed") return;
  tcb.rcv.shift = tcb.settings.windowScaling ? windowShift(tcb.settings) : 0;
  openWindow(tcb, tcb.rcv.mss);
  move(tcb, "active-open");
  sendFirst(tcb, TcpFlag.syn | setupFlags(tcb));
}

/** A SYN for a listener (RFC 9293 §3.10.7.2): answers it. `iss` is given when the connection takes the place of one in TIME-WAIT. */
export function openPassively(tcb: Tcb, syn: Segment, iss: Seq | undefined): void {
  tcb.passive = true;
  if (iss !== undefined) restart(tcb, iss);
  move(tcb, "passive-open");
  move(tcb, "syn");
  takeSyn(tcb, syn);
  openWindow(tcb, tcb.rcv.mss - (tcb.timestamps.on ? TIMESTAMPS_LENGTH : 0));
  sendFirst(tcb, TcpFlag.syn | TcpFlag.ack | agreeWithSyn(tcb, syn));
}

/** The same for a SYN that was answered before anything was known of the connection: the SYN-ACK is on its way, and nobody knows since when. */
export function openAnswered(tcb: Tcb, syn: Segment, iss: Seq): void {
  openPassively(tcb, syn, iss);
  tcb.outbox.length = 0;
  const record = tcb.flight.first;
  if (record !== undefined) record.repeated = true;
}

function restart(tcb: Tcb, iss: Seq): void {
  const { snd, recovery } = tcb;
  snd.iss = iss;
  snd.una = iss;
  snd.nxt = iss;
  snd.small = iss;
  tcb.usageEnd = iss;
  recovery.highestSacked = iss;
  recovery.recoveryPoint = iss;
  recovery.roundEnd = iss;
}

/** What the peer's SYN says, and with it which options both sides use (RFC 7323 §1.3, RFC 2018 §2). */
function takeSyn(tcb: Tcb, syn: Segment): void {
  const { rcv, snd, settings } = tcb;
  const { options } = syn;
  rcv.irs = syn.sequence;
  rcv.nxt = seqAdd(syn.sequence, 1);
  rcv.wup = rcv.nxt;
  snd.wnd = syn.window;
  snd.mostWnd = syn.window;
  snd.wl1 = syn.sequence;
  snd.peerMss = options.mss ?? DEFAULT_MSS;
  tcb.timestamps.on = settings.timestamps && options.timestamps !== undefined;
  tcb.timestamps.recent = options.timestamps?.value ?? 0;
  tcb.timestamps.recentAt = tcb.now;
  tcb.sackPermitted = settings.selectiveAcks && options.sackPermitted === true;
  tcb.windowScaling = settings.windowScaling && options.windowScale !== undefined;
  snd.shift = tcb.windowScaling ? Math.min(options.windowScale ?? 0, MOST_SHIFT) : 0;
  rcv.shift = tcb.windowScaling ? windowShift(settings) : 0;
}

/** Sends our SYN, alone or with the ACK of the peer's, for the first time. */
function sendFirst(tcb: Tcb, flags: number): void {
  const { snd, flight } = tcb;
  const end = seqAdd(snd.iss, 1);
  snd.nxt = end;
  tcb.sendQueue.start(end);
  tcb.sentAt = tcb.now;
  flight.push({
    start: snd.iss,
    end,
    flags,
    train: snd.iss,
    sentAt: tcb.now,
    sacked: false,
    lost: false,
    repeated: false,
    repeating: false,
  });
  tcb.outbox.push(synSegment(tcb, flags));
  armRetransmission(tcb);
}

/** Our SYN or SYN-ACK. Its window is never scaled (RFC 7323 §2.2). */
function synSegment(tcb: Tcb, flags: number): Segment {
  return {
    sequence: tcb.snd.iss,
    acknowledgment: tcb.rcv.nxt,
    flags,
    window: tcb.rcv.wnd,
    options: synOptions(tcb),
    bytes: NO_BYTES,
    at: 0,
    length: 0,
  };
}

function synOptions(tcb: Tcb): TcpOptions {
  const { timestamps, rcv } = tcb;
  return {
    mss: rcv.mss,
    ...(tcb.sackPermitted ? { sackPermitted: true } : undefined),
    ...(timestamps.on ? { timestamps: { value: timestampNow(tcb), echo: timestamps.recent } } : undefined),
    ...(tcb.windowScaling ? { windowScale: rcv.shift } : undefined),
  };
}

/** Sends our SYN or SYN-ACK again. */
export function repeatSyn(tcb: Tcb): void {
  const record = tcb.flight.first;
  if (record === undefined) return;
  record.flags = repeatedFlags(record.flags);
  record.repeated = true;
  record.sentAt = tcb.now;
  tcb.recovery.repetitions++;
  tcb.outbox.push(synSegment(tcb, record.flags));
}

/** The peer repeats its SYN: our answer was lost. */
export function repeatSynAck(tcb: Tcb): void {
  if (tcb.now < tcb.challengeAt) return;
  tcb.challengeAt = (tcb.now + tcb.settings.challengeInterval) as typeof tcb.now;
  repeatSyn(tcb);
}

/** RFC 9293 §3.10.7.3: an answer to our SYN. */
export function synSentArrives(tcb: Tcb, segment: Segment): Verdict {
  const { snd } = tcb;
  const acknowledges = has(segment, TcpFlag.ack);
  if (acknowledges && !isOurs(tcb, segment)) {
    const reset = resetFor(segment);
    if (reset !== undefined) tcb.outbox.push(reset);
    return "tcp-bad-handshake";
  }
  if (has(segment, TcpFlag.rst)) {
    if (acknowledges) finish(tcb, "refused");
    return "tcp-reset";
  }
  if (!has(segment, TcpFlag.syn)) return "tcp-without-ack";
  takeSyn(tcb, segment);
  if (!acknowledges) return answerCrossedSyn(tcb, segment);
  agreeWithSynAck(tcb, segment);
  snd.wl1 = segment.sequence;
  move(tcb, "syn-ack");
  establish(tcb, segment);
  tcb.outbox.push(acknowledgment(tcb));
  return "continue";
}

/** The SYN-ACK acknowledges our SYN, and echoes a timestamp we can have sent (`tcp_rcv_synsent_state_process`). */
function isOurs(tcb: Tcb, segment: Segment): boolean {
  const { snd, timestamps } = tcb;
  if (!isAfter(segment.acknowledgment, snd.una) || isAfter(segment.acknowledgment, snd.nxt)) return false;
  if (!timestamps.on || timestamps.echo === 0) return true;
  return sinceTimestamp(tcb, timestamps.echo) !== undefined;
}

/** Both sides have sent a SYN at the same time (RFC 9293 §3.5, Figure 7). */
function answerCrossedSyn(tcb: Tcb, syn: Segment): Verdict {
  move(tcb, "syn");
  const flags = TcpFlag.syn | TcpFlag.ack | agreeWithCrossedSyn(tcb, syn);
  const record = tcb.flight.first;
  if (record !== undefined) record.flags = flags;
  tcb.outbox.push(synSegment(tcb, flags));
  armRetransmission(tcb);
  return "continue";
}

/** The ACK of our SYN-ACK (RFC 9293 §3.10.7.4, fifth step, SYN-RECEIVED). */
export function completeHandshake(tcb: Tcb, segment: Segment): Verdict {
  const { snd } = tcb;
  if (isBefore(segment.acknowledgment, seqAdd(snd.una, 1)) || isAfter(segment.acknowledgment, snd.nxt)) {
    const reset = resetFor(segment);
    if (reset !== undefined) tcb.outbox.push(reset);
    return "tcp-bad-handshake";
  }
  // The listener's program is slow: as if the ACK had been lost.
  if (tcb.admit !== undefined && !tcb.admit()) {
    if (tcb.settings.resetsOverflow) {
      tcb.outbox.push(resetSegment(tcb));
      finish(tcb, "aborted");
    }
    return "tcp-accept-queue-full";
  }
  move(tcb, "ack-of-syn");
  establish(tcb, segment);
  if (snd.fin !== undefined) move(tcb, "close");
  return "continue";
}

/** Both SYNs are acknowledged: sets up what depends on them (`tcp_init_transfer`). */
function establish(tcb: Tcb, segment: Segment): void {
  const { snd, flight, rtt, timer } = tcb;
  const record = flight.first;
  const repeats = tcb.recovery.repetitions;
  measureHandshake(tcb, record === undefined || record.repeated ? undefined : tcb.now - record.sentAt);
  flight.shift();
  snd.una = segment.acknowledgment;
  snd.wnd = has(segment, TcpFlag.syn) ? segment.window : segment.window << snd.shift;
  snd.mostWnd = Math.max(snd.mostWnd, snd.wnd);
  snd.small = snd.una;
  tcb.backoff = 0;
  tcb.timeouts = 0;
  if (repeats > 1) tcb.congestion.window = 1;
  if (repeats > 0 && rtt.smoothed === undefined) rtt.fallBack(FALLBACK_TIMEOUT);
  disarm(timer);
  tcb.heardAt = tcb.now;
  guessPeerMss(tcb, sendMss(tcb));
  startSizing(tcb);
  startKeepAlive(tcb);
  tcb.notices.established = true;
}

function measureHandshake(tcb: Tcb, direct: number | undefined): void {
  const { timestamps, snd } = tcb;
  let sample: number | undefined = direct;
  if (sample === undefined && timestamps.on && timestamps.echo !== 0) sample = sinceTimestamp(tcb, timestamps.echo);
  if (sample !== undefined) tcb.rtt.measure(sample as Duration, snd.una, snd.nxt);
}
