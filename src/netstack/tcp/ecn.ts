import { TcpFlag } from "../wire/tcp.ts";
import { acknowledgeQuickly } from "./delayed-ack.ts";
import { has, type Segment } from "./segment.ts";
import type { Tcb } from "./tcb.ts";

/** The two bits of an IP header (RFC 3168 §5). */
export const Codepoint = { notEct: 0, ect1: 1, ect0: 2, ce: 3 } as const;

/** Explicit congestion notification (RFC 3168): what one connection knows of it, Linux's `ecn_flags`. */
export interface Ecn {
  /** Both ends have agreed on it. */
  on: boolean;
  /** A mark has arrived: ECE stands in every segment until CWR answers it. */
  echoes: boolean;
  /** The window was reduced: CWR goes with the next new data. */
  tellsReduction: boolean;
  /** Something of the peer's has carried the codepoint, so what comes without it was probably sent again. */
  seen: boolean;
}

export function newEcn(): Ecn {
  return { on: false, echoes: false, tellsReduction: false, seen: false };
}

/** Both flags in a SYN ask for it. */
export const SETUP: number = TcpFlag.ece | TcpFlag.cwr;

/** What is left of a SYN's flags when it is repeated: it does not ask again, as a firewall may have dropped it for that (RFC 3168 §6.1.1.1). */
export function repeatedFlags(flags: number): number {
  return (flags & SETUP) === SETUP ? flags & ~SETUP : flags;
}

/** The flags of a first SYN, which asks for it (RFC 3168 §6.1.1). */
export function setupFlags(tcb: Tcb): number {
  tcb.ecn.on = tcb.settings.ecn === "ask";
  return tcb.ecn.on ? SETUP : 0;
}

/** A SYN that asks for it is answered with ECE; not one that says it is on already (`tcp_ecn_create_request`). */
export function agreeWithSyn(tcb: Tcb, syn: Segment): number {
  const asked = has(syn, SETUP) && (syn.codepoint ?? Codepoint.notEct) === Codepoint.notEct;
  tcb.ecn.on = asked && tcb.settings.ecn !== "off";
  return tcb.ecn.on ? TcpFlag.ece : 0;
}

/** Both have asked at once. */
export function agreeWithCrossedSyn(tcb: Tcb, syn: Segment): number {
  if (!has(syn, SETUP)) tcb.ecn.on = false;
  return tcb.ecn.on ? TcpFlag.ece : 0;
}

/** The answer to our SYN agrees with ECE alone; a host that throws back all flags does not (§6.1.1). */
export function agreeWithSynAck(tcb: Tcb, segment: Segment): void {
  if (!has(segment, TcpFlag.ece) || has(segment, TcpFlag.cwr)) tcb.ecn.on = false;
}

/** ACKs that are sent at once when something has to be told. */
const FEW = 2;

/** A segment with new numbers has arrived: was it marked on its way, and has the peer heard of marks before it (`tcp_ecn_accept_cwr`, `tcp_ecn_check_ce`)? */
export function noteCodepoint(tcb: Tcb, segment: Segment): void {
  const { ecn, ack } = tcb;
  if (!ecn.on) return;
  if (has(segment, TcpFlag.cwr)) {
    ecn.echoes = false;
    // Its window may be a single segment now.
    ack.immediately = true;
  }
  const { codepoint = Codepoint.notEct } = segment;
  if (codepoint === Codepoint.ce) {
    if (!ecn.echoes) acknowledgeQuickly(tcb, FEW);
    ecn.echoes = true;
  }
  if (codepoint !== Codepoint.notEct) ecn.seen = true;
  else if (ecn.seen) acknowledgeQuickly(tcb, FEW);
}

/** The peer echoes a mark. */
export function isEcho(tcb: Tcb, segment: Segment): boolean {
  return tcb.ecn.on && has(segment, TcpFlag.ece) && !has(segment, TcpFlag.syn);
}

/** The flag that stands in every segment while a mark is to be echoed. */
export function echoFlag({ ecn }: Tcb): number {
  return ecn.echoes ? TcpFlag.ece : 0;
}

/** New data is marked as coming from one who listens, and the first after a reduction tells of it (`tcp_ecn_send`); repetitions and bare ACKs do neither. */
export function asCapable(tcb: Tcb, segment: Segment): Segment {
  const { ecn } = tcb;
  if (!ecn.on || segment.length === 0) return segment;
  const flags = ecn.tellsReduction ? segment.flags | TcpFlag.cwr : segment.flags;
  ecn.tellsReduction = false;
  return { ...segment, flags, codepoint: Codepoint.ect0 };
}
