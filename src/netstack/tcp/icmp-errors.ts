import { after, type Time } from "../../sim/index.ts";
import type { Flown } from "./flight.ts";
import { flownLength } from "./flight.ts";
import { sendMss } from "./segment-size.ts";
import { isBetween, type Seq } from "./seq.ts";
import { finish, type Tcb } from "./tcb.ts";
import { arm } from "./timers.ts";
import { currentTimeout } from "./transmission-timer.ts";
import type { CloseReason } from "./upcalls.ts";

/** What an ICMP error about one of our segments says (RFC 792, RFC 1122 §3.2.2, RFC 1812 §5.2.7). */
export type IcmpErrorKind =
  | "network-unreachable"
  | "host-unreachable"
  | "protocol-unreachable"
  | "port-unreachable"
  | "prohibited"
  | "time-exceeded"
  | "parameter-problem";

const REASON: Readonly<Record<IcmpErrorKind, CloseReason>> = {
  "network-unreachable": "network-unreachable",
  "host-unreachable": "host-unreachable",
  "protocol-unreachable": "protocol-unreachable",
  "port-unreachable": "refused",
  prohibited: "host-unreachable",
  "time-exceeded": "host-unreachable",
  "parameter-problem": "protocol-error",
};

/** Errors that end a passive opener's unfinished handshake (`tcp_req_err`); Linux lets port unreachable pass here. */
const ENDS_EMBRYO: readonly IcmpErrorKind[] = [
  "network-unreachable",
  "host-unreachable",
  "time-exceeded",
  "parameter-problem",
];

/**
 * An ICMP error quotes a segment of ours (`tcp_v4_err`, net/ipv4/tcp_ipv4.c). During the handshake it ends the attempt, soft errors too, as
 * Linux does although RFC 9293 §3.9.2.2 asks only for hard ones; later it is remembered, in case the connection times out.
 */
export function icmpError(tcb: Tcb, kind: IcmpErrorKind, quoted: Seq): void {
  if (tcb.state === "closed" || tcb.state === "time-wait") return;
  if (!isBetween(quoted, tcb.snd.una, tcb.snd.nxt)) return;
  if (tcb.state === "syn-sent" || tcb.state === "syn-received") {
    if (!tcb.passive || ENDS_EMBRYO.includes(kind)) finish(tcb, REASON[kind]);
    return;
  }
  if (kind === "network-unreachable" || kind === "host-unreachable") revertBackoff(tcb, quoted);
  tcb.softError = REASON[kind];
}

/** RFC 6069 (`tcp_ld_RTO_revert`): the timeout was due to a broken path, not to congestion, so one doubling is taken back. */
function revertBackoff(tcb: Tcb, quoted: Seq): void {
  const oldest = tcb.flight.first;
  if (quoted !== tcb.snd.una || tcb.timeouts === 0 || tcb.backoff === 0 || oldest === undefined) return;
  tcb.backoff--;
  const due = after(oldest.sentAt, currentTimeout(tcb));
  if (tcb.timer.kind === "retransmit") arm(tcb.timer, "retransmit", Math.max(due, tcb.now) as Time);
}

/** ip_rt_min_pmtu: no router is believed that claims less. */
const LEAST_MTU = 552;

/**
 * Fragmentation needed (RFC 1191, RFC 5927 §7): believed only about a segment in flight. Segments get shorter and what was too long is sent again
 * at once, without touching the congestion window (`tcp_simple_retransmit`).
 */
export function fragmentationNeeded(tcb: Tcb, mtu: number, quoted: Seq): void {
  const { snd } = tcb;
  if (tcb.state === "closed" || tcb.state === "time-wait" || !isBetween(quoted, snd.una, snd.nxt)) return;
  const believed = Math.max(mtu, LEAST_MTU);
  if (believed >= snd.pathMtu) return;
  snd.pathMtu = believed;
  if (markTooLong(tcb) > 0) resendShorter(tcb);
}

function markTooLong(tcb: Tcb): number {
  const { flight } = tcb;
  const room = sendMss(tcb);
  const tooLong = new Set<Seq>();
  for (let index = 0; index < flight.count; index++) {
    const record = flight.at(index) as Flown;
    if (!record.sacked && flownLength(record) > room) tooLong.add(record.train);
  }
  if (tooLong.size > 0) flight.recut(room);
  let marked = 0;
  for (let index = 0; index < flight.count; index++) {
    const record = flight.at(index) as Flown;
    if (record.sacked || !tooLong.has(record.train)) continue;
    flight.markLost(record);
    marked++;
  }
  return marked;
}

function resendShorter(tcb: Tcb): void {
  const { recovery, congestion, snd } = tcb;
  if (recovery.phase === "loss") return;
  recovery.recoveryPoint = snd.nxt;
  congestion.threshold = Math.max(congestion.threshold, (congestion.window * 3) >>> 2);
  recovery.undoMark = undefined;
  recovery.phase = "loss";
}
