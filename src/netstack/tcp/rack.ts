import { after, type Duration, type Time } from "../../sim/index.ts";
import type { Flown } from "./flight.ts";
import { isAfter, type Seq, seq } from "./seq.ts";
import type { Tcb } from "./tcb.ts";
import { arm } from "./timers.ts";

/** Recoveries for which a wider reordering window is kept (RFC 8985 §6.2 step 4). */
const PERSISTENCE = 16;
const MOST_STEPS = 255;

/** RFC 8985: the segment most recently sent among those known to have arrived, and how much later others may be. */
export interface Rack {
  /** When it was sent; `undefined` before the first. */
  sentAt: Time | undefined;
  end: Seq;
  /** Its round-trip time. */
  rtt: number;
  /** It has changed since losses were last looked for. */
  advanced: boolean;
  /** The look for losses at the last ACK left the timer waiting for segments that may only be late. */
  waiting: boolean;
  /** Quarters of the least round-trip time that make up the reordering window. */
  steps: number;
  persist: number;
  /** The peer has reported data received twice, in the present round. */
  duplicateSeen: boolean;
  roundDelivered: number;
}

export function newRack(): Rack {
  return {
    sentAt: undefined,
    end: seq(0),
    rtt: 0,
    advanced: false,
    waiting: false,
    steps: 1,
    persist: 0,
    duplicateSeen: false,
    roundDelivered: 0,
  };
}

/** A segment is known to have arrived (RFC 8985 §6.2 step 2, `tcp_rack_advance`). */
export function advanceRack(tcb: Tcb, record: Flown): void {
  const { rack } = tcb.recovery;
  const rtt = tcb.now - record.sentAt;
  // Quicker than possible: the ACK is for an earlier transmission.
  if (record.repeated && rtt < tcb.rtt.least) return;
  rack.advanced = true;
  rack.rtt = rtt;
  if (rack.sentAt !== undefined && !sentAfter(record.sentAt, record.end, rack.sentAt, rack.end)) return;
  rack.sentAt = record.sentAt;
  rack.end = record.end;
}

function sentAfter(at: Time, end: Seq, otherAt: Time, otherEnd: Seq): boolean {
  return at > otherAt || (at === otherAt && isAfter(end, otherEnd));
}

/** RFC 8985 §6.2 step 4 (`tcp_rack_update_reo_wnd`): each round with duplicates reported widens the reordering window. */
export function adaptReorderingWindow(tcb: Tcb, priorDelivered: number): void {
  const { rack, delivered } = tcb.recovery;
  if (priorDelivered < rack.roundDelivered) rack.duplicateSeen = false;
  if (rack.duplicateSeen) {
    rack.steps = Math.min(rack.steps + 1, MOST_STEPS);
    rack.duplicateSeen = false;
    rack.roundDelivered = delivered;
    rack.persist = PERSISTENCE;
  } else if (rack.persist === 0) {
    rack.steps = 1;
  }
}

/** RFC 8985 §6.2 step 5 (`tcp_rack_mark_lost`): marks what was sent long enough before something that arrived; waits for the rest. */
export function markLostByRack(tcb: Tcb): void {
  const { rack } = tcb.recovery;
  if (!rack.advanced || rack.sentAt === undefined) return;
  rack.advanced = false;
  rack.waiting = waitForReordered(tcb, detectLosses(tcb));
}

/** Arms the reordering timer, unless there is nothing to wait for. */
export function waitForReordered(tcb: Tcb, wait: number): boolean {
  if (wait <= 0) return false;
  arm(tcb.timer, "reordering", after(tcb.now, Math.ceil(wait) as Duration));
  return true;
}

/** Marks them, and returns how long the segments not yet lost may still take; 0 when there are none. */
export function detectLosses(tcb: Tcb): number {
  const { flight, recovery } = tcb;
  const { rack } = recovery;
  const window = reorderingWindow(tcb);
  let longest = 0;
  for (let index = 0; index < flight.count; index++) {
    const record = flight.at(index) as Flown;
    if (record.sacked || (record.lost && !record.repeating)) continue;
    if (!sentAfter(rack.sentAt as Time, rack.end, record.sentAt, record.end)) {
      // What was sent once was sent in order: from here on everything is later still.
      if (!record.repeated) break;
      continue;
    }
    const remaining = rack.rtt + window - (tcb.now - record.sentAt);
    if (remaining <= 0) flight.markLost(record);
    else longest = Math.max(longest, remaining);
  }
  return longest;
}

/** `tcp_rack_reo_wnd`: none while losses are certain and reordering was never seen, else a quarter of the least round-trip time or more. */
function reorderingWindow(tcb: Tcb): number {
  const { recovery, rtt, flight } = tcb;
  if (!recovery.reorderingSeen) {
    if (recovery.phase === "recovery" || recovery.phase === "loss") return 0;
    if (flight.sacked >= recovery.reordering) return 0;
  }
  return Math.min((rtt.least / 4) * recovery.rack.steps, (rtt.smoothed ?? 0) as number);
}
