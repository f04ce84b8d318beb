import type { SackBlock } from "../wire/tcp-options.ts";
import type { AckDigest } from "./ack-digest.ts";
import type { Flown } from "./flight.ts";
import { advanceRack } from "./rack.ts";
import type { Segment } from "./segment.ts";
import { isAfter, isBefore, type Seq, seq, seqDiff, seqMax } from "./seq.ts";
import type { Tcb } from "./tcb.ts";

/** Notes on the scoreboard what an ACK's SACK blocks tell (RFC 6675 §3 Update, `tcp_sacktag_write_queue`). */
export function noteSacks(tcb: Tcb, segment: Segment, digest: AckDigest): void {
  const blocks = segment.options.sack;
  if (!tcb.sackPermitted || blocks === undefined) return;
  const first = blocks[0];
  const reportsDuplicate = first !== undefined && isDuplicateReport(first, segment.acknowledgment, blocks[1]);
  if (reportsDuplicate) noteDuplicateReport(tcb, first, digest);
  const reported = reportsDuplicate ? blocks.slice(1) : blocks;
  // In ascending order, or blocks of one ACK would seem to have overtaken each other.
  const ascending = reported.length > 1 ? reported.toSorted((a, b) => seqDiff(seq(a.start), seq(b.start))) : reported;
  for (const block of ascending) noteBlock(tcb, block, digest);
}

/** RFC 2883 §4: below the acknowledgment, or within the second block. */
function isDuplicateReport(first: SackBlock, acknowledgment: Seq, second: SackBlock | undefined): boolean {
  if (isBefore(seq(first.start), acknowledgment)) return true;
  if (second === undefined) return false;
  return !isBefore(seq(first.start), seq(second.start)) && !isAfter(seq(first.end), seq(second.end));
}

function noteDuplicateReport(tcb: Tcb, block: SackBlock, digest: AckDigest): void {
  const { recovery, snd } = tcb;
  // A report about what was never sent, or long ago, is not believed (`tcp_is_sackblock_valid`).
  if (isAfter(seq(block.end), snd.nxt) || !isBefore(seq(block.start), seq(block.end))) return;
  digest.duplicateReported = true;
  // RACK only waits longer for late segments where some were late, and not because a timer's probe was needless (`tcp_dsack_seen`).
  if (recovery.reorderingSeen && recovery.tailProbeEnd !== block.end) recovery.rack.duplicateSeen = true;
  const { undoMark } = recovery;
  if (undoMark !== undefined && recovery.undoCount > 0 && isAfter(seq(block.end), undoMark)) recovery.undoCount--;
}

function noteBlock(tcb: Tcb, block: SackBlock, digest: AckDigest): void {
  const { flight, snd } = tcb;
  const start = seqMax(seq(block.start), snd.una);
  const end = seq(block.end);
  if (!isBefore(start, end) || isAfter(end, snd.nxt)) return;
  for (let index = flight.indexAfter(start); index < flight.count; index++) {
    const record = flight.at(index) as Flown;
    if (isAfter(record.end, end)) break;
    if (!record.sacked && !isBefore(record.start, start)) noteSacked(tcb, record, digest);
  }
}

function noteSacked(tcb: Tcb, record: Flown, digest: AckDigest): void {
  const { recovery } = tcb;
  if (!record.repeated) {
    if (isBefore(record.start, recovery.highestSacked)) noteOvertaken(digest, record.start);
    if (!isAfter(record.end, recovery.recoveryPoint)) digest.originalAcked = true;
    digest.sackedSentAt = record.sentAt;
  }
  advanceRack(tcb, record);
  tcb.flight.markSacked(record);
  recovery.delivered++;
  digest.sacked++;
  if (isAfter(record.end, recovery.highestSacked)) recovery.highestSacked = record.end;
}

/** Keeps the lowest start of the segments that others have overtaken. */
export function noteOvertaken(digest: AckDigest, start: Seq): void {
  if (digest.overtaken === undefined || isBefore(start, digest.overtaken)) digest.overtaken = start;
}
