import { Status } from "./flow-record.ts";
import type { FlowTable } from "./flow-table.ts";
import type { CtState, Match, Rule } from "./rule.ts";
import { partOf, slotOf } from "./tracking.ts";

/* What `--ctstate` asks, as bits: the packet's own state, with SNAT and DNAT on top of it (net/netfilter/xt_conntrack.c). */

const BITS: Readonly<Record<CtState, number>> = {
  INVALID: 1,
  ESTABLISHED: 2,
  RELATED: 4,
  NEW: 8,
  SNAT: 16,
  DNAT: 32,
  UNTRACKED: 64,
};
const TRANSLATED = BITS.SNAT | BITS.DNAT;

/** By {@link Part}. */
const PARTS: readonly number[] = [BITS.ESTABLISHED, BITS.RELATED, BITS.NEW];

/** The bits of a packet with this tracking. */
export function stateBits(tracking: number | undefined, table: FlowTable): number {
  if (tracking === undefined) return BITS.INVALID;
  if (tracking < 0) return BITS.UNTRACKED;
  const status = table.status(slotOf(tracking));
  let bits = PARTS[partOf(tracking)] as number;
  if ((status & Status.sourceNat) !== 0) bits |= BITS.SNAT;
  if ((status & Status.destinationNat) !== 0) bits |= BITS.DNAT;
  return bits;
}

/** The bits that a match names. */
export function bitsOf(states: readonly CtState[] | undefined): number {
  return (states ?? []).reduce((bits, state) => bits | BITS[state], 0);
}

/** The older module knows nothing of translation. */
export function ownBits(state: number): number {
  return state & ~TRANSLATED;
}

/** Matches that remember nothing and never end a packet: what stands behind one that fails is not missed. */
const HARMLESS: ReadonlySet<Match["kind"]> = new Set([
  "comment",
  "mark",
  "connmark",
  "conntrack",
  "state",
  "addrtype",
  "physdev",
  "length",
  "ttl",
  "iprange",
] as const);

/** True when trying the rule's matches has no effect but the answer. */
export function isHarmless(rule: Rule): boolean {
  return rule.matches.every(({ kind }) => HARMLESS.has(kind));
}

/** May the rule match packets in this state? False only where its `--ctstate` says no before anything else could have an effect. */
export function mayMatchIn(rule: Rule, state: number): boolean {
  for (const match of rule.matches) {
    if (!HARMLESS.has(match.kind)) return true;
    if (match.kind === "state" && !fits(ownBits(state), match)) return false;
    if (match.kind === "conntrack" && match.state !== undefined && !fits(state, match.state)) return false;
  }
  return true;
}

function fits(state: number, asked: { readonly states: readonly CtState[]; readonly not?: true }): boolean {
  return ((state & bitsOf(asked.states)) !== 0) !== (asked.not ?? false);
}
