import type { Chain, Rule, TableName } from "../nat/index.ts";
import { PortRows } from "./port-rows.ts";
import type { KubeProxyConfig } from "./proxy-config.ts";
import { BUILTINS, newRuleSheet, type RuleSheet } from "./rule-sheet.ts";
import type { RuleStyle } from "./rule-style.ts";

const NO_ROWS = new PortRows();

/** One chain of those that belong to no service port: fixed rules, and those of service ports between them. */
export class FixedChain {
  readonly #name: string;
  readonly #policy: "ACCEPT" | undefined;
  readonly #head: readonly Rule[];
  readonly #tail: readonly Rule[];
  #last: { readonly rows: PortRows; readonly chain: Chain } | undefined;

  constructor(
    name: string,
    rules: { readonly head: readonly Rule[]; readonly tail: readonly Rule[] },
    isBuiltin: boolean,
  ) {
    this.#name = name;
    this.#policy = isBuiltin ? "ACCEPT" : undefined;
    this.#head = rules.head;
    this.#tail = rules.tail;
  }

  /** The chain with these rows; the same object when they are those of the last time. `like` is what other nodes have in its place. */
  with(rows: PortRows = NO_ROWS, like?: Chain): Chain {
    if (this.#last?.rows !== rows) this.#last = { rows, chain: this.apart(rows, like) };
    return this.#last.chain;
  }

  /** The chain with rows that few nodes have, and like another one. */
  apart(rows: PortRows, like?: Chain): Chain {
    const rules = [...this.#head, ...rows.rules, ...this.#tail];
    return { name: this.#name, ...(this.#policy && { policy: this.#policy }), rules, ...(like && { like }) };
  }
}

/** All of them, by table and name, built-in ones first. */
export type FixedChains = ReadonlyMap<TableName, ReadonlyMap<string, FixedChain>>;

/** The fixed rules of one kube-proxy. What is alike for several is the same object: `known` keeps them. */
export function fixedChains(style: RuleStyle, config: KubeProxyConfig, known: Map<string, FixedChain>): FixedChains {
  const [head, tail] = [newRuleSheet(), newRuleSheet()];
  style.writeHead(head, config);
  style.writeTail(tail, config);
  return new Map(Array.from(head.tables.keys(), (table) => [table, chainsOf(table, { head, tail }, known)]));
}

function chainsOf(
  table: TableName,
  { head, tail }: { readonly head: RuleSheet; readonly tail: RuleSheet },
  known: Map<string, FixedChain>,
): ReadonlyMap<string, FixedChain> {
  const builtins: readonly string[] = BUILTINS[table];
  const names = new Set([head, tail].flatMap(({ tables }) => [...(tables.get(table)?.keys() ?? [])]));
  const others = [...names].filter((name) => !builtins.includes(name)).sort();
  const made = new Map<string, FixedChain>();
  for (const name of [...builtins, ...others]) {
    const rules = { head: head.tables.get(table)?.get(name) ?? [], tail: tail.tables.get(table)?.get(name) ?? [] };
    const key = JSON.stringify([table, name, rules]);
    const chain = known.get(key) ?? new FixedChain(name, rules, builtins.includes(name));
    known.set(key, chain);
    made.set(name, chain);
  }
  return made;
}
