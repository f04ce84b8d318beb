import type { InspectedConnection, InspectedHop, InspectedWay, Inspection } from "./inspection.ts";
import type { TextStyle } from "./why-text.ts";
import { wrap } from "./wrap.ts";

/** Prints what captures show for a terminal: a line for each capture point that a packet passed, with what had changed there. */
export function formatInspection(inspection: Inspection, style: TextStyle): string {
  const lines = [
    ...inspection.files.map(({ name, format, records }) => `${name}: ${format}, ${count(records, "record")}`),
    ...summary(inspection),
    ...inspection.connections.flatMap((each) => ["", ...connectionLines(each, style)]),
  ];
  return `${lines.join("\n")}\n`;
}

const PAIRED: Readonly<Record<Inspection["pairedBy"], string>> = {
  lineage: "Records of one packet are told by the packet's id.",
  content: "The capture has no packet ids: records are paired by IP ID, sequence numbers and payload.",
  both: "Records are paired by the packet's id where there is one, else by IP ID, sequence numbers and payload.",
  nothing: "No packet was seen at more than one place.",
};

function summary({ points, connections, others, pairedBy }: Inspection): string[] {
  const rest = others === 0 ? "" : `, ${count(others, "record")} of other protocols`;
  const found = `${count(connections.length, "connection")} at ${count(points.length, "capture point")}${rest}`;
  return connections.length === 0 ? [found] : [found, PAIRED[pairedBy]];
}

function connectionLines({ number, protocol, asked, ways }: InspectedConnection, style: TextStyle): string[] {
  const head = `Connection ${number}: ${protocol} ${asked.source} → ${asked.destination}`;
  const width = Math.max(0, ...ways.flatMap(({ hops }) => hops.map((hop) => pointText(hop).length)));
  return [style.strong(head), ...ways.flatMap((way) => wayLines(way, width, style))];
}

const DIRECTIONS: Readonly<Record<InspectedWay["direction"], string>> = {
  original: "there",
  reply: "back",
  error: "error",
};

function wayLines(way: InspectedWay, pointWidth: number, style: TextStyle): string[] {
  const { direction, packets, what, time, from } = way;
  const when = time === undefined ? "" : ` ${time.toFixed(6)} s`;
  const which = packets.length === 1 ? `packet ${packets[0]}` : `${packets.length} packets, the first is ${packets[0]}`;
  const head = `  ${DIRECTIONS[direction]}: ${which}${when} ${what} ${from.source} → ${from.destination}`;
  return [
    ...wrap(head, { width: style.width, hang: 4 }),
    ...way.hops.flatMap((hop) => hopLines(hop, pointWidth, style)),
  ];
}

function hopLines(hop: InspectedHop, pointWidth: number, style: TextStyle): string[] {
  const changes = hop.changes.map(({ field, from, to }) => `${field} ${from} → ${to}`).join(", ");
  const comments = hop.comments.flatMap((comment) => comment.split("\n").map(printable));
  return [
    `    ${pointText(hop).padEnd(pointWidth)}  ${changes}`.trimEnd(),
    ...comments.flatMap((line) => wrap(line, { width: style.width, indent: 8, hang: 2 })).map(style.aside),
  ];
}

/** A foreign file's words must not steer the terminal. */
function printable(text: string): string {
  return text.replace(/\p{Cc}/gu, "·");
}

function pointText({ point, direction }: InspectedHop): string {
  return printable(direction === undefined ? point : `${point} ${direction}`);
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
