import { TcpFlag } from "../netstack/index.ts";
import { CompiledRule } from "./compiled-rule.ts";
import { isHarmless, mayMatchIn } from "./connection-state.ts";
import { type PacketWalk, Verdict } from "./packet-walk.ts";
import type { Chain, Match, Rule, Table } from "./rule.ts";
import { type RankedRule, RuleIndex } from "./rule-index.ts";
import { tell, tellRule } from "./walk-events.ts";

/** A chain calls others to this depth; iptables refuses loops when rules are loaded, here they end in a drop. */
const DEEPEST = 512;

/** A table made ready to be walked. Holds nothing of any host, so hosts with the same rules share it; chains are compiled when first entered. */
export class CompiledTable {
  readonly name: string;
  /** False where rules take packets out of tracking, so that their state changes while they are walked. */
  readonly keepsState: boolean;
  readonly #table: Table;
  readonly #chains = new Map<string, CompiledChain>();
  #asksEachSegment: boolean | undefined;
  /** Indexes of its chains; until one is asked for, that of the table it came after. */
  readonly #indexes: Map<string, RuleIndex>;

  constructor(table: Table, before?: CompiledTable) {
    this.name = table.name;
    this.keepsState = table.name !== "raw";
    this.#table = table;
    this.#indexes = before === undefined ? new Map() : new Map(before.#indexes);
  }

  /** The index of one of its chains; `undefined` when it is not worth one. */
  indexOf(chain: Chain): RuleIndex | undefined {
    const { name, like } = chain;
    const near = (like && indexes.get(like)) ?? this.#indexes.get(name) ?? (like && newIndex(like));
    const index = indexes.get(chain) ?? newIndex(chain, near);
    if (index === undefined) this.#indexes.delete(name);
    else this.#indexes.set(name, index);
    return index;
  }

  /** Some rule asks for what several TCP segments that travel as one do not show: how many they are, how long each is, which has PSH or FIN. */
  get asksEachSegment(): boolean {
    this.#asksEachSegment ??= [...this.#table.chains.values()].some(({ rules }) =>
      rules.some(({ matches }) => matches.some(asksEachSegment)),
    );
    return this.#asksEachSegment;
  }

  chain(name: string): CompiledChain | undefined {
    const known = this.#chains.get(name);
    if (known !== undefined) return known;
    const chain = this.#table.chains.get(name);
    if (chain === undefined) return undefined;
    const made = new CompiledChain(chain, this);
    this.#chains.set(name, made);
    return made;
  }
}

function asksEachSegment(match: Match): boolean {
  switch (match.kind) {
    case "length":
    case "statistic":
    case "limit":
    case "hashlimit":
    case "recent":
      return true;
    case "tcp":
      return match.flags !== undefined && (match.flags.mask & (TcpFlag.psh | TcpFlag.fin)) !== 0;
    default:
      return false;
  }
}

const compiled = new WeakMap<Table, CompiledTable>();
/** Of chains that are worth one. */
const indexes = new WeakMap<Chain, RuleIndex>();

/** Made out of the index of nearly the same rules, where there is one. */
function newIndex(chain: Chain, near?: RuleIndex): RuleIndex | undefined {
  const index = near === undefined ? RuleIndex.of(chain.rules) : near.changedTo(chain.rules);
  if (index !== undefined) indexes.set(chain, index);
  return index;
}

/** The compiled form of a table, made once for all hosts that have it: out of that of the table that one of them had before, as far as they are alike. */
export function compileTable(table: Table, before?: Table): CompiledTable {
  const known = compiled.get(table);
  if (known !== undefined) return known;
  const made = new CompiledTable(table, before && compiled.get(before));
  compiled.set(table, made);
  return made;
}

/**
 * One chain: its rules in order. What cannot match is left out beforehand, where nobody wants to be told of it: in a long run of similar rules those for
 * other ports ({@link RuleIndex}), in the others those for connections in another state, and jumps to chains of which nothing is left. What is left is
 * walked in its order, so that the verdict is that of walking all.
 */
export class CompiledChain {
  readonly #chain: Chain;
  readonly #table: CompiledTable;
  /** By their numbers, as far as they have been tried. */
  #rules: (CompiledRule | undefined)[] | undefined;
  /** Of those that an index names. */
  readonly #ranked = new Map<RankedRule, CompiledRule>();
  #index: RuleIndex | "none" | undefined;
  /** The rules that are left, by the bits of connection-state.ts. */
  readonly #byState: (readonly CompiledRule[] | undefined)[] = [];

  constructor(chain: Chain, table: CompiledTable) {
    this.#chain = chain;
    this.#table = table;
  }

  get isIdle(): boolean {
    return this.#chain.rules.length === 0 && this.#chain.policy !== "DROP";
  }

  /** Walks a built-in chain and gives the table's verdict: accept, drop or reject, never "continue". */
  decide(walk: PacketWalk): number {
    walk.look();
    const verdict = this.run(walk);
    return verdict > 0 ? verdict : this.#applyPolicy(walk);
  }

  /** Tries the rules in order; `Verdict.continue` at the chain's end. */
  run(walk: PacketWalk): number {
    if (walk.depth >= DEEPEST) return Verdict.drop;
    walk.depth += 1;
    const left = walk.isTold || !this.#table.keepsState ? undefined : this.#leftIn(walk.state);
    const verdict = left === undefined ? this.#runIndexed(walk, this.#indexed) : this.#runRules(walk, left);
    walk.depth -= 1;
    return verdict === Verdict.return ? Verdict.continue : verdict;
  }

  get #indexed(): RuleIndex | undefined {
    this.#index ??= this.#table.indexOf(this.#chain) ?? "none";
    return this.#index === "none" ? undefined : this.#index;
  }

  /** The rules that a packet whose connection is in this state may match; `undefined` where an index serves better. */
  #leftIn(state: number): readonly CompiledRule[] | undefined {
    const known = this.#byState[state];
    if (known !== undefined) return known;
    if (this.#indexed !== undefined) return undefined;
    const all = this.#chain.rules.map((_, number) => this.#rule(number));
    // Meanwhile, as a chain may lead back to itself.
    this.#byState[state] = all;
    const left = all.filter((rule) => mayMatchIn(rule.rule, state) && !this.#leadsNowhere(rule, state));
    this.#byState[state] = left;
    return left;
  }

  /** A jump, not a goto, which would end this chain, to a chain of which nothing is left. */
  #leadsNowhere({ rule, jump }: CompiledRule, state: number): boolean {
    if (jump?.kind !== "jump" || !isHarmless(rule)) return false;
    const chain = this.#table.chain(jump.chain);
    return chain === undefined || chain.#leftIn(state)?.length === 0;
  }

  #applyPolicy(walk: PacketWalk): number {
    const policy = this.#chain.policy ?? "ACCEPT";
    if (walk.isTold) {
      const { host } = walk.environment;
      const { name: chain } = this.#chain;
      tell(host, walk.packet, { kind: "policy", hook: walk.hook, table: this.#table.name, chain, verdict: policy });
    }
    return policy === "DROP" ? Verdict.drop : Verdict.accept;
  }

  #runIndexed(walk: PacketWalk, index: RuleIndex | undefined): number {
    if (index === undefined || walk.tellsEveryRule || !index.serves(walk)) return this.#runAll(walk);
    const { others } = index;
    const forPort = index.forPort(walk);
    const forAddress = index.forAddress(walk);
    let i = 0;
    let j = 0;
    let k = 0;
    for (;;) {
      const next = first(first(others[i], forPort[j]), forAddress[k]);
      if (next === undefined) return Verdict.continue;
      if (next === others[i]) i += 1;
      else if (next === forPort[j]) j += 1;
      else k += 1;
      const verdict = this.#try(walk, this.#rankedRule(next));
      if (verdict !== Verdict.continue) return verdict;
    }
  }

  #runRules(walk: PacketWalk, rules: readonly CompiledRule[]): number {
    for (let i = 0; i < rules.length; i++) {
      const verdict = this.#try(walk, rules[i] as CompiledRule);
      if (verdict !== Verdict.continue) return verdict;
    }
    return Verdict.continue;
  }

  #runAll(walk: PacketWalk): number {
    const count = this.#chain.rules.length;
    for (let number = 0; number < count; number++) {
      const verdict = this.#try(walk, this.#rule(number));
      if (verdict !== Verdict.continue) return verdict;
    }
    return Verdict.continue;
  }

  #try(walk: PacketWalk, rule: CompiledRule): number {
    if (!rule.matches(walk)) {
      if (walk.hotDrop) return Verdict.drop;
      if (walk.tellsEveryRule) tellRule(walk, rule, false);
      return Verdict.continue;
    }
    if (walk.isTold) tellRule(walk, rule, true);
    const { jump } = rule;
    if (jump === undefined) return rule.act(walk);
    rule.target ??= this.#table.chain(jump.chain);
    const chain = rule.target;
    if (chain === undefined) return Verdict.continue;
    const verdict = chain.run(walk);
    // Who was sent by goto comes back to where this chain was called from.
    return verdict === Verdict.continue && jump.kind === "goto" ? Verdict.return : verdict;
  }

  #rule(number: number): CompiledRule {
    const { rules } = this.#chain;
    this.#rules ??= new Array(rules.length).fill(undefined);
    const known = this.#rules[number];
    if (known !== undefined) return known;
    const place = { table: this.#table.name, chain: this.#chain, number: number + 1 };
    const made = new CompiledRule(rules[number] as Rule, place);
    this.#rules[number] = made;
    return made;
  }

  #rankedRule(ranked: RankedRule): CompiledRule {
    const known = this.#ranked.get(ranked);
    if (known !== undefined) return known;
    const made = new CompiledRule(ranked.rule, { table: this.#table.name, chain: this.#chain });
    this.#ranked.set(ranked, made);
    return made;
  }
}

/** Which of two comes first in its chain. */
function first(a: RankedRule | undefined, b: RankedRule | undefined): RankedRule | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return a.rank < b.rank ? a : b;
}
