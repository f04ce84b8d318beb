import type { Rule, Table } from "./rule.ts";

/** What keeps addresses under a name that several rules may share. */
export type ListKind = "recent" | "hashlimit";

const known = new WeakMap<Table, ReadonlySet<string>>();

/** Whether the rule names this list of `-m recent`, or this table of `-m hashlimit`. */
export function namesList({ matches }: Rule, kind: ListKind, name: string): boolean {
  return matches.some((match) => match.kind === kind && match.name === name);
}

/** Whether any rule of a table does. */
export function tableNamesList(table: Table, kind: ListKind, name: string): boolean {
  return table.namesList?.(kind, name) ?? listsIn(table).has(`${kind} ${name}`);
}

function listsIn(table: Table): ReadonlySet<string> {
  const found = known.get(table);
  if (found !== undefined) return found;
  const lists = new Set<string>();
  for (const { rules } of table.chains.values()) {
    for (const match of rules.flatMap((rule) => rule.matches))
      if (match.kind === "recent" || match.kind === "hashlimit") lists.add(`${match.kind} ${match.name}`);
  }
  known.set(table, lists);
  return lists;
}
