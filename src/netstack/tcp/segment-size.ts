import type { Tcb } from "./tcb.ts";

/** IPv4 and TCP header without options. */
export const HEADERS = 40;
/** TCP_MIN_SND_MSS: a peer cannot make us send smaller segments (CVE-2019-11479). */
const LEAST_MSS = 48;
const TIMESTAMPS_LENGTH = 12;
/** SendMSS without an MSS option (RFC 9293 §3.7.1). */
export const DEFAULT_MSS = 536;

/** What fits into a segment to this peer on this path: SendMSS of RFC 9293 §3.7.1, timestamps taken off. */
export function sendMss(tcb: Tcb): number {
  const { snd } = tcb;
  const mss = Math.max(Math.min(snd.peerMss, snd.pathMtu - HEADERS), LEAST_MSS);
  return boundByWindow(tcb, mss - (tcb.timestamps.on ? TIMESTAMPS_LENGTH : 0));
}

/** What fits beside the SACK blocks that the next segment carries. */
export function payloadRoom(tcb: Tcb): number {
  return sendMss(tcb) - sackOptionLength(tcb);
}

/** A peer with a small buffer gets two segments into it (`tcp_bound_to_half_wnd`, include/net/tcp.h). */
function boundByWindow(tcb: Tcb, mss: number): number {
  const { mostWnd } = tcb.snd;
  if (mostWnd === 0) return mss;
  const most = mostWnd > DEFAULT_MSS ? mostWnd >>> 1 : mostWnd;
  return Math.min(mss, Math.max(most, LEAST_MSS));
}

/** Room for blocks: four, or three beside timestamps (RFC 2018 §3). */
export function sackBlocksToSend(tcb: Tcb): number {
  if (!tcb.sackPermitted) return 0;
  const blocks = tcb.receiveQueue.blocks.length + (tcb.rcv.duplicate === undefined ? 0 : 1);
  return Math.min(blocks, tcb.timestamps.on ? 3 : 4);
}

function sackOptionLength(tcb: Tcb): number {
  const blocks = sackBlocksToSend(tcb);
  return blocks === 0 ? 0 : 4 + 8 * blocks;
}
