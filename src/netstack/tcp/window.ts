import { type Seq, seqAdd, seqDiff } from "./seq.ts";
import type { TcpSettings } from "./settings.ts";
import type { Tcb } from "./tcb.ts";

/** The greatest window a header can carry, and the greatest shift (RFC 7323 §2.3). */
const MOST_UNSCALED = 65_535;
const MOST_SHIFT = 14;

/** The window shift we announce: as much as the largest buffer needs (`tcp_select_initial_window`). */
export function windowShift(settings: TcpSettings): number {
  const most = Math.max(settings.receiveBuffer.most, settings.receiveBuffer.initial, 1);
  return Math.min(Math.max(31 - Math.clz32(most) - 15, 0), MOST_SHIFT);
}

/** The window of a SYN or SYN-ACK: as many full segments as fit, never scaled (`tcp_select_initial_window`). */
export function openWindow(tcb: Tcb, payload: number): void {
  const { rcv } = tcb;
  const whole = rcv.space > payload ? rcv.space - (rcv.space % payload) : rcv.space;
  rcv.wnd = Math.min(whole, MOST_UNSCALED);
  rcv.threshold = rcv.wnd;
  rcv.wup = rcv.nxt;
}

/** What is left of the window last offered. */
export function offeredWindow(tcb: Tcb): number {
  const { rcv } = tcb;
  return Math.max(0, rcv.wnd - seqDiff(rcv.nxt, rcv.wup));
}

/** The sequence number after the last we offered to take. */
export function windowEnd(tcb: Tcb): Seq {
  return seqAdd(tcb.rcv.nxt, offeredWindow(tcb));
}

/** Bytes of payload that the buffer could still take. */
function freeSpace(tcb: Tcb): number {
  const { receiveQueue, rcv } = tcb;
  return rcv.space - receiveQueue.readable - receiveQueue.beyondGaps;
}

/** The window we would like to offer, with the receiver's side of silly-window avoidance (`__tcp_select_window`, RFC 9293 §3.8.6.2.2). */
export function windowToOffer(tcb: Tcb): number {
  const { rcv, ack } = tcb;
  const full = rcv.space;
  const mss = Math.min(ack.mss, full);
  let free = freeSpace(tcb);
  if (free < full >>> 1) {
    free = Math.max(0, free >> rcv.shift) << rcv.shift;
    if (free < full >>> 4 || free < mss) return 0;
  }
  free = Math.min(free, rcv.threshold);
  if (rcv.shift > 0) return roundUp(free, rcv.shift);
  if (rcv.wnd <= free - mss || rcv.wnd > free) return free - (free % mss);
  if (mss === full && free > rcv.wnd + (full >>> 1)) return free;
  return rcv.wnd;
}

/** Fixes the window to offer now, never taking back what was offered (RFC 9293 §3.8.6). Returns the value for the header. */
export function offerWindow(tcb: Tcb): number {
  const { rcv } = tcb;
  const offered = offeredWindow(tcb);
  let window = windowToOffer(tcb);
  if (window < offered) window = roundUp(offered, rcv.shift);
  window = Math.min(window, MOST_UNSCALED << rcv.shift);
  rcv.wnd = window;
  rcv.wup = rcv.nxt;
  return window >>> rcv.shift;
}

/** Up to a whole unit of the scale; windows stay below 2^30. */
function roundUp(count: number, shift: number): number {
  return ((count + (1 << shift) - 1) >>> shift) << shift;
}
