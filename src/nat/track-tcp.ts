import { TcpFlag } from "../netstack/index.ts";
import type { ConntrackSysctls } from "./conntrack-sysctls.ts";
import { Field, Last, RECORD_SHIFT, Status, WINDOW_WORDS, Window, word } from "./flow-record.ts";
import type { FlowTable } from "./flow-table.ts";
import {
  addFlags,
  flagsOf,
  ignoredSynFlags,
  isBefore,
  lastAt,
  lastDirection,
  lastKind,
  optionFlags,
  repetitions,
  setIgnoredSynFlags,
  setLast,
  WindowFlag,
  windowAt,
} from "./tcp-record.ts";
import { TcpSegment } from "./tcp-segment.ts";
import { nextTcpState, SegmentKind, TcpState } from "./tcp-states.ts";
import { Fit, TcpWindowTracker } from "./tcp-window.ts";
import { Outcome } from "./tracking.ts";

/** {@link TcpTracker.timeout} for a segment that leaves the entry's timer as it is. */
export const KEEP_TIMEOUT = -1;
/** Given by the steps of {@link TcpTracker.track} when the segment goes on to window tracking. */
const GO_ON = -1;
/** The same, when the window need not be asked. */
const IN_WINDOW = -2;
/** What `nf_tcp_handle_invalid` calls soon anyway, in seconds. */
const SOON = 120;

/** Follows TCP connections (net/netfilter/nf_conntrack_proto_tcp.c): {@link segment} is read first, then asked about. */
export class TcpTracker {
  readonly segment: TcpSegment = new TcpSegment();
  /** Seconds that the last tracked segment gave its entry, or {@link KEEP_TIMEOUT}. */
  timeout: number = KEEP_TIMEOUT;
  readonly #table: FlowTable;
  readonly #sysctls: ConntrackSysctls;
  readonly #window: TcpWindowTracker;
  #old = 0;
  #next = 0;

  constructor(table: FlowTable, sysctls: ConntrackSysctls) {
    this.#table = table;
    this.#sysctls = sysctls;
    this.#window = new TcpWindowTracker(this.segment);
  }

  /** May the segment begin a connection? */
  mayBegin(): boolean {
    const state = nextTcpState(0, this.segment.kind, TcpState.none);
    if (state === TcpState.invalid) return false;
    return state === TcpState.synSent || this.#sysctls.tcpLoose;
  }

  /** Sets up a new record; {@link track} follows with the same segment. */
  begin(slot: number): void {
    const { words } = this.#table;
    this.#window.begin(words, slot);
    setLast(words, slot, SegmentKind.none, 0);
  }

  /** What the segment does to its connection: one of {@link Outcome}. `secondsLeft` is what the entry's timer stands at. */
  track(slot: number, direction: number, secondsLeft: number): number {
    const { words } = this.#table;
    this.timeout = KEEP_TIMEOUT;
    this.#old = word(words, (slot << RECORD_SHIFT) + Field.tcpState);
    this.#next = nextTcpState(direction, this.segment.kind, this.#old);
    const early = this.#consider(slot, direction);
    if (early >= 0) return early;
    if (early !== IN_WINDOW) {
      const fit = this.#window.fit(words, slot, direction, this.#sysctls.tcpBeLiberal);
      if (fit === Fit.ignore) return Outcome.accept;
      if (fit === Fit.outside) {
        this.#outside(slot, direction, secondsLeft);
        return Outcome.invalid;
      }
    }
    return this.#move(slot, direction);
  }

  /** What is decided before the window is looked at. */
  #consider(slot: number, direction: number): number {
    switch (this.#next) {
      case TcpState.synSent:
        if (this.#old < TcpState.timeWait) return GO_ON;
        return this.#isOver(slot, direction) ? Outcome.repeat : this.#ignore(slot, direction);
      case TcpState.ignore:
        return this.#ignore(slot, direction);
      case TcpState.invalid:
        return Outcome.invalid;
      case TcpState.timeWait:
        return this.#isChallenge(slot, direction) ? Outcome.accept : GO_ON;
      case TcpState.close:
        return this.segment.kind === SegmentKind.rst ? this.#reset(slot, direction) : GO_ON;
      default:
        return GO_ON;
    }
  }

  /** A SYN after an orderly close, or after its own sender's reset, begins a new connection (RFC 9293 §3.6.1). */
  #isOver(slot: number, direction: number): boolean {
    const { words } = this.#table;
    const flags = flagsOf(words, windowAt(slot, 0)) | flagsOf(words, windowAt(slot, 1));
    if ((flags & WindowFlag.closeInitiated) !== 0) return true;
    return lastDirection(words, slot) === direction && lastKind(words, slot) === SegmentKind.rst;
  }

  /** Lets the segment through without effect, but notes it: if the ends are in step and we are not, its answer will tell. */
  #ignore(slot: number, direction: number): number {
    const { words } = this.#table;
    const { segment } = this;
    const last = lastAt(slot);
    if (this.#answersIgnoredSyn(slot, direction)) {
      this.#resynchronize(slot);
      return GO_ON;
    }
    setLast(words, slot, segment.kind, direction);
    words[last + Last.sequence] = segment.sequence;
    words[last + Last.end] = segment.end;
    words[last + Last.window] = segment.window;
    if (segment.kind === SegmentKind.syn && direction === 0) {
      const challenge = this.#old === TcpState.lastAck ? WindowFlag.challenge : 0;
      setIgnoredSynFlags(words, slot, optionFlags(segment) | challenge);
    }
    if (this.#old === TcpState.synSent && segment.kind === SegmentKind.ack && direction === 1)
      words[last + Last.acknowledgment] = segment.acknowledgment;
    return Outcome.accept;
  }

  #answersIgnoredSyn(slot: number, direction: number): boolean {
    const { words } = this.#table;
    return (
      this.segment.kind === SegmentKind.synAck &&
      lastKind(words, slot) === SegmentKind.syn &&
      lastDirection(words, slot) !== direction &&
      this.segment.acknowledgment === word(words, lastAt(slot) + Last.end)
    );
  }

  /** The ends have opened a connection that we took for an old one: take over what the ignored SYN said. */
  #resynchronize(slot: number): void {
    const { words } = this.#table;
    const last = lastAt(slot);
    const opener = windowAt(slot, lastDirection(words, slot));
    const answerer = windowAt(slot, 1 - lastDirection(words, slot));
    words.fill(0, answerer, answerer + WINDOW_WORDS);
    words[opener + Window.end] = word(words, last + Last.end);
    words[opener + Window.maxEnd] = word(words, last + Last.end);
    words[opener + Window.maxWindow] = word(words, last + Last.window) || 1;
    words[opener + Window.maxAck] = 0;
    words[opener + Window.flags] = ignoredSynFlags(words, slot) & ~WindowFlag.challenge;
    setIgnoredSynFlags(words, slot, 0);
    this.#old = TcpState.synSent;
    this.#next = TcpState.synRecv;
  }

  /** An ACK that only challenges a SYN (RFC 5961 §4) does not acknowledge the last FIN. */
  #isChallenge(slot: number, direction: number): boolean {
    const { words } = this.#table;
    const flags = ignoredSynFlags(words, slot);
    if (this.#old !== TcpState.lastAck || this.segment.kind !== SegmentKind.ack) return false;
    if (lastDirection(words, slot) === direction || lastKind(words, slot) !== SegmentKind.syn) return false;
    if ((flags & WindowFlag.challenge) === 0) return false;
    setIgnoredSynFlags(words, slot, flags & ~WindowFlag.challenge);
    return true;
  }

  /** A reset closes if its sequence number is the one expected; one that is only inside the window may be a stranger's guess (RFC 5961 §3). */
  #reset(slot: number, direction: number): number {
    const { words } = this.#table;
    const { sequence } = this.segment;
    const receiver = windowAt(slot, 1 - direction);
    // While it closes, its addresses and ports may be in use again already: what we know of its numbers is out of date.
    if (isClosing(this.#old)) return IN_WINDOW;
    const isAckKnown = (flagsOf(words, receiver) & WindowFlag.maxAckSet) !== 0;
    if (!isAckKnown || lastKind(words, slot) === SegmentKind.syn) return this.#resetAnswer(slot);
    const expected = word(words, receiver + Window.maxAck);
    const isEstablished = this.#old === TcpState.established && (this.#table.status(slot) & Status.assured) !== 0;
    if (sequence === 0 && !isEstablished) return GO_ON;
    if (isBefore(sequence, expected) && !this.#sysctls.tcpIgnoreInvalidRst) return Outcome.invalid;
    if (!isEstablished || sequence === expected) return GO_ON;
    const follows =
      lastKind(words, slot) === SegmentKind.ack &&
      lastDirection(words, slot) === direction &&
      sequence === word(words, lastAt(slot) + Last.end);
    if (follows) return GO_ON;
    this.#next = this.#old;
    return this.#resetAnswer(slot);
  }

  /** A reset that answers a SYN or ACK which we let through: the connection is not what we thought, whatever the window says. */
  #resetAnswer(slot: number): number {
    const { words } = this.#table;
    const status = this.#table.status(slot);
    const kind = lastKind(words, slot);
    const answersSyn = (status & Status.seenReply) !== 0 && kind === SegmentKind.syn;
    const answersAck = (status & Status.assured) === 0 && kind === SegmentKind.ack;
    const isAnswer = this.segment.acknowledgment === word(words, lastAt(slot) + Last.end);
    return (answersSyn || answersAck) && isAnswer ? IN_WINDOW : GO_ON;
  }

  /** FIN or RST outside the window, from both sides: we are out of step with a connection that is probably over (`nf_tcp_handle_invalid`). */
  #outside(slot: number, direction: number, secondsLeft: number): void {
    const { words } = this.#table;
    const { kind } = this.segment;
    if ((this.#table.status(slot) & Status.assured) === 0) return;
    if (kind !== SegmentKind.rst && kind !== SegmentKind.fin) return;
    const before = lastKind(words, slot);
    const isAnswered = before === SegmentKind.fin || before === SegmentKind.rst;
    if (lastDirection(words, slot) === direction || !isAnswered) {
      setLast(words, slot, kind, direction);
      return;
    }
    const { tcpTimeoutUnacknowledged } = this.#sysctls;
    if (secondsLeft >= SOON && secondsLeft > tcpTimeoutUnacknowledged) this.timeout = tcpTimeoutUnacknowledged;
  }

  /** The segment is part of the connection. */
  #move(slot: number, direction: number): number {
    const { words } = this.#table;
    const next = this.#next;
    setLast(words, slot, this.segment.kind, direction);
    words[(slot << RECORD_SHIFT) + Field.tcpState] = next;
    if (next !== this.#old) {
      this.#table.addStatus(slot, Status.changed);
      if (next === TcpState.finWait) addFlags(words, windowAt(slot, direction), WindowFlag.closeInitiated);
    }
    this.timeout = this.#timeoutFor(slot, next);
    const status = this.#table.status(slot);
    if ((status & Status.seenReply) === 0) {
      if (this.segment.has(TcpFlag.rst)) {
        this.timeout = KEEP_TIMEOUT;
        return Outcome.ended;
      }
      // Picked up in the middle: not for days, as long as nobody answers.
      if (next === TcpState.established) this.timeout = Math.min(this.timeout, this.#sysctls.tcpTimeoutUnacknowledged);
    } else if ((status & Status.assured) === 0 && next === TcpState.established) {
      if (this.#old === TcpState.synRecv || this.#old === TcpState.established)
        this.#table.addStatus(slot, Status.assured | Status.changed);
    }
    return Outcome.accept;
  }

  #timeoutFor(slot: number, state: number): number {
    const { words } = this.#table;
    const sysctls = this.#sysctls;
    const full = stateTimeout(sysctls, state);
    if (repetitions(words, slot) >= sysctls.tcpMaxRetrans && full > sysctls.tcpTimeoutMaxRetrans)
      return sysctls.tcpTimeoutMaxRetrans;
    if (this.segment.kind === SegmentKind.rst) return sysctls.tcpTimeoutClose;
    const flags = flagsOf(words, windowAt(slot, 0)) | flagsOf(words, windowAt(slot, 1));
    if ((flags & WindowFlag.unacknowledged) !== 0 && full > sysctls.tcpTimeoutUnacknowledged)
      return sysctls.tcpTimeoutUnacknowledged;
    if (word(words, lastAt(slot) + Last.window) === 0 && full > sysctls.tcpTimeoutMaxRetrans)
      return sysctls.tcpTimeoutMaxRetrans;
    return full;
  }
}

/** `tcp_can_early_drop`: one end has begun to close, or both have. */
export function isClosing(state: number): boolean {
  return state >= TcpState.finWait && state <= TcpState.close;
}

function stateTimeout(sysctls: ConntrackSysctls, state: number): number {
  switch (state) {
    case TcpState.synSent:
    case TcpState.synSent2:
      return sysctls.tcpTimeoutSynSent;
    case TcpState.synRecv:
      return sysctls.tcpTimeoutSynRecv;
    case TcpState.established:
      return sysctls.tcpTimeoutEstablished;
    case TcpState.finWait:
      return sysctls.tcpTimeoutFinWait;
    case TcpState.closeWait:
      return sysctls.tcpTimeoutCloseWait;
    case TcpState.lastAck:
      return sysctls.tcpTimeoutLastAck;
    case TcpState.timeWait:
      return sysctls.tcpTimeoutTimeWait;
    default:
      return sysctls.tcpTimeoutClose;
  }
}
