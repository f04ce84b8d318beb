import { describeFurther, describeOthers, groupAlike } from "./alike.ts";
import type {
  Change,
  Connection,
  Ending,
  Explanation,
  Finding,
  Journey,
  JourneyHop,
  PathStep,
  StepExplanation,
} from "./explanation.ts";
import { journeyTitle, OUTCOME_WORDS, unlessTitle } from "./why-words.ts";

/** Prints an explanation as Markdown (CommonMark). */
export function formatWhyMarkdown(explanation: Explanation): string {
  const title = `# Why: ${plain(explanation.scenario)}`;
  return `${[title, ...explanation.steps.flatMap(stepBlocks)].join("\n\n")}\n`;
}

function stepBlocks(step: StepExplanation): string[] {
  const name = step.name === "" ? "" : `: ${plain(step.name)}`;
  const commands = step.commands.filter(({ run }) => run !== "").map(({ from, run }) => `${from}$ ${run}`);
  return [
    `## Step ${step.number}${name}`,
    ...(commands.length === 0 ? [] : [`\`\`\`console\n${commands.join("\n")}\n\`\`\``]),
    ...(step.connections.length === 0 ? ["No packets were sent."] : []),
    ...groupAlike(step.connections).flatMap(({ first, others }) => [
      ...connectionBlocks(first),
      ...(others.length === 0 ? [] : [plain(describeOthers(others))]),
    ]),
    ...describeFurther(step),
  ];
}

function connectionBlocks(connection: Connection): string[] {
  const { number, protocol, opener, asked, outcome, reached, findings, journeys, entries } = connection;
  const arrived = reached && `, arrived at ${plain(reached.box)} as ${flow(reached.as)}`;
  return [
    `### Connection ${number}: ${protocol} from ${plain(opener)}`,
    `${flow(asked)}: **${OUTCOME_WORDS[outcome]}**${arrived ?? ""}`,
    ...findings.map((finding) => findingBlock(finding, outcome)),
    ...journeys.flatMap(journeyBlocks),
    ...(entries.length === 0 ? [] : ["#### What connection tracking remembers", entryTable(entries)]),
  ];
}

function findingBlock({ question, answer, unless }: Finding, outcome: string): string {
  const conditions = unless.map((each) => `- *${unlessTitle(question, outcome)}* ${plain(each)}`);
  return [`**${plain(question)}** ${plain(answer)}`, ...(conditions.length === 0 ? [] : ["", ...conditions])].join(
    "\n",
  );
}

function journeyBlocks(journey: Journey): string[] {
  const hops = journey.hops.map((hop, index) => hopItem(hop, index, journey));
  return [`#### ${plain(journeyTitle(journey))}`, hops.join("\n")];
}

function hopItem(hop: JourneyHop, index: number, journey: Journey): string {
  const { box, after, before, notes, changes, end } = hop;
  const marker = `${index + 1}.`;
  const indent = " ".repeat(marker.length + 1);
  const inside = [
    ...notes.map((note) => `- ${plain(note)}`),
    ...changes.filter(({ side }) => side !== "ttl").flatMap((change) => changeItem(change, journey)),
    ...(end === undefined ? [] : endItem(end)),
  ];
  const head = `${marker} **${plain(box)}** ${flow(end === undefined ? after : before)}`;
  return [head, ...inside.map((line) => `${indent}${line}`)].join("\n");
}

function changeItem(change: Change, { packets }: Journey): string[] {
  const { hook, side, from, to, target, rule, path, because, detail, unless, quoted } = change;
  const times = change.packets === packets ? "" : ` (${change.packets} of ${packets} packets)`;
  const what = `${quoted ? "quoted packet's " : ""}${side} ${code(from)} → ${code(to)}`;
  const repeated = change.byRule === 0 ? 0 : change.packets - change.byRule;
  return [
    `- ${hook}: ${what} by **${target}**${times}`,
    ...pathItems(path),
    ...(rule === undefined ? [] : [`  - rule: ${code(`-A ${rule.chain} ${rule.text}`)} (${rule.table})`]),
    `  - because: ${plain([because, detail].filter((text) => text !== undefined).join(" "))}`,
    ...unless.map((each) => `  - *not if* ${plain(each)}`),
    ...(repeated > 0
      ? [`  - later: conntrack does the same to ${repeated} more packet${repeated === 1 ? "" : "s"}`]
      : []),
  ];
}

function endItem(end: Ending): string[] {
  if (end.kind === "delivered") return [`- delivered to ${plain(end.to)}`];
  const { reason, rule, path, because, unless } = end;
  return [
    `- **ends here**: ${reason}`,
    ...pathItems(path),
    ...(rule === undefined ? [] : [`  - rule: ${code(`-A ${rule.chain} ${rule.text}`)} (${rule.table})`]),
    `  - because: ${plain(because)}`,
    ...unless.map((each) => `  - *passes if* ${plain(each)}`),
  ];
}

function pathItems(path: readonly PathStep[]): string[] {
  const chains = path.map(({ chain, number }) => code(`${chain} ${number}`)).join(" → ");
  const matched = path.filter((step) => step.matched.length > 0);
  return [
    ...(path.length > 1 ? [`  - chains: ${chains}`] : []),
    ...matched.map((step) => `  - matched: ${code(`${step.chain} ${step.number}`)}: ${plain(step.matched.join(", "))}`),
  ];
}

function entryTable(entries: Connection["entries"]): string {
  const rows = entries.map(({ box, original, reply }) => `| ${plain(box)} | ${flow(original)} | ${flow(reply)} |`);
  return ["| box | the way there | the way back |", "|---|---|---|", ...rows].join("\n");
}

function flow({ source, destination }: { readonly source: string; readonly destination: string }): string {
  return `${code(source)} → ${code(destination)}`;
}

/** A code span; its fence is longer than any run of backticks inside. */
function code(text: string): string {
  const longest = Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length));
  const fence = "`".repeat(longest + 1);
  return longest === 0 ? `\`${text}\`` : `${fence} ${text} ${fence}`;
}

function plain(text: string): string {
  return text.replace(/[\\`*_<>[\]|#]/g, "\\$&");
}
