import type { Scenario } from "./model.ts";

/** The real name behind every alias in a scenario. */
export function aliasesIn(scenario: Scenario): ReadonlyMap<string, string> {
  const named = [...scenario.machines, ...scenario.clusters.flatMap((cluster) => cluster.nodes)];
  return new Map(named.flatMap(({ name, aliases }) => aliases.map((alias): [string, string] => [alias, name])));
}

/** A pattern of capture points, such as `node2/*`, with the real name in place of an alias: capture points carry the real names. */
export function realPoint(scenario: Scenario, pattern: string): string {
  const slash = pattern.indexOf("/");
  const name = slash < 0 ? pattern : pattern.slice(0, slash);
  return (aliasesIn(scenario).get(name) ?? name) + pattern.slice(name.length);
}
