import { after } from "../../sim/index.ts";
import { TcpFlag } from "../wire/tcp.ts";
import { challenge } from "./challenge.ts";
import type { Discard } from "./receive.ts";
import { has, type Segment, segmentEnd } from "./segment.ts";
import { acknowledgment } from "./send.ts";
import { isAfter, type Seq, seqAdd } from "./seq.ts";
import { finish, type Tcb } from "./tcb.ts";
import { arm } from "./timers.ts";

/** Farther than any window was open: what Linux adds to the old connection's numbers. */
const REOPEN_DISTANCE = 65_537;

/** Starts the wait after which nothing of this connection is left in the network (RFC 9293 §3.6.1; 60 s as in Linux, not 2 MSL). */
export function enterTimeWait(tcb: Tcb): void {
  arm(tcb.timer, "time-wait", after(tcb.now, tcb.settings.timeWait));
}

/** The program has closed and only the peer's FIN is missing: not for ever (RFC 9293 §3.6, tcp_fin_timeout). */
export function waitForFin(tcb: Tcb): void {
  arm(tcb.timer, "fin-wait-2", after(tcb.now, tcb.settings.finTimeout));
}

/** A segment in TIME-WAIT (`tcp_timewait_state_process`): RST ends it, anything that acknowledges is answered and starts the wait again. */
export function timeWaitArrives(tcb: Tcb, segment: Segment): Discard {
  const exact = segment.sequence === tcb.rcv.nxt && !isOlder(tcb, segment);
  if (has(segment, TcpFlag.rst)) {
    if (exact) finish(tcb, "reset");
    return "tcp-reset";
  }
  const bare = segmentEnd(segment) === segment.sequence;
  if (has(segment, TcpFlag.ack) || isOlder(tcb, segment)) enterTimeWait(tcb);
  if (exact && bare) return "tcp-time-wait";
  if (bare || has(segment, TcpFlag.syn)) challenge(tcb);
  else tcb.outbox.push(acknowledgment(tcb));
  return "tcp-time-wait";
}

/**
 * Whether a SYN may open a new connection in place of one in TIME-WAIT (RFC 6191, RFC 1122 §4.2.2.13): its number or its timestamp must be
 * newer. Returns the initial sequence number for the new one; `undefined` when the SYN belongs to the old connection.
 */
export function reopenSequence(tcb: Tcb, segment: Segment): Seq | undefined {
  if (tcb.state !== "time-wait" || (segment.flags & (TcpFlag.syn | TcpFlag.rst | TcpFlag.ack)) !== TcpFlag.syn)
    return undefined;
  const stamp = segment.options.timestamps?.value;
  const { on, recent } = tcb.timestamps;
  const stampIsNewer = on && stamp !== undefined && ((stamp - recent) | 0) > 0;
  if (isOlder(tcb, segment)) return undefined;
  if (!isAfter(segment.sequence, tcb.rcv.nxt) && !stampIsNewer) return undefined;
  return seqAdd(tcb.snd.nxt, REOPEN_DISTANCE);
}

function isOlder(tcb: Tcb, segment: Segment): boolean {
  const stamp = segment.options.timestamps?.value;
  return tcb.timestamps.on && stamp !== undefined && ((tcb.timestamps.recent - stamp) | 0) > 0;
}
