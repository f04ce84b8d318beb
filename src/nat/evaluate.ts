import { CompiledRule } from "./compiled-rule.ts";
import { type PacketWalk, Verdict } from "./packet-walk.ts";
import type { Chain, Table } from "./rule.ts";
import { indexRules, type RuleIndex } from "./rule-index.ts";
import { tell, tellRule } from "./walk-events.ts";

/** A chain calls others to this depth; iptables refuses loops when rules are loaded, here they end in a drop. */
const DEEPEST = 512;

/** A table made ready to be walked. Holds nothing of any host, so hosts with the same rules share it; chains are compiled when first entered. */
export class CompiledTable {
  readonly name: string;
  readonly #table: Table;
  readonly #chains = new Map<string, CompiledChain>();

  constructor(table: Table) {
    this.name = table.name;
    this.#table = table;
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

  /** True when walking a built-in chain can have no effect. */
  isIdle(chain: string): boolean {
    return this.chain(chain)?.isIdle ?? true;
  }

  /** Walks a built-in chain and gives the table's verdict: accept, drop or reject, never "continue". */
  run(walk: PacketWalk, chain: string): number {
    const builtin = this.chain(chain);
    if (builtin === undefined) return Verdict.accept;
    const verdict = builtin.run(walk);
    return verdict > 0 ? verdict : builtin.applyPolicy(walk);
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

/** One chain: its rules in order, with indexes over long runs of similar ones. */
export class CompiledChain {
  readonly #chain: Chain;
  readonly #table: CompiledTable;
  readonly #rules: (CompiledRule | undefined)[];
  #indexes: readonly RuleIndex[] | undefined;

  constructor(chain: Chain, table: CompiledTable) {
    this.#chain = chain;
    this.#table = table;
    this.#rules = new Array(chain.rules.length).fill(undefined);
  }

  get isIdle(): boolean {
    return this.#chain.rules.length === 0 && this.#chain.policy !== "DROP";
  }

  /** Tries the rules in order; `Verdict.continue` at the chain's end. */
  run(walk: PacketWalk): number {
    if (walk.depth >= DEEPEST) return Verdict.drop;
    walk.depth += 1;
    this.#indexes ??= indexRules(this.#chain.rules);
    const verdict = this.#runIndexed(walk, this.#indexes);
    walk.depth -= 1;
    return verdict === Verdict.return ? Verdict.continue : verdict;
  }

  applyPolicy(walk: PacketWalk): number {
    const policy = this.#chain.policy ?? "ACCEPT";
    const { host } = walk.environment;
    if (host.events.active) {
      const { name: chain } = this.#chain;
      tell(host, walk.packet, { kind: "policy", hook: walk.hook, table: this.#table.name, chain, verdict: policy });
    }
    return policy === "DROP" ? Verdict.drop : Verdict.accept;
  }

  #runIndexed(walk: PacketWalk, indexes: readonly RuleIndex[]): number {
    if (indexes.length === 0) return this.#runRange(walk, 0, this.#rules.length);
    const seesAll = walk.environment.host.events.everyRule;
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

  #runRange(walk: PacketWalk, from: number, to: number): number {
    for (let number = from; number < to; number++) {
      const verdict = this.#try(walk, this.#rule(number));
      if (verdict !== Verdict.continue) return verdict;
    }
    return Verdict.continue;
  }

  #try(walk: PacketWalk, rule: CompiledRule): number {
    const { events } = walk.environment.host;
    if (!rule.matches(walk)) {
      if (walk.hotDrop) return Verdict.drop;
      if (events.everyRule && events.active) tellRule(walk, rule, false);
      return Verdict.continue;
    }
    if (events.active) tellRule(walk, rule, true);
    const { jump } = rule;
    if (jump === undefined) return rule.act(walk);
    const chain = this.#table.chain(jump.chain);
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
