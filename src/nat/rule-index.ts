import { IpProtocol } from "../netstack/index.ts";
import { LayeredMap } from "./layered-map.ts";
import { isStateless } from "./match.ts";
import type { PacketWalk } from "./packet-walk.ts";
import type { Rule } from "./rule.ts";
import { differences } from "./rule-differences.ts";

/** Chains with fewer rules that could be indexed are tried rule by rule. */
const WORTHWHILE = 8;
/** Of a chain that has changed more than by one rule in so many, the index is made anew. */
const LARGE_PART = 4;
const NONE: readonly RankedRule[] = [];
/** Protocols whose rules are indexed, numbered for the key. */
const PROTOCOLS: Readonly<Record<number, number>> = { [IpProtocol.tcp]: 0, [IpProtocol.udp]: 1, [IpProtocol.sctp]: 2 };
const SHORTEST_HEADER: Readonly<Record<number, number>> = {
  [IpProtocol.tcp]: 20,
  [IpProtocol.udp]: 8,
  [IpProtocol.sctp]: 12,
};

/** A rule at its place in a chain: ranks rise along it, and stay what they are when rules come and go elsewhere. */
export interface RankedRule {
  readonly rule: Rule;
  readonly rank: number;
}

type RulesByKey = LayeredMap<number, readonly RankedRule[]>;

interface IndexParts {
  /** All rules of the chain, in their order. */
  readonly ranked: readonly RankedRule[];
  readonly others: readonly RankedRule[];
  readonly byAddress: RulesByKey;
  readonly byPort: RulesByKey;
}

/**
 * Rules of a chain by what they ask for: most ask for one protocol and one destination port, and perhaps one destination address, as what kube-proxy
 * writes for a Service port. For a packet it tells which of all rules can match, so that ten thousand Services cost no more than ten; and when
 * some rules change, the next index is made of this one.
 */
export class RuleIndex {
  readonly #parts: IndexParts;

  private constructor(parts: IndexParts) {
    this.#parts = parts;
  }

  /** The index of a chain with these rules; `undefined` when it is not worth one. */
  static of(rules: readonly Rule[]): RuleIndex | undefined {
    const keys = rules.map(keyOf);
    const count = keys.reduce<number>((sum, key) => (key === undefined ? sum : sum + 1), 0);
    return count < WORTHWHILE ? undefined : new RuleIndex(partsFrom(rules, keys));
  }

  /** The index of the chain as it is after a change; `undefined` as with {@link of}. */
  changedTo(rules: readonly Rule[]): RuleIndex | undefined {
    const parts = changed(this.#parts, rules);
    if (parts === undefined) return RuleIndex.of(rules);
    return parts === this.#parts ? this : new RuleIndex(parts);
  }

  /** May the index be asked? Not where a rule would find the header cut short, and drop the packet. */
  serves(walk: PacketWalk): boolean {
    const shortest = SHORTEST_HEADER[walk.protocol];
    return shortest === undefined || walk.isLaterFragment || walk.transportLength >= shortest;
  }

  /** Rules that are tried on every packet. */
  get others(): readonly RankedRule[] {
    return this.#parts.others;
  }

  /** Those for the packet's port, whatever its address. */
  forPort(walk: PacketWalk): readonly RankedRule[] {
    const key = keyFor(walk);
    return key === undefined ? NONE : (this.#parts.byPort.get(key) ?? NONE);
  }

  /** Those for the packet's address and port. */
  forAddress(walk: PacketWalk): readonly RankedRule[] {
    const key = keyFor(walk);
    return key === undefined ? NONE : (this.#parts.byAddress.get(addressKey(walk.destination, key)) ?? NONE);
  }
}

function partsFrom(rules: readonly Rule[], keys: readonly (number | undefined)[]): IndexParts {
  const ranked = rules.map((rule, rank): RankedRule => ({ rule, rank }));
  const others: RankedRule[] = [];
  const byAddress = new Map<number, RankedRule[]>();
  const byPort = new Map<number, RankedRule[]>();
  for (const each of ranked) {
    const key = keys[each.rank];
    if (key === undefined) others.push(each);
    else if (each.rule.destination === undefined) enter(byPort, key, each);
    else enter(byAddress, addressKey(each.rule.destination.address, key), each);
  }
  return { ranked, others, byAddress: new LayeredMap(byAddress), byPort: new LayeredMap(byPort) };
}

/** The parts after a change; `undefined` when they had better be made anew. */
function changed(parts: IndexParts, rules: readonly Rule[]): IndexParts | undefined {
  const hunks = differences(parts.ranked, rules);
  if (hunks.length === 0) return parts;
  const size = hunks.reduce((sum, { from, to, added }) => sum + to - from + added.length, 0);
  if (size * LARGE_PART > rules.length) return undefined;
  const { ranked } = parts;
  const next: RankedRule[][] = [];
  const removed = new Set<RankedRule>();
  const added: RankedRule[] = [];
  let at = 0;
  for (const hunk of hunks) {
    const between = rankedBetween(hunk.added, ranked[hunk.from - 1]?.rank ?? -1, ranked[hunk.to]?.rank);
    if (between === undefined) return undefined;
    next.push(ranked.slice(at, hunk.from), between);
    for (const gone of ranked.slice(hunk.from, hunk.to)) removed.add(gone);
    added.push(...between);
    at = hunk.to;
  }
  next.push(ranked.slice(at));
  return { ranked: ([] as RankedRule[]).concat(...next), ...reentered(parts, removed, added) };
}

/** Ranks between two, or behind the first when there is no second; `undefined` when numbers do not lie so close. */
function rankedBetween(
  rules: readonly Rule[],
  low: number,
  high: number = low + rules.length + 1,
): RankedRule[] | undefined {
  const step = (high - low) / (rules.length + 1);
  const ranked = rules.map((rule, index): RankedRule => ({ rule, rank: low + step * (index + 1) }));
  const all = [low, ...ranked.map(({ rank }) => rank), high];
  return all.every((rank, index) => index === 0 || rank > (all[index - 1] ?? 0)) ? ranked : undefined;
}

function reentered(
  { others, byAddress, byPort }: IndexParts,
  removed: ReadonlySet<RankedRule>,
  added: readonly RankedRule[],
): Omit<IndexParts, "ranked"> {
  const addresses = new Map<number, readonly RankedRule[] | undefined>();
  const ports = new Map<number, readonly RankedRule[] | undefined>();
  let left = others;
  const change = (each: RankedRule, edit: (list: readonly RankedRule[]) => readonly RankedRule[]): void => {
    const { rule } = each;
    const key = keyOf(rule);
    if (key === undefined) left = edit(left);
    else if (rule.destination === undefined) edited(ports, byPort, key, edit);
    else edited(addresses, byAddress, addressKey(rule.destination.address, key), edit);
  };
  for (const gone of removed) change(gone, (list) => list.filter((each) => each !== gone));
  for (const come of added) change(come, (list) => [...list, come].sort((a, b) => a.rank - b.rank));
  return { others: left, byAddress: byAddress.with(addresses), byPort: byPort.with(ports) };
}

function edited(
  changes: Map<number, readonly RankedRule[] | undefined>,
  map: RulesByKey,
  key: number,
  edit: (list: readonly RankedRule[]) => readonly RankedRule[],
): void {
  const list = edit((changes.has(key) ? changes.get(key) : map.get(key)) ?? NONE);
  changes.set(key, list.length === 0 ? undefined : list);
}

/** Protocol and port of a packet as {@link keyOf} has them. */
function keyFor(walk: PacketWalk): number | undefined {
  const protocol = PROTOCOLS[walk.protocol];
  return protocol === undefined || walk.isLaterFragment ? undefined : protocol * 0x10000 + walk.destinationPort;
}

/** Protocol and port that a rule asks for; `undefined` for one that must be tried on every packet. */
function keyOf(rule: Rule): number | undefined {
  const { protocol, destination } = rule;
  if (protocol === undefined || protocol.not || rule.fragment !== undefined) return undefined;
  if (destination !== undefined && (destination.not || (destination.mask | 0) !== -1)) return undefined;
  const number = PROTOCOLS[protocol.protocol];
  if (number === undefined) return undefined;
  for (const match of rule.matches) {
    if (match.kind === "tcp" || match.kind === "udp" || match.kind === "sctp") {
      const port = match.destinationPort;
      if (port === undefined || port.not || port.range.from !== port.range.to) return undefined;
      return number * 0x10000 + port.range.from;
    }
    // What counts or draws must be asked, even when the port does not fit in the end.
    if (!isStateless(match)) return undefined;
  }
  return undefined;
}

function addressKey(address: number, key: number): number {
  return (address >>> 0) * 0x40000 + key;
}

function enter(map: Map<number, RankedRule[]>, key: number, rule: RankedRule): void {
  const known = map.get(key);
  if (known === undefined) map.set(key, [rule]);
  else known.push(rule);
}
