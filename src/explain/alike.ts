import type { Connection, StepExplanation } from "./explanation.ts";

/** Of more connections that went the same way, the first ones are named. */
const MOST_NAMED = 50;

/** Connections that went the same way: one to be told, and those of which the same would be said. */
export interface AlikeConnections {
  readonly first: Connection;
  readonly others: readonly Connection[];
}

/** Puts together what differs in ports, times and counts only, such as traceroute's probes of one router. */
export function groupAlike(connections: readonly Connection[]): AlikeConnections[] {
  const groups = new Map<string, { first: Connection; others: Connection[] }>();
  for (const connection of connections) {
    const key = JSON.stringify(connection).replace(/:"?\d+\b|port=\d+|\bid=\d+|connection \d+/g, "");
    const known = groups.get(key);
    if (known === undefined) groups.set(key, { first: connection, others: [] });
    else known.others.push(connection);
  }
  return [...groups.values()];
}

/** `Connections 2 and 3 went the same way: 10.0.0.1:5 → 10.0.0.2:6, …`. */
export function describeOthers(others: readonly Connection[]): string {
  const named = others.length > MOST_NAMED ? others.slice(0, MOST_NAMED) : others;
  const rest = others.length - named.length;
  const names = [...named.map(({ number }) => String(number)), ...(rest > 0 ? [`${rest} more`] : [])];
  const flows = named.map(({ asked }) => `${asked.source} → ${asked.destination}`);
  const who = names.length === 1 ? `Connection ${names[0]}` : `Connections ${listed(names)}`;
  return `${who} went the same way: ${flows.join(", ")}${rest > 0 ? ", …" : ""}`;
}

/** What is said of connections that are not told of: nothing where there are none. */
export function describeFurther({ connections, further = 0 }: StepExplanation): string[] {
  if (further === 0) return [];
  return [`${further} more connections began in this step. Only the first ${connections.length} are told of.`];
}

function listed(names: readonly string[]): string {
  return `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
}
