import type { Connection } from "./explanation.ts";

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
  const numbers = others.map(({ number }) => number);
  const flows = others.map(({ asked }) => `${asked.source} → ${asked.destination}`);
  const who = numbers.length === 1 ? `Connection ${numbers[0]}` : `Connections ${listed(numbers)}`;
  return `${who} went the same way: ${flows.join(", ")}`;
}

function listed(numbers: readonly number[]): string {
  return `${numbers.slice(0, -1).join(", ")} and ${numbers.at(-1)}`;
}
