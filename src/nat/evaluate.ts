import { TcpFlag } from "../netstack/index.ts";
import { CompiledRule } from "./compiled-rule.ts";
import { isHarmless, mayMatchIn } from "./connection-state.ts";
import { type PacketWalk, Verdict } from "./packet-walk.ts";
import type { Chain, Match, Table } from "./rule.ts";
import { indexRules, type RuleIndex } from "./rule-index.ts";
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

  constructor(table: Table) {
    this.name = table.name;
    this.keepsState = table.name !== "raw";
    this.#table = table;
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

/** The compiled form of a table, made once for all hosts that have it. */
export function compileTable(table: Table): CompiledTable {
  const known = compiled.get(table);
  if (known !== undefined) return known;
  const made = new CompiledTable(table);
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
  readonly #rules: (CompiledRule | undefined)[];
  #indexes: readonly RuleIndex[] | undefined;
  /** The rules that are left, by the bits of connection-state.ts. */
  readonly #byState: (readonly CompiledRule[] | undefined)[] = [];

  constructor(chain: Chain, table: CompiledTable) {
    this.#chain = chain;
    this.#table = table;
    this.#rules = new Array(chain.rules.length).fill(undefined);
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

  get #indexed(): readonly RuleIndex[] {
    this.#indexes ??= indexRules(this.#chain.rules);
    return this.#indexes;
  }

  /** The rules that a packet whose connection is in this state may match; `undefined` where an index serves better. */
  #leftIn(state: number): readonly CompiledRule[] | undefined {
    const known = this.#byState[state];
    if (known !== undefined) return known;
    if (this.#indexed.length > 0) return undefined;
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

  #runIndexed(walk: PacketWalk, indexes: readonly RuleIndex[]): number {
    if (indexes.length === 0) return this.#runRange(walk, 0, this.#rules.length);
    const seesAll = walk.tellsEveryRule;
    let at = 0;
    for (const index of indexes) {
      const before = this.#runRange(walk, at, index.from);
      if (before !== Verdict.continue) return before;
      const within =
        seesAll || !index.serves(walk) ? this.#runRange(walk, index.from, index.to) : this.#runCandidates(walk, index);
      if (within !== Verdict.continue) return within;
      at = index.to;
    }
    return this.#runRange(walk, at, this.#rules.length);
  }

  #runCandidates(walk: PacketWalk, index: RuleIndex): number {
    for (const number of index.candidates(walk)) {
      const verdict = this.#try(walk, this.#rule(number));
      if (verdict !== Verdict.continue) return verdict;
    }
    return Verdict.continue;
  }

  #runRules(walk: PacketWalk, rules: readonly CompiledRule[]): number {
    for (let i = 0; i < rules.length; i++) {
      const verdict = this.#try(walk, rules[i] as CompiledRule);
      if (verdict !== Verdict.continue) return verdict;
    }
    return Verdict.continue;
  }

  #runRange(walk: PacketWalk, from: number, to: number): number {
    for (let number = from; number < to; number++) {
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
    const known = this.#rules[number];
    if (known !== undefined) return known;
    const { name: chain, rules } = this.#chain;
    const rule = rules[number] as (typeof rules)[number];
    const made = new CompiledRule(rule, { table: this.#table.name, chain, number: number + 1 });
    this.#rules[number] = made;
    return made;
  }
}
