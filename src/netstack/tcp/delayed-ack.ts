import { after, type Duration, type Time } from "../../sim/index.ts";
import { seqDiff } from "./seq.ts";
import type { Tcb } from "./tcb.ts";
import { offeredWindow, windowToOffer } from "./window.ts";

/** Quick ACKs at the start and after a pause: TCP_MAX_QUICKACKS. */
const MOST_QUICK_ACKS = 16;
const LEAST_MSS_GUESS = 88;
const MSS_GUESS = 536;

/** When to acknowledge: Linux's `icsk_ack` (include/net/inet_connection_sock.h). */
export interface AckPolicy {
  /** Something waits to be acknowledged. */
  scheduled: boolean;
  /** It must be at once. */
  immediately: boolean;
  /** A segment that looked like the end of a write has come, or two of them. */
  pushed: 0 | 1 | 2;
  /** ACKs that will still be sent without delay. */
  quick: number;
  /** The program answers what it reads: an ACK can wait for the answer. */
  interactive: boolean;
  /** How long an ACK may wait; 0 before the first data. */
  delay: number;
  readonly leastDelay: Duration;
  receivedAt: Time;
  /** What a full segment of the peer's seems to be. */
  mss: number;
  lastLength: number;
  /** Full segments that may wait for one ACK: 1, as everywhere, or as many as receive offload would have merged. */
  merged: number;
  deadline: Time | undefined;
}

/** `gro_max_size` would allow 44 of Ethernet's size; fewer leave a sender with a small window something to go on with. */
const SEGMENTS_MERGED = 16;

export function newAckPolicy(leastDelay: Duration): AckPolicy {
  return {
    scheduled: false,
    immediately: false,
    pushed: 0,
    quick: 0,
    interactive: false,
    delay: 0,
    leastDelay,
    receivedAt: 0 as Time,
    mss: LEAST_MSS_GUESS,
    lastLength: 0,
    merged: 1,
    deadline: undefined,
  };
}

/** After the handshake: a cautious guess at the peer's segment size (`tcp_initialize_rcv_mss`). */
export function guessPeerMss(tcb: Tcb, sendMss: number): void {
  const guess = Math.min(tcb.rcv.mss, sendMss, tcb.rcv.wnd >>> 1, MSS_GUESS);
  tcb.ack.mss = Math.max(guess, LEAST_MSS_GUESS);
}

/** Data has come (`tcp_event_data_recv`): adapts the delay and the guess of the segment size. */
export function noteData(tcb: Tcb, length: number, pushed: boolean): void {
  const { ack } = tcb;
  ack.scheduled = true;
  measureSegment(tcb, length, pushed);
  const gap = tcb.now - ack.receivedAt;
  if (ack.delay === 0) {
    allowQuickAcks(tcb);
    ack.delay = ack.leastDelay;
  } else if (gap <= ack.leastDelay / 2) {
    ack.delay = ack.delay / 2 + ack.leastDelay / 2;
  } else if (gap < ack.delay) {
    ack.delay = Math.min(ack.delay / 2 + gap, tcb.rtt.timeout);
  } else if (gap > tcb.rtt.timeout) {
    allowQuickAcks(tcb);
  }
  ack.receivedAt = tcb.now;
}

/** `tcp_measure_rcv_mss`, without its care for segments merged on receipt. */
function measureSegment(tcb: Tcb, length: number, pushed: boolean): void {
  const { ack } = tcb;
  if (length >= ack.mss) {
    ack.mss = Math.min(length, tcb.rcv.mss);
    if (pushed && ack.pushed === 0) ack.pushed = 1;
    return;
  }
  if (length >= MSS_GUESS || (length >= LEAST_MSS_GUESS && !pushed)) {
    const repeated = ack.lastLength === length;
    ack.lastLength = length;
    if (repeated) {
      ack.mss = length;
      return;
    }
  }
  ack.pushed = ack.pushed === 0 ? 1 : 2;
}

/** Something is wrong or unusual: answer at once for a while (`tcp_enter_quickack_mode`). */
export function acknowledgeQuickly(tcb: Tcb, most: number = MOST_QUICK_ACKS): void {
  allowQuickAcks(tcb, most);
  tcb.ack.interactive = false;
  tcb.ack.delay = tcb.ack.leastDelay;
  tcb.ack.scheduled = true;
}

function allowQuickAcks(tcb: Tcb, most: number = MOST_QUICK_ACKS): void {
  const segments = Math.floor(offeredWindow(tcb) / (2 * tcb.ack.mss)) || 2;
  tcb.ack.quick = Math.max(tcb.ack.quick, Math.min(segments, most));
}

/** Data has gone out: when it answers what came just before, ACKs may wait for such answers (`tcp_event_data_sent`). */
export function noteDataSent(tcb: Tcb): void {
  const { ack } = tcb;
  if (tcb.now - ack.receivedAt < ack.delay) ack.interactive = true;
}

/** A segment with an ACK has gone out (`tcp_event_ack_sent`). */
export function noteAckSent(tcb: Tcb): void {
  const { ack } = tcb;
  if (ack.quick > 0) {
    ack.quick--;
    if (ack.quick === 0) ack.delay = ack.leastDelay;
  }
  ack.scheduled = false;
  ack.immediately = false;
  ack.pushed = 0;
  ack.deadline = undefined;
}

/** A segment has been dealt with: acknowledge now, or start the delay (`__tcp_ack_snd_check`, `tcp_send_delayed_ack`). */
export function decideAck(tcb: Tcb): void {
  const { ack, rcv } = tcb;
  if (!ack.scheduled) return;
  const pending = seqDiff(rcv.nxt, rcv.wup);
  if (
    (pending > ack.mss * ack.merged && windowToOffer(tcb) >= rcv.wnd) ||
    (ack.quick > 0 && !ack.interactive) ||
    tcb.receiveQueue.hasGaps
  ) {
    ack.immediately = true;
  }
  if (!ack.immediately) delayAck(tcb);
}

function delayAck(tcb: Tcb): void {
  const { ack, rtt } = tcb;
  let delay = ack.delay || ack.leastDelay;
  if (delay > ack.leastDelay) {
    const most = ack.interactive || ack.pushed > 0 ? 200e6 : 500e6;
    const roundTrip = Math.max(rtt.smoothed ?? most, ack.leastDelay);
    delay = Math.min(delay, most, roundTrip);
  }
  if (ack.deadline !== undefined && ack.deadline <= tcb.now + delay / 4) {
    ack.immediately = true;
    return;
  }
  const at = after(tcb.now, Math.round(delay) as Duration);
  if (ack.deadline === undefined || at < ack.deadline) ack.deadline = at;
}

/** The delay is over (`tcp_delack_timer_handler`): acknowledge, and be slower or quicker next time. */
export function delayedAckDue(tcb: Tcb): void {
  const { ack } = tcb;
  ack.deadline = undefined;
  if (!ack.scheduled) return;
  if (ack.interactive) {
    ack.interactive = false;
    ack.delay = ack.leastDelay;
  } else {
    ack.delay = Math.min(ack.delay * 2, tcb.rtt.timeout);
  }
  ack.immediately = true;
}

/** The program has read `count` bytes (`__tcp_cleanup_rbuf`): it may be time to acknowledge, or to offer a window again. */
export function noteRead(tcb: Tcb, count: number): void {
  const { ack, rcv } = tcb;
  if (count === 0) return;
  if (ack.scheduled) {
    const emptied = tcb.receiveQueue.readable === 0;
    const due = ack.pushed === 2 || (ack.pushed === 1 && !ack.interactive);
    if (seqDiff(rcv.nxt, rcv.wup) > ack.mss * ack.merged || (due && emptied)) ack.immediately = true;
  }
  if (rcv.fin !== undefined) return;
  const offered = offeredWindow(tcb);
  if (2 * offered > rcv.space) return;
  const next = windowToOffer(tcb);
  if (next > 0 && next >= 2 * offered) ack.immediately = true;
}

/** From now on one ACK for what a network card's receive offload merges into one packet (`tcp_gro_receive`, net/ipv4/tcp_offload.c). */
export function mergeReceived(tcb: Tcb): void {
  tcb.ack.merged = SEGMENTS_MERGED;
}

/** No more is coming for now, where NAPI would hand up what it has merged (`napi_gro_flush`): what waits for its ACK gets it by the usual rule. */
export function receivedBatch(tcb: Tcb): void {
  const { ack, rcv } = tcb;
  if (ack.scheduled && seqDiff(rcv.nxt, rcv.wup) > ack.mss) ack.immediately = true;
}
