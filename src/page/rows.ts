import type { ReportData, ReportMoment, ReportStep } from "../explain/index.ts";
import { addressChanges, dropIn, entering, leaving, passagesOf } from "./passages.ts";
import { frameAt, packetAt, whatAt } from "./words.ts";

/** What the reader wants to see. */
export interface Filter {
  /** A connection's place in the report; all when left out. */
  readonly connection: number | undefined;
  readonly text: string;
  readonly showsArp: boolean;
}

/** A line of the ladder. */
export type Row =
  | { readonly kind: "step"; readonly step: ReportStep }
  /** Nothing happened for a while. */
  | { readonly kind: "pause"; readonly span: number; readonly time: number }
  | { readonly kind: "moment"; readonly moment: ReportMoment; readonly index: number };

export type MomentRow = Extract<Row, { kind: "moment" }>;

/** A pause worth telling, in nanoseconds. */
const PAUSE = 200e6;

/** The ladder's lines: the moments that the filter lets through, with their steps' beginnings and the pauses between them. */
export function rowsOf(data: ReportData, filter: Filter): Row[] {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  const rows: Row[] = [];
  const steps = [...data.steps];
  let last: number | undefined;
  for (const [index, moment] of data.moments.entries()) {
    if (!isWanted(data, moment, filter)) continue;
    if (words.length > 0 && !words.every((word) => textOf(data, moment).includes(word))) continue;
    const begun = takeBegun(steps, moment.time);
    if (begun.length > 0) rows.push(...begun.map((step): Row => ({ kind: "step", step })));
    else if (last !== undefined && moment.time - last > PAUSE)
      rows.push({ kind: "pause", span: moment.time - last, time: last });
    rows.push({ kind: "moment", moment, index });
    last = moment.arrived ?? moment.time;
  }
  if (words.length === 0 && filter.connection === undefined)
    rows.push(...steps.map((step): Row => ({ kind: "step", step })));
  return rows;
}

function isWanted(data: ReportData, moment: ReportMoment, { connection, showsArp }: Filter): boolean {
  const own = packetAt(data, moment)?.connection;
  if (connection !== undefined) return own === connection;
  return showsArp || own !== undefined;
}

/** Takes the steps that have begun by `time` from the front. */
function takeBegun(steps: ReportStep[], time: number): ReportStep[] {
  const count = steps.findIndex(({ began }) => began > time);
  return steps.splice(0, count < 0 ? steps.length : count);
}

const texts = new WeakMap<ReportMoment, string>();

/** What the filter's words are looked for in. */
function textOf(data: ReportData, moment: ReportMoment): string {
  const known = texts.get(moment);
  if (known !== undefined) return known;
  const frame = frameAt(data, moment);
  const hops = [leaving(data, moment), entering(data, moment)].map((passage) => passage?.hop);
  const changes = hops.flatMap((hop) => hop?.changes ?? []);
  const text = [
    `#${packetAt(data, moment)?.lineage}`,
    whatAt(data, moment),
    frame?.source,
    frame?.destination,
    moment.from,
    moment.to,
    moment.lost,
    ...hops.map((hop) => dropIn(hop)?.reason),
    ...changes.flatMap(({ target, path, hook }) => [
      target,
      hook,
      ...path.map(({ chain, text }) => `${chain} ${text}`),
    ]),
  ];
  const joined = text.filter(Boolean).join(" ").toLowerCase();
  texts.set(moment, joined);
  return joined;
}

/** The boxes that stand in the ladder, in the order of the drawing. */
export function lanesOf(rows: readonly Row[], order: readonly string[]): string[] {
  const used = new Set(rows.flatMap((row) => (row.kind === "moment" ? [row.moment.from, row.moment.to] : [])));
  const known = order.filter((name) => used.has(name));
  return [...known, ...[...used].filter((name) => name !== undefined && !known.includes(name))].filter(
    (name) => name !== undefined,
  );
}

/** A moment in words, for who hears the page. */
export function describeMoment(data: ReportData, moment: ReportMoment): string {
  const { from, to, lost } = moment;
  const frame = frameAt(data, moment);
  const ends = frame === undefined ? "" : `, ${frame.source} to ${frame.destination}`;
  const way =
    to === undefined ? `leaves ${from} and does not arrive` : from === to ? `inside ${from}` : `${from} to ${to}`;
  const told = [
    `Packet ${packetAt(data, moment)?.lineage}: ${whatAt(data, moment)}, ${way}${ends}.`,
    ...(lost === undefined ? [] : [`Lost on the way: ${lost}.`]),
    ...(moment.leaves === 0 ? eventsIn(data, moment, leaving(data, moment)?.index) : []),
    ...eventsIn(data, moment, entering(data, moment)?.index),
  ];
  return told.join(" ");
}

function eventsIn(data: ReportData, moment: ReportMoment, index: number | undefined): string[] {
  const hop = index === undefined ? undefined : passagesOf(data, moment)[index]?.hop;
  if (hop === undefined) return [];
  const changes = addressChanges(hop).map(
    ({ side, from, to, target, quoted }) =>
      `${hop.box} rewrites ${quoted ? "the quoted packet's " : ""}${side} ${from} to ${to} (${target}).`,
  );
  const drop = dropIn(hop);
  const end = drop === undefined ? [] : [`${hop.box} drops it: ${drop.reason}.`];
  return [...changes, ...end];
}
