import { sendMss } from "./segment-size.ts";
import type { Tcb } from "./tcb.ts";

/** Lets the send buffer grow to two congestion windows (`tcp_sndbuf_expand`); it never shrinks. */
export function sendRoom(tcb: Tcb): number {
  const { congestion, recovery, settings, sendQueue } = tcb;
  const segments = Math.max(settings.initialWindow, congestion.window, recovery.reordering + 1);
  const wanted = Math.min(2 * segments * sendMss(tcb), settings.sendBuffer.most);
  tcb.sendLimit = Math.max(tcb.sendLimit, wanted);
  return tcb.sendLimit - sendQueue.length;
}

/** Tells a program that could not write when a third of the buffer is free (`sk_stream_is_writeable`). */
export function noteRoom(tcb: Tcb): void {
  if (!tcb.wantsRoom || sendRoom(tcb) * 3 < tcb.sendLimit) return;
  tcb.wantsRoom = false;
  tcb.notices.writable = true;
}
