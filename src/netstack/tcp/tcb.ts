import type { Duration, Random, Time } from "../../sim/index.ts";
import type { CongestionControl } from "./congestion.ts";
import { Cubic } from "./cubic.ts";
import type { AckPolicy } from "./delayed-ack.ts";
import { newAckPolicy } from "./delayed-ack.ts";
import { type Ecn, newEcn } from "./ecn.ts";
import { Flight } from "./flight.ts";
import { ReceiveQueue } from "./receive-queue.ts";
import { newRecovery, type Recovery } from "./recovery.ts";
import { Reno } from "./reno.ts";
import { RttEstimator } from "./rtt.ts";
import type { Segment } from "./segment.ts";
import { DEFAULT_MSS, HEADERS } from "./segment-size.ts";
import { SendQueue } from "./send-queue.ts";
import { type Seq, seq } from "./seq.ts";
import type { KeepAlive, TcpSettings } from "./settings.ts";
import { nextState, type State, type StateEvent } from "./state.ts";
import { successorSequence, type TimeWait } from "./time-wait.ts";
import { type ConnectionTimer, disarm, idleTimer } from "./timers.ts";
import type { Train } from "./train.ts";
import type { CloseReason } from "./upcalls.ts";

/** RFC 9293 §3.4.2, Send Sequence Variables, and what determines a segment's size. */
export interface SendSpace {
  iss: Seq;
  una: Seq;
  nxt: Seq;
  /** In bytes: scaled. */
  wnd: number;
  /** SEG.SEQ of the segment that last updated `wnd`. */
  wl1: Seq;
  /** Bytes acknowledged in all. */
  acked: number;
  /** The largest window the peer has offered. */
  mostWnd: number;
  /** Snd.Wind.Shift (RFC 7323 §2). */
  shift: number;
  /** What the peer's MSS option allows. */
  peerMss: number;
  pathMtu: number;
  /** End of the last segment sent that was shorter than the MSS (Minshall's variant of Nagle's algorithm). */
  small: Seq;
  /** Number of the FIN; `undefined` until CLOSE. */
  fin: Seq | undefined;
}

/** RFC 9293 §3.4.2, Receive Sequence Variables, and how the window offered is chosen (window.ts). */
export interface ReceiveSpace {
  irs: Seq;
  nxt: Seq;
  /** The window last offered, counted from `wup`. */
  wnd: number;
  /** RCV.NXT when the window was last offered: also Last.ACK.sent of RFC 7323 §4.3. */
  wup: Seq;
  /** Rcv.Wind.Shift. */
  shift: number;
  /** The MSS we announced. */
  mss: number;
  /** Bytes of payload the buffer holds at present. */
  space: number;
  /** Greatest window offered at present (Linux's rcv_ssthresh). */
  threshold: number;
  /** Number of the peer's FIN, once seen. */
  fin: Seq | undefined;
  /** A segment that was received twice, to be reported once (RFC 2883). */
  duplicate: { start: Seq; end: Seq } | undefined;
}

/** RFC 7323 §3. */
export interface Timestamps {
  on: boolean;
  /** Added to the clock: every connection starts elsewhere. */
  readonly offset: number;
  /** TS.Recent, and when it was taken. */
  recent: number;
  recentAt: Time;
  /** TSecr of the segment being dealt with; 0 when it has none. */
  echo: number;
}

/** Dynamic right-sizing of the receive buffer (`tcp_rcv_space_adjust`). */
export interface RightSizing {
  /** Round-trip time as the receiver sees it; 0 before the first measurement. */
  rtt: number;
  /** For connections without timestamps: when RCV.NXT reaches `rttSeq` a round trip has passed since `rttAt`. */
  rttSeq: Seq;
  rttAt: Time;
  /** TSecr last measured with. */
  lastEcho: number;
  /** Bytes the program has read in all. */
  copied: number;
  /** Measured at the start of the present round. */
  roundCopied: number;
  roundAt: Time;
  /** Bytes read in the best round so far. */
  bestRound: number;
}

/** What the program is to be told, gathered while a segment or timeout is dealt with. */
export interface Notices {
  established: boolean;
  readable: boolean;
  writable: boolean;
  peerClosed: boolean;
  closed: CloseReason | undefined;
}

/** The Transmission Control Block (RFC 9293 §3.3.1): everything one connection knows. */
export interface Tcb {
  state: State;
  readonly settings: TcpSettings;
  readonly random: Random;
  /** The latest moment the owner has told. */
  now: Time;
  /** Opened by a peer's SYN. */
  passive: boolean;
  /** The program has closed: nobody reads any more. */
  orphaned: boolean;
  noDelay: boolean;
  /** SO_KEEPALIVE is on. */
  keepAlive: KeepAlive | undefined;
  readonly snd: SendSpace;
  readonly rcv: ReceiveSpace;
  readonly timestamps: Timestamps;
  readonly ecn: Ecn;
  sackPermitted: boolean;
  /** Windows are scaled (RFC 7323 §2). */
  windowScaling: boolean;
  readonly sendQueue: SendQueue;
  readonly receiveQueue: ReceiveQueue;
  readonly flight: Flight;
  readonly rtt: RttEstimator;
  readonly congestion: CongestionControl;
  readonly recovery: Recovery;
  readonly ack: AckPolicy;
  readonly sizing: RightSizing;
  readonly timer: ConnectionTimer;
  /** Doublings of the retransmission or probe timeout. */
  backoff: number;
  /** Timeouts since anything was acknowledged. */
  timeouts: number;
  /** When the first of them repeated a segment. */
  firstTimeoutAt: Time;
  /** Zero-window or keep-alive probes without answer. */
  probes: number;
  /** When anything last arrived, and when data was last sent. */
  heardAt: Time;
  sentAt: Time;
  keepAliveAt: Time | undefined;
  /** When a challenge ACK may be sent again. */
  challengeAt: Time;
  /** What an ICMP error told about a connection that goes on (RFC 9293 §3.9.2.2). */
  softError: CloseReason | undefined;
  /** Bytes that the send queue may hold at present. */
  sendLimit: number;
  /** Bytes were refused by `write`: say when there is room. */
  wantsRoom: boolean;
  /** Greatest number of segments in flight, and whether the congestion window was the limit, in the present window of data. */
  mostOut: number;
  windowLimited: boolean;
  usageEnd: Seq;
  /** What is on its way to the network card as one piece. */
  readonly train: Train;
  /** The same, since the last time nothing more could be sent. */
  limitedNow: boolean;
  sentNow: boolean;
  /** What a timer has asked to be sent. */
  probe: "none" | "tail" | "window";
  /** Segments ready to go: handshake, resets, immediate ACKs. */
  readonly outbox: Segment[];
  readonly notices: Notices;
  /** Asked when a passive handshake completes: whether the listener has room for the connection. */
  admit: (() => boolean) | undefined;
}

/** What a connection is made with. */
export interface TcpConnectionOptions {
  readonly random: Random;
  readonly settings: TcpSettings;
  /** Of the way to the peer, from the route: the announced MSS is 40 less. */
  readonly mtu: number;
  readonly now: Time;
  /** TCP_NODELAY: small segments are sent at once. */
  readonly noDelay?: boolean;
  /** Added to the clock for timestamps; drawn when left out. */
  readonly timestampOffset?: number;
  /** The connection in TIME-WAIT whose endpoints are used again (`tcp_twsk_unique`). */
  readonly successorOf?: TimeWait;
}

export function newTcb(options: TcpConnectionOptions): Tcb {
  const { random, settings, now, mtu } = options;
  const before = options.successorOf;
  const iss = before === undefined ? seq(random.u32()) : successorSequence(before);
  const control = settings.congestion === "cubic" ? Cubic : Reno;
  return {
    state: "closed",
    settings,
    random,
    now,
    passive: false,
    orphaned: false,
    noDelay: options.noDelay ?? false,
    keepAlive: undefined,
    snd: newSendSpace(iss, mtu),
    rcv: newReceiveSpace(settings, mtu),
    timestamps: {
      on: settings.timestamps,
      offset: options.timestampOffset ?? before?.stampOffset ?? random.u32(),
      recent: before?.stampRecent ?? 0,
      recentAt: now,
      echo: 0,
    },
    ecn: newEcn(),
    sackPermitted: settings.selectiveAcks,
    windowScaling: settings.windowScaling,
    sendQueue: new SendQueue(),
    receiveQueue: new ReceiveQueue(),
    flight: new Flight(),
    rtt: new RttEstimator(settings),
    congestion: new control(settings.initialWindow),
    recovery: newRecovery(iss, settings.reordering),
    ack: newAckPolicy(settings.delayedAck),
    sizing: newRightSizing(now),
    timer: idleTimer(),
    backoff: 0,
    timeouts: 0,
    firstTimeoutAt: now,
    probes: 0,
    heardAt: now,
    sentAt: now,
    keepAliveAt: undefined,
    challengeAt: now,
    softError: undefined,
    sendLimit: settings.sendBuffer.initial,
    wantsRoom: false,
    mostOut: 0,
    windowLimited: false,
    usageEnd: iss,
    train: { start: iss, end: iss },
    limitedNow: false,
    sentNow: false,
    probe: "none",
    outbox: [],
    notices: { established: false, readable: false, writable: false, peerClosed: false, closed: undefined },
    admit: undefined,
  };
}

function newSendSpace(iss: Seq, pathMtu: number): SendSpace {
  return {
    iss,
    una: iss,
    nxt: iss,
    wnd: 0,
    wl1: seq(0),
    acked: 0,
    mostWnd: 0,
    shift: 0,
    peerMss: DEFAULT_MSS,
    pathMtu,
    small: iss,
    fin: undefined,
  };
}

function newReceiveSpace(settings: TcpSettings, mtu: number): ReceiveSpace {
  const zero = seq(0);
  return {
    irs: zero,
    nxt: zero,
    wnd: 0,
    wup: zero,
    shift: 0,
    mss: mtu - HEADERS,
    space: settings.receiveBuffer.initial >>> 1,
    threshold: 0,
    fin: undefined,
    duplicate: undefined,
  };
}

function newRightSizing(now: Time): RightSizing {
  return {
    rtt: 0,
    rttSeq: seq(0),
    rttAt: now,
    lastEcho: 0,
    copied: 0,
    roundCopied: 0,
    roundAt: now,
    bestRound: 0,
  };
}

/** Makes a move of the table in state.ts, and says where to; the only place that changes the state. */
export function move(tcb: Tcb, event: StateEvent): State {
  const next = nextState(tcb.state, event);
  if (next === undefined) return tcb.state;
  tcb.state = next;
  if (next === "closed") release(tcb);
  return next;
}

/** Ends the connection at once. */
export function finish(tcb: Tcb, reason: CloseReason): void {
  if (tcb.state === "closed") return;
  move(tcb, tcb.state === "time-wait" ? "2msl" : "reset");
  tcb.notices.closed ??= reason;
}

/** Moves to TIME-WAIT or CLOSED come with word to the program. */
export function noteOrderlyEnd(tcb: Tcb): void {
  if (tcb.state === "time-wait" || tcb.state === "closed") tcb.notices.closed ??= "closed";
}

/** A closed connection keeps nothing but what the program may still read. */
function release(tcb: Tcb): void {
  disarm(tcb.timer);
  tcb.ack.deadline = undefined;
  tcb.ack.scheduled = false;
  tcb.ack.immediately = false;
  tcb.keepAliveAt = undefined;
  tcb.flight.clear();
  tcb.sendQueue.clear();
  tcb.receiveQueue.discardGaps();
}

/** The clock of timestamps: one tick a millisecond (RFC 7323 §5.4). */
export function timestampNow(tcb: Tcb): number {
  return timestampAt(tcb.now, tcb.timestamps.offset);
}

/** That clock for an `offset`. */
export function timestampAt(now: Time, offset: number): number {
  return (Math.floor(now / TICK) + offset) >>> 0;
}

const TICK = 1e6;

/** The time from a timestamp of ours until now; `undefined` when the stamp cannot be ours. */
export function sinceTimestamp(tcb: Tcb, stamp: number): Duration | undefined {
  const ticks = (timestampNow(tcb) - stamp) | 0;
  if (ticks < 0) return undefined;
  // The clock is coarse: a round trip within one tick counts as one (`tcp_rtt_tsopt_us`).
  return (Math.max(ticks, 1) * TICK) as Duration;
}
