import { describeFurther, describeOthers, groupAlike } from "./alike.ts";
import type {
  Change,
  Connection,
  Ending,
  Explanation,
  Finding,
  Journey,
  JourneyHop,
  StepExplanation,
} from "./explanation.ts";
import { hopLine, journeyTitle, OUTCOME_WORDS, shortPath, unlessTitle } from "./why-words.ts";
import { labelled, wrap } from "./wrap.ts";

/** How text for a terminal is laid out and set off. */
export interface TextStyle {
  /** Columns. */
  readonly width: number;
  /** For headings. */
  readonly strong: (text: string) => string;
  /** For what may be skipped. */
  readonly aside: (text: string) => string;
  /** For what went as expected. */
  readonly good: (text: string) => string;
  /** For drops and refusals. */
  readonly bad: (text: string) => string;
}

/** Prints an explanation for a terminal. */
export function formatWhyText(explanation: Explanation, style: TextStyle): string {
  const lines = explanation.steps.flatMap((step) => [...stepLines(step, explanation, style), ""]);
  return `${lines.slice(0, -1).join("\n")}\n`;
}

function stepLines(step: StepExplanation, { names }: Explanation, style: TextStyle): string[] {
  const name = step.name === "" ? "" : `: ${step.name}`;
  const commands = step.commands.flatMap(({ from, run, exitCode }) =>
    run === "" ? [] : [`  ${from}$ ${run}${exitCode === 0 ? "" : `   # exit code ${exitCode}`}`],
  );
  const none = step.connections.length === 0 ? ["", "  No packets were sent."] : [];
  const lines = [style.strong(`Step ${step.number}${name}`), ...commands.map(style.aside), ...none];
  const total = step.connections.length + (step.further ?? 0);
  const groups = groupAlike(step.connections);
  return lines.concat(
    ...groups.map(({ first, others }) => [
      "",
      ...connectionLines(first, { total, names }, style),
      ...(others.length === 0 ? [] : ["", ...wrap(describeOthers(others), { width: style.width, hang: 2 })]),
    ]),
    describeFurther(step).flatMap((line) => ["", ...wrap(line, { width: style.width, hang: 2 })]),
  );
}

interface Among {
  readonly total: number;
  readonly names: Explanation["names"];
}

function connectionLines(connection: Connection, { total, names }: Among, style: TextStyle): string[] {
  const { number, protocol, opener, asked, outcome, reached } = connection;
  const paint = outcome === "answered" ? style.good : style.bad;
  const who = `${protocol} ${opener} ${asked.source} → ${asked.destination}${nameOf(asked.destination, names)}`;
  const arrival =
    reached === undefined
      ? []
      : labelled("arrived", `at ${reached.box} (${reached.to}) as ${reached.as.source} → ${reached.as.destination}`, {
          width: style.width,
          indent: 2,
        });
  return [
    ...wrap(`Connection ${number} of ${total}: ${who}`, { width: style.width, hang: 2 }).map(style.strong),
    `  ${paint(OUTCOME_WORDS[outcome])}`,
    ...arrival,
    ...connection.findings.flatMap((finding) => findingLines(finding, outcome, style)),
    ...connection.journeys.flatMap((journey) => journeyLines(journey, style)),
    ...entryLines(connection, style),
  ];
}

function nameOf(end: string, names: Explanation["names"]): string {
  const name = names[end.split(":")[0] ?? ""];
  return name === undefined ? "" : ` (${name})`;
}

function findingLines({ question, answer, unless }: Finding, outcome: string, style: TextStyle): string[] {
  const at = { width: style.width, indent: 4 };
  return [
    "",
    `  ${style.strong(question)}`,
    ...wrap(answer, at),
    ...unless.flatMap((each) => labelled(unlessTitle(question, outcome), each, at)),
  ];
}

function journeyLines(journey: Journey, style: TextStyle): string[] {
  const lines = journey.hops.flatMap((hop, index) => hopLines(hop, index, journey, style));
  return ["", `  ${style.strong(journeyTitle(journey))}`, ...lines];
}

function hopLines(hop: JourneyHop, index: number, journey: Journey, style: TextStyle): string[] {
  const number = `${index + 1}`.padStart(3);
  const head = `${number}  ${hop.box}`;
  const at = { width: style.width, indent: 7 };
  const changes = hop.changes.filter(({ side }) => side !== "ttl");
  return [
    ...wrap(`${head}  ${style.width < 60 ? "" : hopLine(hop, index)}`.trimEnd(), { width: style.width, hang: 7 }),
    ...hop.notes.flatMap((note) => wrap(note, at)),
    ...changes.flatMap((change) => changeLines(change, journey, style)),
    ...(hop.end === undefined ? [] : endLines(hop.end, style)),
  ];
}

function changeLines(change: Change, { packets }: Journey, style: TextStyle): string[] {
  const { hook, side, from, to, target, rule, path, because, detail, unless, quoted } = change;
  const repeated = change.byRule === 0 ? 0 : change.packets - change.byRule;
  const head = `${quoted ? "quoted packet's " : ""}${side} ${from} → ${to}`;
  const times = change.packets === packets ? "" : `, ${change.packets} of ${packets} packets`;
  const at = { width: style.width, indent: 9 };
  const matched = path.flatMap((step) =>
    step.matched.length === 0 ? [] : [`${step.chain} ${step.number}: ${step.matched.join(", ")}`],
  );
  return [
    ...wrap(`${hook}: ${head}, by ${target}${times}`, { width: style.width, indent: 7, hang: 2 }).map(style.strong),
    ...(path.length > 1 ? labelled("chains", shortPath(path), at) : []),
    ...(rule === undefined
      ? []
      : labelled("rule", `${rule.table}: -A ${rule.chain} ${rule.text}`, at).map(style.aside)),
    ...matched.flatMap((each) => labelled("matched", each, at)),
    ...labelled("because", because, at),
    ...(detail === undefined ? [] : labelled("detail", detail, at)),
    ...unless.flatMap((each) => labelled("not if", each, at)),
    ...(repeated > 0 ? labelled("later", `conntrack does the same to ${count(repeated, "more packet")}`, at) : []),
  ];
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

function endLines(end: Ending, style: TextStyle): string[] {
  const at = { width: style.width, indent: 9 };
  if (end.kind === "delivered") return [`       ${style.good(`delivered to ${end.to}`)}`];
  const { reason, rule, path, because, unless } = end;
  const matched = path.flatMap((step) =>
    step.matched.length === 0 ? [] : [`${step.chain} ${step.number}: ${step.matched.join(", ")}`],
  );
  return [
    `       ${style.bad(`ends here: ${reason}`)}`,
    ...(path.length > 1 ? labelled("chains", shortPath(path), at) : []),
    ...(rule === undefined
      ? []
      : labelled("rule", `${rule.table}: -A ${rule.chain} ${rule.text}`, at).map(style.aside)),
    ...matched.flatMap((each) => labelled("matched", each, at)),
    ...labelled("because", because, at),
    ...unless.flatMap((each) => labelled("passes if", each, at)),
  ];
}

function entryLines({ entries }: Connection, style: TextStyle): string[] {
  if (entries.length === 0) return [];
  const lines = entries.flatMap(({ box, original, reply }) => [
    ...labelled("there", `${original.source} → ${original.destination}`, { width: style.width, indent: 7 }).map(
      (line, index) => (index === 0 ? `     ${box}\n${line}` : line),
    ),
    ...labelled("back", `${reply.source} → ${reply.destination}`, { width: style.width, indent: 7 }),
  ]);
  return ["", `  ${style.strong("What connection tracking remembers")}`, ...lines];
}
