import type { Duration, Time } from "../../sim/index.ts";
import { decideAck, mergeReceived, noteRead, receivedBatch } from "./delayed-ack.ts";
import { openActively, openAnswered, openPassively } from "./handshake.ts";
import { fragmentationNeeded, type IcmpErrorKind, icmpError } from "./icmp-errors.ts";
import { setKeepAlive } from "./keep-alive.ts";
import { type Discard, segmentArrives } from "./receive.ts";
import { rightSize } from "./right-sizing.ts";
import type { Segment } from "./segment.ts";
import { sendMss } from "./segment-size.ts";
import { acknowledgment, dataIsDue, nextSegment, resetSegment } from "./send.ts";
import { sendRoom } from "./send-buffer.ts";
import { type Seq, seq, seqDiff } from "./seq.ts";
import type { KeepAlive } from "./settings.ts";
import { isSynchronized, type State } from "./state.ts";
import { finish, move, newTcb, type Tcb, type TcpConnectionOptions } from "./tcb.ts";
import { reopenSequence, type TimeWait, timeWaitOf, waitForFin } from "./time-wait.ts";
import { handleTimeouts } from "./timeout.ts";
import { earlier } from "./timers.ts";
import { currentTimeout } from "./transmission-timer.ts";
import type { CloseReason, TcpUpcalls } from "./upcalls.ts";
import { offeredWindow } from "./window.ts";

/** What `ss -i` shows of a connection, for people and tests. */
export interface TcpInfo {
  readonly state: State;
  readonly congestion: "cubic" | "reno";
  readonly phase: "open" | "disorder" | "cwr" | "recovery" | "loss";
  /** In segments. */
  readonly congestionWindow: number;
  readonly slowStartThreshold: number;
  readonly smoothedRtt: Duration | undefined;
  readonly retransmissionTimeout: Duration;
  readonly sendMss: number;
  readonly segmentsInFlight: number;
  /** Repetitions of any kind since the start. */
  readonly repetitions: number;
  /** In bytes, as the others below. */
  readonly unacknowledged: number;
  readonly unsent: number;
  readonly sendWindow: number;
  readonly receiveWindow: number;
  /** Sequence numbers: RFC 9293's SND.NXT and RCV.NXT. */
  readonly sendNext: number;
  readonly receiveNext: number;
}

/** A listener's part in a passive open. */
export interface PassiveOpener {
  /** Whether a completed connection can be taken in now. */
  admits(): boolean;
  /** The handshake is complete. */
  completed(connection: TcpConnection): void;
  /** The handshake failed. */
  failed(connection: TcpConnection): void;
}

/**
 * One TCP connection, without I/O: segments, calls and the time go in; segments, upcalls and the next deadline come out. After every call
 * the owner drains `poll` and sends what it returns, then arms one timer for `deadline`, whose only action is to drain `poll` again.
 * Nothing here throws, whatever arrives.
 */
export class TcpConnection {
  /** Whom to tell; may be set at any time. */
  upcalls: TcpUpcalls = {};
  readonly #tcb: Tcb;
  #opener: PassiveOpener | undefined;
  #telling = false;
  #closedTold = false;
  #reason: CloseReason | undefined;

  constructor(options: TcpConnectionOptions) {
    this.#tcb = newTcb(options);
  }

  get state(): State {
    return this.#tcb.state;
  }

  /** Why it ended, once it has: when the state is TIME-WAIT or CLOSED after an open. */
  get closeReason(): CloseReason | undefined {
    return this.#reason;
  }

  /** TCP_NODELAY: small segments do not wait for acknowledgments. */
  get noDelay(): boolean {
    return this.#tcb.noDelay;
  }

  set noDelay(on: boolean) {
    this.#tcb.noDelay = on;
  }

  /** Probes an idle peer, with the host's times where none are given, so that one that has vanished is noticed; off at first. */
  setKeepAlive(wanted: Partial<KeepAlive> | "off", now: Time): void {
    this.#tcb.now = now;
    setKeepAlive(this.#tcb, wanted);
  }

  /** Acknowledges as behind a network card with receive offload: rarely, and at the end of each {@link endBatch}. */
  mergeReceived(): void {
    mergeReceived(this.#tcb);
  }

  /** What came together has all been received; the ACK for it is sent by the next `poll`. */
  endBatch(now: Time): void {
    this.#tcb.now = now;
    receivedBatch(this.#tcb);
  }

  /** Active OPEN: the first `poll` returns the SYN. */
  open(now: Time): void {
    this.#tcb.now = now;
    openActively(this.#tcb);
  }

  /** Passive OPEN by a SYN, for {@link TcpListener}. */
  answer(syn: Segment, now: Time, opener: PassiveOpener, iss?: Seq): void {
    this.#tcb.now = now;
    this.#opener = opener;
    this.#tcb.admit = () => opener.admits();
    openPassively(this.#tcb, syn, iss);
  }

  /** Passive OPEN by a SYN that was answered with the number `iss` already, for {@link TcpListener}: the next segment completes the handshake. */
  resume(syn: Segment, now: Time, opener: PassiveOpener, iss: Seq): void {
    this.#tcb.now = now;
    this.#opener = opener;
    this.#tcb.admit = () => opener.admits();
    openAnswered(this.#tcb, syn, iss);
  }

  /** A segment has arrived, its checksum right. Returns why it was discarded, when it was. */
  receive(segment: Segment, now: Time): Discard | undefined {
    const tcb = this.#tcb;
    tcb.now = now;
    const discard = segmentArrives(tcb, segment);
    decideAck(tcb);
    // Linux acknowledges before the program has a chance to answer; only data that was waiting already carries the ACK along.
    if (tcb.ack.immediately && !dataIsDue(tcb)) tcb.outbox.push(acknowledgment(tcb));
    this.#tell();
    return discard;
  }

  /** The next segment to send at `now`, or `asTrains` the next few as one, timeouts included; to be called until it returns `undefined`. */
  poll(now: Time, asTrains = false): Segment | undefined {
    const tcb = this.#tcb;
    tcb.now = now;
    handleTimeouts(tcb);
    this.#tell();
    return tcb.outbox.length > 0 ? tcb.outbox.shift() : nextSegment(tcb, asTrains);
  }

  /** When to call `poll` again although nothing has happened; `undefined`: never. */
  deadline(): Time | undefined {
    const { timer, ack, keepAliveAt } = this.#tcb;
    return earlier(timer.kind === "idle" ? undefined : timer.at, earlier(ack.deadline, keepAliveAt));
  }

  /** Takes as many of `bytes` as the send buffer has room for and returns their number; 0 once this side has closed. */
  write(bytes: Uint8Array, now: Time): number {
    const tcb = this.#tcb;
    tcb.now = now;
    if (!mayWrite(tcb) || bytes.length === 0) return 0;
    const count = Math.min(bytes.length, Math.max(0, sendRoom(tcb)));
    if (count < bytes.length) tcb.wantsRoom = true;
    if (count > 0) tcb.sendQueue.append(count === bytes.length ? bytes : bytes.subarray(0, count));
    return count;
  }

  /** Bytes that `write` would take now. */
  get writable(): number {
    return mayWrite(this.#tcb) ? Math.max(0, sendRoom(this.#tcb)) : 0;
  }

  /** Takes up to `most` received bytes; what is returned belongs to the caller. */
  read(most: number, now: Time): Uint8Array {
    return this.readView(most, now).slice();
  }

  /** {@link read} without a copy: what is returned is valid until the next call on this connection. */
  readView(most: number, now: Time): Uint8Array {
    const tcb = this.#tcb;
    tcb.now = now;
    const bytes = tcb.receiveQueue.read(most);
    if (bytes.length > 0 && tcb.state !== "closed") {
      rightSize(tcb, bytes.length);
      noteRead(tcb, bytes.length);
    }
    return bytes;
  }

  /** Bytes that `read` would return. */
  get readable(): number {
    return this.#tcb.receiveQueue.readable;
  }

  /** The peer has closed its side: nothing follows what is `readable`. */
  get peerHasClosed(): boolean {
    const { rcv } = this.#tcb;
    return rcv.fin !== undefined && rcv.nxt !== rcv.fin && seqDiff(rcv.nxt, rcv.fin) > 0;
  }

  /** CLOSE of RFC 9293, shutdown(SHUT_WR): a FIN follows what was written; receiving goes on. */
  close(now: Time): void {
    const tcb = this.#tcb;
    tcb.now = now;
    if (tcb.snd.fin !== undefined) return;
    switch (tcb.state) {
      case "syn-sent":
        finish(tcb, "aborted");
        break;
      case "syn-received":
        // RFC 9293 §3.10.4: queued until the handshake is complete.
        tcb.snd.fin = tcb.sendQueue.end;
        break;
      case "established":
      case "close-wait":
        tcb.snd.fin = tcb.sendQueue.end;
        move(tcb, "close");
    }
    this.#tell();
  }

  /**
   * close(2): the program lets go of the connection. What was written is still delivered and a FIN sent; but data not read, or arriving
   * later, makes it a RST (RFC 1122 §4.2.2.13), and the wait for the peer's FIN is bounded.
   */
  release(now: Time): void {
    const tcb = this.#tcb;
    if (tcb.receiveQueue.readable > 0) {
      tcb.receiveQueue.read(tcb.receiveQueue.readable);
      this.abort(now);
      return;
    }
    tcb.orphaned = true;
    this.close(now);
    if (tcb.state === "fin-wait-2") waitForFin(tcb);
  }

  /** Ends the connection at once; the peer gets a RST. */
  abort(now: Time): void {
    const tcb = this.#tcb;
    tcb.now = now;
    if (needsReset(tcb.state)) tcb.outbox.push(resetSegment(tcb));
    finish(tcb, "aborted");
    this.#tell();
  }

  /** An ICMP error quotes a segment of this connection with the sequence number `quoted`. */
  onIcmpError(kind: IcmpErrorKind, quoted: number, now: Time): void {
    this.#tcb.now = now;
    icmpError(this.#tcb, kind, seq(quoted));
    this.#tell();
  }

  /** ICMP says that a segment is too long for a link of `mtu` bytes (RFC 1191). */
  onFragmentationNeeded(mtu: number, quoted: number, now: Time): void {
    this.#tcb.now = now;
    fragmentationNeeded(this.#tcb, mtu, seq(quoted));
  }

  /**
   * In TIME-WAIT, for a SYN that may open a new connection between the same endpoints: the initial sequence number for
   * {@link TcpListener.receive}, after which the owner forgets this connection.
   */
  reopenSequence(segment: Segment): Seq | undefined {
    return this.state === "time-wait" ? reopenSequence(timeWaitOf(this.#tcb), segment) : undefined;
  }

  /** What the owner may keep in place of a connection in TIME-WAIT that has nothing more to be read and sent; `undefined` before. */
  get timeWait(): TimeWait | undefined {
    const tcb = this.#tcb;
    return tcb.state === "time-wait" && this.readable === 0 ? timeWaitOf(tcb) : undefined;
  }

  /** The program has let go of it and the peer has not yet (`tcp_orphan_count`). */
  get isOrphan(): boolean {
    const { orphaned, state } = this.#tcb;
    return orphaned && state !== "closed" && !this.isWaiting;
  }

  /** Only waits for what may still be on the way: in TIME-WAIT, or in FIN-WAIT-2 without a program (`tcp_time_wait`). */
  get isWaiting(): boolean {
    const { orphaned, state } = this.#tcb;
    return state === "time-wait" || (orphaned && state === "fin-wait-2");
  }

  get info(): TcpInfo {
    const tcb = this.#tcb;
    const unsent = Math.max(0, seqDiff(tcb.sendQueue.end, tcb.snd.nxt));
    return {
      state: tcb.state,
      congestion: tcb.congestion.name,
      phase: tcb.recovery.phase,
      congestionWindow: tcb.congestion.window,
      slowStartThreshold: tcb.congestion.threshold,
      smoothedRtt: tcb.rtt.smoothed,
      retransmissionTimeout: currentTimeout(tcb),
      sendMss: sendMss(tcb),
      segmentsInFlight: tcb.flight.inNetwork,
      repetitions: tcb.recovery.repetitions,
      unacknowledged: seqDiff(tcb.snd.nxt, tcb.snd.una),
      unsent,
      sendWindow: tcb.snd.wnd,
      receiveWindow: offeredWindow(tcb),
      sendNext: tcb.snd.nxt,
      receiveNext: tcb.rcv.nxt,
    };
  }

  /** Makes the upcalls that have become due. Those called may call us: what that brings comes in a further round. */
  #tell(): void {
    const { notices } = this.#tcb;
    if (this.#telling) return;
    this.#telling = true;
    try {
      while (this.#tellOne(notices));
    } finally {
      this.#telling = false;
    }
  }

  #tellOne(notices: Tcb["notices"]): boolean {
    const { orphaned } = this.#tcb;
    if (notices.established) {
      notices.established = false;
      this.#opener?.completed(this);
      this.#opener = undefined;
      this.upcalls.onEstablished?.();
    } else if (notices.readable) {
      notices.readable = false;
      if (!orphaned) this.upcalls.onReadable?.();
    } else if (notices.peerClosed) {
      notices.peerClosed = false;
      if (!orphaned) this.upcalls.onPeerClosed?.();
    } else if (notices.writable) {
      notices.writable = false;
      if (!orphaned) this.upcalls.onWritable?.();
    } else if (notices.closed !== undefined) {
      this.#reason ??= notices.closed;
      notices.closed = undefined;
      this.#opener?.failed(this);
      this.#opener = undefined;
      if (!this.#closedTold) this.upcalls.onClosed?.(this.#reason);
      this.#closedTold = true;
    } else {
      return false;
    }
    return true;
  }
}

function mayWrite(tcb: Tcb): boolean {
  if (tcb.snd.fin !== undefined) return false;
  const { state } = tcb;
  return state === "syn-sent" || state === "syn-received" || state === "established" || state === "close-wait";
}

/** States in which the peer believes in the connection (`tcp_need_reset`). */
function needsReset(state: State): boolean {
  return (
    state === "syn-received" ||
    (isSynchronized(state) && state !== "time-wait" && state !== "closing" && state !== "last-ack")
  );
}
