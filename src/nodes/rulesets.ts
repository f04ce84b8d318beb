import { type Chain, LazyChains, type Ruleset, type Table, type TableName, tableNamesList } from "../nat/index.ts";

const joined = new WeakMap<Ruleset, WeakMap<Ruleset, Ruleset>>();
const joinedTables = new WeakMap<Table, WeakMap<Table, Table>>();
const joinedChains = new WeakMap<Chain, WeakMap<Chain, Chain>>();

/** Both rulesets' rules, `first`'s before `second`'s within each chain; the same ones again for the same two, so that hosts share them. */
export function joinRulesets(first: Ruleset, second: Ruleset): Ruleset {
  if (second.size === 0) return first;
  return once(joined, first, second, () => {
    const made = new Map<TableName, Table>(first);
    for (const [name, table] of second) {
      const before = first.get(name);
      made.set(name, before === undefined ? table : once(joinedTables, before, table, () => joinTables(before, table)));
    }
    return made;
  });
}

/** Chains are joined when somebody asks for them, as `first`'s may only be made then. */
function joinTables(first: Table, second: Table): Table {
  const join = (chain: Chain, added: Chain | undefined): Chain =>
    added === undefined ? chain : once(joinedChains, chain, added, () => joinChains(chain, added));
  const find = (name: string): Chain | undefined => {
    const chain = first.chains.get(name);
    return chain === undefined ? second.chains.get(name) : join(chain, second.chains.get(name));
  };
  const all = (): ReadonlyMap<string, Chain> =>
    new Map([
      ...Array.from(first.chains, ([name, chain]) => [name, join(chain, second.chains.get(name))] as const),
      ...[...second.chains].filter(([name]) => !first.chains.has(name)),
    ]);
  return {
    name: first.name,
    chains: new LazyChains({ find, all }),
    namesList: (kind, name) => [first, second].some((table) => tableNamesList(table, kind, name)),
  };
}

function joinChains(first: Chain, second: Chain): Chain {
  return { ...first, rules: [...first.rules, ...second.rules], ...(first.rules.length > 0 && { like: first }) };
}

/** What is made of two things, made once. */
function once<A extends object, B extends object, C>(known: WeakMap<A, WeakMap<B, C>>, a: A, b: B, make: () => C): C {
  const found = known.get(a)?.get(b);
  if (found !== undefined) return found;
  const made = make();
  known.set(a, (known.get(a) ?? new WeakMap<B, C>()).set(b, made));
  return made;
}
