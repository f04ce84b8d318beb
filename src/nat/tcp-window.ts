import { TcpFlag } from "../netstack/index.ts";
import { Field, Last, RECORD_SHIFT, Window, word } from "./flow-record.ts";
import {
  addFlags,
  clearFlags,
  clearScale,
  flagsOf,
  isAfter,
  isBefore,
  lastAt,
  lastDirection,
  optionFlags,
  repetitions,
  scaleOf,
  setRepetitions,
  WindowFlag,
  windowAt,
} from "./tcp-record.ts";
import type { TcpSegment } from "./tcp-segment.ts";
import { SegmentKind, TcpState } from "./tcp-states.ts";

/** How far behind an acknowledgment may be, at least. */
const OLDEST_ACK = 66_000;

/** What {@link TcpWindowTracker.fit} says of a segment. */
export const Fit = {
  inside: 0,
  /** Old: let through, with no effect. */
  ignore: 1,
  outside: 2,
} as const;

const NO_WORDS = new Int32Array(0);

/**
 * Is a segment inside the window? (`tcp_in_window`, net/netfilter/nf_conntrack_proto_tcp.c in Linux 6.x; the method is Guido van Rooij's,
 * "Real Stateful TCP Packet Filtering in IP Filter".) Standing between the ends, we know what each has sent and what the other has allowed it:
 *
 *   I    the data begins no later than the receiver's window ends, or ends less than another window behind
 *   II   it ends no earlier than one window before what the sender has sent
 *   III  it acknowledges nothing that was not sent
 *   IV   nor anything long acknowledged
 *
 * One tracker serves all connections; what it holds is the segment at hand.
 */
export class TcpWindowTracker {
  #words: Int32Array = NO_WORDS;
  #segment: TcpSegment;
  #slot = 0;
  #direction = 0;
  /** Where the sender's and the receiver's windows are. */
  #sender = 0;
  #receiver = 0;
  #sequence = 0;
  #end = 0;
  #ack = 0;
  #sack = 0;

  constructor(segment: TcpSegment) {
    this.#segment = segment;
  }

  /** Begins a connection with the segment: with its SYN, or in the middle (`tcp_new`). */
  begin(words: Int32Array, slot: number): void {
    const segment = this.#segment;
    const sender = windowAt(slot, 0);
    words[sender + Window.end] = segment.end;
    words[sender + Window.maxWindow] = segment.window || 1;
    if (segment.has(TcpFlag.syn)) {
      words[sender + Window.maxEnd] = segment.end;
      words[sender + Window.flags] = optionFlags(segment);
      return;
    }
    words[sender + Window.maxEnd] = segment.end + (segment.window || 1);
    // The window scale is not known, so nothing can be said to be outside.
    const flags = WindowFlag.sackPermitted | WindowFlag.beLiberal;
    words[sender + Window.flags] = flags;
    words[windowAt(slot, 1) + Window.flags] = flags;
  }

  /** One of {@link Fit}; a segment inside moves the window. */
  fit(words: Int32Array, slot: number, direction: number, liberal: boolean): number {
    const segment = this.#segment;
    this.#words = words;
    this.#slot = slot;
    this.#direction = direction;
    this.#sender = windowAt(slot, direction);
    this.#receiver = windowAt(slot, 1 - direction);
    this.#sequence = segment.sequence;
    this.#end = segment.end;
    this.#ack = segment.acknowledgment;
    const mayHaveSack = (flagsOf(words, this.#receiver) & WindowFlag.sackPermitted) !== 0;
    this.#sack = mayHaveSack ? segment.highestSack(this.#ack) : this.#ack;
    if (this.#isOpening()) return Fit.inside;
    this.#normalize();
    const fit = this.#overshoots() ? Fit.ignore : this.#judge();
    if (fit !== Fit.inside) {
      return liberal || (flagsOf(words, this.#sender) & WindowFlag.beLiberal) !== 0 ? Fit.inside : fit;
    }
    this.#move();
    if (segment.kind === SegmentKind.ack) this.#noteRepetition();
    return Fit.inside;
  }

  /** Takes the numbers of a direction's first segment, or of a SYN that begins it anew; true when there is no more to be asked. */
  #isOpening(): boolean {
    const words = this.#words;
    const segment = this.#segment;
    const hasAck = segment.has(TcpFlag.ack);
    if (word(words, this.#sender + Window.maxWindow) === 0) {
      if (!segment.has(TcpFlag.syn)) {
        this.#joinMidway();
        return false;
      }
      this.#open();
      return !hasAck;
    }
    if (!this.#isRepeatedOpening()) return false;
    this.#open();
    return this.#direction === 1 && !hasAck;
  }

  #open(): void {
    const words = this.#words;
    const sender = this.#sender;
    const segment = this.#segment;
    words[sender + Window.end] = segment.end;
    words[sender + Window.maxEnd] = segment.end;
    words[sender + Window.maxWindow] = segment.window || 1;
    if (segment.hasOptions) words[sender + Window.flags] = optionFlags(segment);
    // RFC 7323 §2.2: only if both sides send the option.
    if (this.#direction === 1 && (flagsOf(words, sender) & flagsOf(words, this.#receiver) & WindowFlag.scale) === 0) {
      clearScale(words, sender);
      clearScale(words, this.#receiver);
    }
  }

  /** RFC 9293 §3.6.1: a SYN beyond the numbers in use begins the connection again, before it is established. */
  #isRepeatedOpening(): boolean {
    if (!this.#segment.has(TcpFlag.syn)) return false;
    const state = word(this.#words, (this.#slot << RECORD_SHIFT) + Field.tcpState);
    if (state !== TcpState.synSent && state !== TcpState.synRecv) return false;
    return isAfter(this.#end, word(this.#words, this.#sender + Window.end));
  }

  /** The direction's beginning was not seen: what the segment says is believed. */
  #joinMidway(): void {
    const words = this.#words;
    const sender = this.#sender;
    const receiver = this.#receiver;
    const window = this.#segment.window << scaleOf(words, sender) || 1;
    words[sender + Window.end] = this.#end;
    words[sender + Window.maxWindow] = window;
    words[sender + Window.maxEnd] = this.#end + window;
    if (word(words, receiver + Window.maxWindow) === 0) {
      words[receiver + Window.end] = this.#sack;
      words[receiver + Window.maxEnd] = this.#sack;
    } else if (this.#sack === ((word(words, receiver + Window.end) + 1) | 0)) {
      // The answer to a keepalive.
      words[receiver + Window.end] = this.#sack;
    }
  }

  #normalize(): void {
    const segment = this.#segment;
    const isReset = segment.has(TcpFlag.rst);
    // Without ACK, or with the zero that some stacks put into a reset's, as if it acknowledged everything.
    if (!segment.has(TcpFlag.ack) || (isReset && this.#ack === 0))
      this.#ack = this.#sack = word(this.#words, this.#receiver + Window.end);
    // A reset that answers a SYN; all else, with data or without, is held to its sequence number.
    const state = word(this.#words, (this.#slot << RECORD_SHIFT) + Field.tcpState);
    if (!isReset || this.#sequence !== 0 || state !== TcpState.synSent) return;
    this.#sequence = this.#end = word(this.#words, this.#sender + Window.end);
  }

  #judge(): number {
    const words = this.#words;
    if (!isBefore(this.#sequence, word(words, this.#sender + Window.maxEnd) + 1)) return Fit.outside;
    if (!isBefore(this.#sack, word(words, this.#receiver + Window.end) + 1)) return Fit.outside;
    const isRecent = word(words, this.#receiver + Window.maxWindow) === 0 || this.#isInReceiversWindow();
    return isRecent && this.#isRecentAck() ? Fit.inside : Fit.ignore;
  }

  /** Somebody who sends less than a window more than allowed passes, since Linux 6.1: its acknowledgment shall be understood. */
  #overshoots(): boolean {
    const words = this.#words;
    const sender = this.#sender;
    const receiverWindow = word(words, this.#receiver + Window.maxWindow);
    const limit = word(words, sender + Window.maxEnd);
    if (isBefore(this.#sequence, limit + 1) || (this.#end - limit + 1) >>> 0 > receiverWindow) return false;
    if (!isBefore(this.#sack, word(words, this.#receiver + Window.end) + 1)) return false;
    if (receiverWindow === 0 || !this.#isInReceiversWindow() || !this.#isRecentAck()) return false;
    words[sender + Window.end] = this.#end;
    addFlags(words, sender, WindowFlag.unacknowledged);
    return true;
  }

  #isInReceiversWindow(): boolean {
    const words = this.#words;
    const receiverWindow = word(words, this.#receiver + Window.maxWindow);
    return isAfter(this.#end, word(words, this.#sender + Window.end) - receiverWindow - 1);
  }

  #isRecentAck(): boolean {
    const words = this.#words;
    const reach = Math.max(word(words, this.#sender + Window.maxWindow), OLDEST_ACK);
    return isAfter(this.#sack, word(words, this.#receiver + Window.end) - reach - 1);
  }

  #move(): void {
    const words = this.#words;
    const segment = this.#segment;
    const sender = this.#sender;
    const receiver = this.#receiver;
    const window = segment.has(TcpFlag.syn) ? segment.window : segment.window << scaleOf(words, sender);
    const beyondAck = window + ((this.#sack - this.#ack) | 0);
    if (word(words, sender + Window.maxWindow) < beyondAck) words[sender + Window.maxWindow] = beyondAck;
    if (isAfter(this.#end, word(words, sender + Window.end))) {
      words[sender + Window.end] = this.#end;
      addFlags(words, sender, WindowFlag.unacknowledged);
    }
    if (segment.has(TcpFlag.ack)) this.#noteAck();
    const over = (this.#end - word(words, sender + Window.maxEnd)) | 0;
    const receiverWindow = word(words, receiver + Window.maxWindow);
    if (receiverWindow !== 0 && over > 0) words[receiver + Window.maxWindow] = receiverWindow + over;
    if (isAfter(this.#sack + window, word(words, receiver + Window.maxEnd) - 1))
      words[receiver + Window.maxEnd] = this.#sack + window + (window === 0 ? 1 : 0);
    if (this.#ack === word(words, receiver + Window.end)) clearFlags(words, receiver, WindowFlag.unacknowledged);
  }

  #noteAck(): void {
    const words = this.#words;
    const sender = this.#sender;
    const isKnown = (flagsOf(words, sender) & WindowFlag.maxAckSet) !== 0;
    if (isKnown && !isAfter(this.#ack, word(words, sender + Window.maxAck))) return;
    words[sender + Window.maxAck] = this.#ack;
    addFlags(words, sender, WindowFlag.maxAckSet);
  }

  /** Counts how often the same segment has come. */
  #noteRepetition(): void {
    const words = this.#words;
    const last = lastAt(this.#slot);
    const { window } = this.#segment;
    const isSame =
      lastDirection(words, this.#slot) === this.#direction &&
      word(words, last + Last.sequence) === this.#sequence &&
      word(words, last + Last.acknowledgment) === this.#ack &&
      word(words, last + Last.end) === this.#end &&
      word(words, last + Last.window) === window;
    words[last + Last.sequence] = this.#sequence;
    words[last + Last.acknowledgment] = this.#ack;
    words[last + Last.end] = this.#end;
    words[last + Last.window] = window;
    setRepetitions(words, this.#slot, isSame ? repetitions(words, this.#slot) + 1 : 0);
  }
}
