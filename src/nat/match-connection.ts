import type { MatchTest } from "./compiled-rule.ts";
import { bitsOf, ownBits } from "./connection-state.ts";
import { Field, RECORD_SHIFT, Status, word } from "./flow-record.ts";
import { ORIGINAL, REPLY } from "./flow-table.ts";
import { isPort } from "./match-ports.ts";
import type { PacketWalk } from "./packet-walk.ts";
import type { AddressMatch, CtStatus, Match } from "./rule.ts";
import { directionOf, slotOf } from "./tracking.ts";

/* Matches on the packet's connection: net/netfilter/xt_conntrack.c, xt_state.c, xt_connmark.c. */

type OfKind<K extends Match["kind"]> = Extract<Match, { kind: K }>;

/** NONE stands for no bit, so that it matches nothing. */
const STATUS_BITS: Readonly<Record<CtStatus, number>> = {
  NONE: 0,
  EXPECTED: 0,
  SEEN_REPLY: Status.seenReply,
  ASSURED: Status.assured,
  CONFIRMED: Status.confirmed,
};

export function conntrack(match: OfKind<"conntrack">): MatchTest {
  const states = bitsOf(match.state?.states);
  const isStateNegated = match.state?.not ?? false;
  const asksOnlyState = Object.keys(match).every((key) => key === "kind" || key === "state");
  const statuses = (match.status?.statuses ?? []).reduce((bits, status) => bits | STATUS_BITS[status], 0);
  return (walk) => {
    if (match.state !== undefined && ((walk.state & states) !== 0) === isStateNegated) return false;
    if (asksOnlyState) return true;
    const { tracking } = walk;
    // Without a connection nothing else can be asked.
    if (tracking === undefined || tracking < 0) return match.state !== undefined;
    const slot = slotOf(tracking);
    if (match.direction !== undefined && (directionOf(tracking) === ORIGINAL) !== (match.direction === "ORIGINAL"))
      return false;
    if (!tupleFits(walk, match, slot)) return false;
    const { table } = walk.environment.conntrack;
    if (match.status !== undefined && ((table.status(slot) & statuses) !== 0) === (match.status.not ?? false))
      return false;
    if (match.expires === undefined) return true;
    // Until a connection is entered, the kernel's field holds a length, not an end, and counts as over.
    const left = table.isConfirmed(slot) ? walk.environment.conntrack.secondsLeft(slot) : 0;
    const { from, to } = match.expires.range;
    return (left >= from && left <= to) !== (match.expires.not ?? false);
  };
}

export function state(match: OfKind<"state">): MatchTest {
  const states = bitsOf(match.states);
  const not = match.not ?? false;
  return (walk) => ((ownBits(walk.state) & states) !== 0) !== not;
}

export function connmark(match: OfKind<"connmark">): MatchTest {
  const { value, mask } = match;
  const not = match.not ?? false;
  return (walk) => {
    const { tracking } = walk;
    if (tracking === undefined || tracking < 0) return false;
    return ((walk.environment.conntrack.mark(slotOf(tracking)) & mask) >>> 0 === value) !== not;
  };
}

function tupleFits(walk: PacketWalk, match: OfKind<"conntrack">, slot: number): boolean {
  const { table } = walk.environment.conntrack;
  const { protocol } = match;
  if (protocol !== undefined && (table.protocol(slot) === protocol.protocol) === (protocol.not ?? false)) return false;
  const at = slot << RECORD_SHIFT;
  const value = (field: number): number => word(table.words, at + field);
  return (
    isAddress(match.originalSource, value(Field.originalSource)) &&
    isAddress(match.originalDestination, value(Field.originalDestination)) &&
    isAddress(match.replySource, value(Field.replySource)) &&
    isAddress(match.replyDestination, value(Field.replyDestination)) &&
    isPort(match.originalSourcePort, portOf(table.words, slot, ORIGINAL, "source")) &&
    isPort(match.originalDestinationPort, portOf(table.words, slot, ORIGINAL, "destination")) &&
    isPort(match.replySourcePort, portOf(table.words, slot, REPLY, "source")) &&
    isPort(match.replyDestinationPort, portOf(table.words, slot, REPLY, "destination"))
  );
}

function portOf(words: Int32Array, slot: number, direction: number, side: keyof typeof SIDES): number {
  const ports = word(words, (slot << RECORD_SHIFT) + Field.originalPorts + direction * Field.replySource);
  return SIDES[side](ports);
}

const SIDES = {
  source: (ports: number): number => ports >>> 16,
  destination: (ports: number): number => ports & 0xffff,
};

function isAddress(match: AddressMatch | undefined, address: number): boolean {
  return match === undefined || (((address ^ match.address) & match.mask) === 0) !== (match.not ?? false);
}
