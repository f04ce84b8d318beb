import type { Segment } from "./segment.ts";
import { isBefore, seqAdd } from "./seq.ts";
import { sinceTimestamp, type Tcb } from "./tcb.ts";
import { offeredWindow } from "./window.ts";

/** Segments smaller than this say nothing about the buffer that bulk data needs. */
const TELLING_LENGTH = 128;
const EXTRA_SEGMENTS = 16;

/** The handshake is over: the first round starts. */
export function startSizing(tcb: Tcb): void {
  const { sizing, rcv, settings } = tcb;
  sizing.roundAt = tcb.now;
  sizing.rttAt = tcb.now;
  sizing.rttSeq = rcv.nxt;
  sizing.bestRound = Math.max(1, Math.min(rcv.threshold, rcv.wnd, settings.initialWindow * rcv.mss));
}

/** Estimates the round-trip time from arriving data (`tcp_rcv_rtt_measure_ts`, `tcp_rcv_rtt_measure`). */
export function measureAsReceiver(tcb: Tcb, segment: Segment): void {
  const { sizing, timestamps, rcv, ack } = tcb;
  if (timestamps.on) {
    if (timestamps.echo === 0 || timestamps.echo === sizing.lastEcho || segment.length < ack.mss) return;
    sizing.lastEcho = timestamps.echo;
    const sample = sinceTimestamp(tcb, timestamps.echo);
    if (sample !== undefined) sizing.rtt = sizing.rtt === 0 ? sample : sizing.rtt + (sample - sizing.rtt) / 8;
    return;
  }
  if (isBefore(rcv.nxt, sizing.rttSeq)) return;
  const sample = tcb.now - sizing.rttAt;
  // A window's worth of data takes at least a round trip: only a smaller value is news.
  if (sample > 0 && (sizing.rtt === 0 || sample < sizing.rtt)) sizing.rtt = sample;
  sizing.rttSeq = seqAdd(rcv.nxt, offeredWindow(tcb));
  sizing.rttAt = tcb.now;
}

/** Arriving data lets the offered window grow by two segments, up to the buffer (`tcp_grow_window`). */
export function widenWindow(tcb: Tcb, length: number): void {
  const { rcv, receiveQueue, ack } = tcb;
  if (length < TELLING_LENGTH) return;
  const room = rcv.space - receiveQueue.readable - rcv.threshold;
  if (room <= 0) return;
  rcv.threshold += Math.min(room, 2 * Math.max(rcv.mss, length));
  ack.quick |= 1;
}

/** The program has read `count` bytes: once a round trip the buffer is made large enough for twice what was read (`tcp_rcv_space_adjust`). */
export function rightSize(tcb: Tcb, count: number): void {
  const { sizing } = tcb;
  if (!tcb.settings.growsReceiveBuffer) return;
  sizing.copied += count;
  if (sizing.rtt === 0 || tcb.now - sizing.roundAt < sizing.rtt) return;
  const read = sizing.copied - sizing.roundCopied;
  if (read > sizing.bestRound) growBuffer(tcb, read);
  sizing.roundCopied = sizing.copied;
  sizing.roundAt = tcb.now;
}

function growBuffer(tcb: Tcb, read: number): void {
  const { rcv, sizing, settings } = tcb;
  const window = 2 * read + EXTRA_SEGMENTS * rcv.mss;
  const grown = window + (2 * window * (read - sizing.bestRound)) / sizing.bestRound;
  sizing.bestRound = read;
  rcv.space = Math.max(rcv.space, Math.min(Math.floor(grown), settings.receiveBuffer.most >>> 1));
}
