import { after, type Time } from "../../sim/index.ts";
import { TcpFlag } from "../wire/tcp.ts";
import type { Discard } from "./receive.ts";
import { has, NO_BYTES, NO_OPTIONS, type Segment, segmentEnd } from "./segment.ts";
import { isAfter, type Seq, seqAdd } from "./seq.ts";
import type { TcpSettings } from "./settings.ts";
import { finish, type Tcb, timestampAt } from "./tcb.ts";
import { arm } from "./timers.ts";
import { offeredWindow } from "./window.ts";

/** Farther than any window was open: what Linux adds to the old connection's numbers. */
const REOPEN_DISTANCE = 65_537;

/** All that is left of a connection in TIME-WAIT, as little as Linux's `tcp_timewait_sock`: a busy client has tens of thousands of them. */
export interface TimeWait {
  readonly settings: TcpSettings;
  readonly sendNext: Seq;
  readonly receiveNext: Seq;
  /** As in the header of an ACK. */
  readonly window: number;
  /** Of timestamps: added to the clock; `undefined` without them. */
  readonly stampOffset: number | undefined;
  /** TS.Recent. */
  readonly stampRecent: number;
  /** When a challenge ACK may be sent again. */
  challengeAt: Time;
  /** When it began, or was begun anew. */
  since: Time;
}

/** What a segment does to a connection in TIME-WAIT. */
export interface TimeWaitAnswer {
  readonly discard: Discard;
  readonly answer?: Segment | undefined;
  readonly isOver?: boolean;
}

/** Starts the wait after which nothing of this connection is left in the network (RFC 9293 §3.6.1; 60 s as in Linux, not 2 MSL). */
export function enterTimeWait(tcb: Tcb): void {
  arm(tcb.timer, "time-wait", after(tcb.now, tcb.settings.timeWait));
}

/** The program has closed and only the peer's FIN is missing: not for ever (RFC 9293 §3.6, tcp_fin_timeout). */
export function waitForFin(tcb: Tcb): void {
  arm(tcb.timer, "fin-wait-2", after(tcb.now, tcb.settings.finTimeout));
}

/** What has to be kept of a connection in TIME-WAIT (`tcp_time_wait`). */
export function timeWaitOf(tcb: Tcb): TimeWait {
  const { settings, timestamps } = tcb;
  return {
    settings,
    sendNext: tcb.snd.nxt,
    receiveNext: tcb.rcv.nxt,
    window: offeredWindow(tcb) >>> tcb.rcv.shift,
    stampOffset: timestamps.on ? timestamps.offset : undefined,
    stampRecent: timestamps.recent,
    challengeAt: tcb.challengeAt,
    since: (tcb.timer.at - settings.timeWait) as Time,
  };
}

/** A segment for a connection in TIME-WAIT that is still there as a whole. */
export function timeWaitArrives(tcb: Tcb, segment: Segment): Discard {
  const left = timeWaitOf(tcb);
  const { discard, answer, isOver } = hearInTimeWait(left, segment, tcb.now);
  if (answer !== undefined) tcb.outbox.push(answer);
  tcb.challengeAt = left.challengeAt;
  if (isOver === true) finish(tcb, "reset");
  else arm(tcb.timer, "time-wait", after(left.since, left.settings.timeWait));
  return discard;
}

/** A segment in TIME-WAIT (`tcp_timewait_state_process`): RST ends it, anything that acknowledges is answered and starts the wait again. */
export function hearInTimeWait(left: TimeWait, segment: Segment, now: Time): TimeWaitAnswer {
  const exact = segment.sequence === left.receiveNext && !isOlder(left, segment);
  if (has(segment, TcpFlag.rst)) return { discard: "tcp-reset", isOver: exact && !left.settings.keepsTimeWait };
  const bare = segmentEnd(segment) === segment.sequence;
  if (has(segment, TcpFlag.ack) || isOlder(left, segment)) left.since = now;
  if (exact && bare) return { discard: "tcp-time-wait" };
  if (bare || has(segment, TcpFlag.syn)) {
    // A challenge ACK: RFC 5961 §7 wants few of them.
    if (now < left.challengeAt) return { discard: "tcp-time-wait" };
    left.challengeAt = after(now, left.settings.challengeInterval);
  }
  return { discard: "tcp-time-wait", answer: acknowledgment(left, now) };
}

/**
 * Whether a SYN may open a new connection in place of one in TIME-WAIT (RFC 6191, RFC 1122 §4.2.2.13): its number or its timestamp must be
 * newer. Returns the initial sequence number for the new one; `undefined` when the SYN belongs to the old connection.
 */
export function reopenSequence(left: TimeWait, segment: Segment): Seq | undefined {
  if ((segment.flags & (TcpFlag.syn | TcpFlag.rst | TcpFlag.ack)) !== TcpFlag.syn) return undefined;
  const stamp = segment.options.timestamps?.value;
  const stampIsNewer = left.stampOffset !== undefined && stamp !== undefined && ((stamp - left.stampRecent) | 0) > 0;
  if (isOlder(left, segment)) return undefined;
  if (!isAfter(segment.sequence, left.receiveNext) && !stampIsNewer) return undefined;
  return successorSequence(left);
}

/** The initial sequence number of a connection that takes the place of one in TIME-WAIT. */
export function successorSequence(left: TimeWait): Seq {
  return seqAdd(left.sendNext, REOPEN_DISTANCE);
}

function isOlder(left: TimeWait, segment: Segment): boolean {
  const stamp = segment.options.timestamps?.value;
  return left.stampOffset !== undefined && stamp !== undefined && ((left.stampRecent - stamp) | 0) > 0;
}

function acknowledgment(left: TimeWait, now: Time): Segment {
  const { stampOffset } = left;
  const timestamps =
    stampOffset === undefined ? undefined : { value: timestampAt(now, stampOffset), echo: left.stampRecent };
  return {
    sequence: left.sendNext,
    acknowledgment: left.receiveNext,
    flags: TcpFlag.ack,
    window: left.window,
    options: timestamps === undefined ? NO_OPTIONS : { timestamps },
    bytes: NO_BYTES,
    at: 0,
    length: 0,
  };
}
