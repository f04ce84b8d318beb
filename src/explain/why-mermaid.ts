import { groupAlike } from "./alike.ts";
import type { Change, Connection, Explanation, Journey, JourneyHop } from "./explanation.ts";
import { OUTCOME_WORDS } from "./why-words.ts";

/** Prints an explanation as one sequence diagram in Mermaid's language: boxes side by side, each connection's first packets down the page. */
export function formatWhyMermaid({ steps }: Explanation): string {
  const told = steps.flatMap((step) => groupAlike(step.connections).map(({ first }) => ({ step, connection: first })));
  const boxes = [...new Set(told.flatMap(({ connection }) => boxesOf(connection)))];
  const ids = new Map(boxes.map((box, index) => [box, `b${index + 1}`]));
  const lines = [
    "sequenceDiagram",
    ...boxes.map((box) => `participant ${ids.get(box)} as ${text(box)}`),
    ...told.flatMap(({ step, connection }) => connectionLines(connection, step.number, ids)),
  ];
  return `${lines.map((line, index) => (index === 0 ? line : `  ${line}`)).join("\n")}\n`;
}

function boxesOf({ journeys }: Connection): string[] {
  return journeys.flatMap(({ hops }) => hops.map(({ box }) => box));
}

type Ids = ReadonlyMap<string, string>;

function connectionLines(connection: Connection, step: number, ids: Ids): string[] {
  const { number, protocol, outcome, asked } = connection;
  const used = [...new Set(boxesOf(connection))].map((box) => ids.get(box) ?? "");
  if (used.length === 0) return [];
  const order = [...ids.values()].filter((id) => used.includes(id));
  const over = order.length === 1 ? order[0] : `${order[0]},${order.at(-1)}`;
  const title = `Step ${step}, connection ${number}: ${protocol} to ${asked.destination}, ${OUTCOME_WORDS[outcome]}`;
  const joined = connection.joined.flatMap(({ side, box, step: there, number: other, flow }) => {
    const words = side === "client" ? "opens this connection for" : "carries it on with";
    const note = `${words} step ${there}, connection ${other}: ${flow.source} → ${flow.destination}`;
    return ids.has(box) ? [`Note over ${ids.get(box)}: ${text(note)}`] : [];
  });
  return [
    `Note over ${over}: ${text(title)}`,
    ...joined,
    ...connection.journeys.flatMap((journey) => journeyLines(journey, ids)),
  ];
}

/** A solid arrow for the way there, a dotted one for the way back. */
function journeyLines({ direction, what, hops }: Journey, ids: Ids): string[] {
  const arrow = direction === "original" ? "->>" : "-->>";
  return hops.flatMap((hop, index) => {
    const next = hops[index + 1];
    const kind = what === undefined ? "" : `${what} `;
    const label = `${kind}${hop.after.source} → ${hop.after.destination}`;
    const sent = next === undefined ? [] : [`${ids.get(hop.box)}${arrow}${ids.get(next.box)}: ${text(label)}`];
    return [...noteLines(hop, ids), ...sent];
  });
}

function noteLines({ box, changes, end }: JourneyHop, ids: Ids): string[] {
  const told = changes.filter(({ side, quoted }) => side !== "ttl" && side !== "mark" && !quoted).map(changeText);
  if (end?.kind === "dropped") {
    const rule = end.rule === undefined ? "" : ` by ${end.rule.chain} ${end.rule.number}`;
    told.push(`dropped: ${end.reason}${rule}`);
  }
  return told.length === 0 ? [] : [`Note over ${ids.get(box)}: ${told.map(text).join("<br/>")}`];
}

function changeText({ hook, side, from, to, target, rule }: Change): string {
  const where = rule === undefined || rule.chain === hook ? "" : ` in ${rule.chain}`;
  return `${hook} ${target}${where}: ${side} ${from} → ${to}`;
}

/** Mermaid ends a statement at `;`, begins an entity with `#`, and takes a lone `end` for its own word. */
function text(words: string): string {
  const safe = words.replace(/[#;<>]/g, (sign) => `#${sign.charCodeAt(0)};`);
  return safe.replace(/\bend\b/gi, (word) => `#${word.charCodeAt(0)};${word.slice(1)}`);
}
