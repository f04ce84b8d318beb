import type { Chain, Ruleset, Table, TableName } from "../nat/index.ts";

const joined = new WeakMap<Ruleset, WeakMap<Ruleset, Ruleset>>();

/** Both rulesets' rules, `first`'s before `second`'s within each chain; the same ones again for the same two, so that hosts share them. */
export function joinRulesets(first: Ruleset, second: Ruleset): Ruleset {
  if (second.size === 0) return first;
  const known = joined.get(first)?.get(second);
  if (known !== undefined) return known;
  const made = new Map<TableName, Table>(first);
  for (const [name, table] of second) made.set(name, joinTables(first.get(name), table));
  joined.set(first, (joined.get(first) ?? new WeakMap()).set(second, made));
  return made;
}

function joinTables(first: Table | undefined, { name, chains: added }: Table): Table {
  const chains = new Map<string, Chain>(first?.chains);
  for (const [chainName, chain] of added) {
    const before = chains.get(chainName);
    chains.set(chainName, before === undefined ? chain : { ...before, rules: [...before.rules, ...chain.rules] });
  }
  return { name, chains };
}
