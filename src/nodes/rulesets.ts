import type { Chain, Ruleset, Table, TableName } from "../nat/index.ts";

/** Both rulesets' rules, `first`'s before `second`'s within each chain. */
export function joinRulesets(first: Ruleset, second: Ruleset): Ruleset {
  const joined = new Map<TableName, Table>(first);
  for (const [name, table] of second) {
    const chains = new Map<string, Chain>(first.get(name)?.chains);
    for (const [chainName, chain] of table.chains) {
      const before = chains.get(chainName);
      chains.set(chainName, before === undefined ? chain : { ...before, rules: [...before.rules, ...chain.rules] });
    }
    joined.set(name, { name, chains });
  }
  return joined;
}
