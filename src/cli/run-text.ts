import { formatDuration, type RunResult, type Scenario, type Step, type StepResult } from "../scenario/index.ts";
import { counted } from "./counted.ts";
import type { Style } from "./style.ts";

/** The line that a step is announced with: the command as typed. */
export function describeStep(step: Step, style: Style): string {
  const prompt = promptOf(step);
  const command = step.show ?? commandOf(step);
  return style.prompt(`${prompt}${prompt === "" ? "" : " "}${command}${repetitionOf(step)}`);
}

/** Of a step that is repeated and has nothing to show instead, each command is announced by itself. */
export function isAnnouncedAtOnce(step: Step): boolean {
  return step.kind !== "run" || step.repeat !== "nodes" || step.show !== undefined;
}

/** What a command printed, and a note where it failed. */
export function describeResult(step: Step, result: StepResult, style: Style): string {
  const head = isAnnouncedAtOnce(step) ? "" : `${style.prompt(`${promptOf(step)} ${result.run}`)}\n`;
  const where = result.node === undefined ? "" : `${result.node}: `;
  const notes = [
    ...(result.times === undefined ? [] : [counted(result.times, "time")]),
    ...(result.exitCode === 0 ? [] : [`${where}exit code ${result.exitCode}`]),
  ];
  const note = notes.length === 0 ? "" : `${style.aside(`# ${notes.join(", ")}`)}\n`;
  return head + ended(result.stdout) + ended(result.stderr) + note;
}

/** The last lines of a run: what was not as expected, packets and drops. */
export function describeOutcome(result: RunResult, expectations: number, style: Style): string {
  const lines: string[] = [];
  for (const step of result.steps) {
    for (const { what, expected, actual } of step.unmet) {
      const name = step.name === "" ? "" : ` (${step.name})`;
      const where = step.node === undefined ? "" : `, ${step.node}`;
      lines.push(style.bad(`unmet: step ${step.number}${name}${where}: ${what}`));
      lines.push(`  expected: ${expected}`, `  actual:   ${actual}`);
    }
  }
  const unmet = result.steps.reduce((sum, step) => sum + step.unmet.length, 0);
  if (expectations > 0 && unmet === 0) lines.push(style.good(`all ${expectations} expectations met`));
  lines.push(`${counted(result.packets, "packet")} seen, ${describeDrops(result.drops)}`);
  return `${lines.join("\n")}\n`;
}

function repetitionOf(step: Step): string {
  return step.kind === "run" && typeof step.repeat === "object" ? `  # ${counted(step.repeat.times, "time")}` : "";
}

function promptOf(step: Step): string {
  switch (step.kind) {
    case "run":
      return `${step.on}$`;
    case "kubectl":
    case "apply":
      return "$";
    case "wait":
    case "links":
    case "fail":
    case "restore":
      return "#";
  }
}

function commandOf(step: Step): string {
  switch (step.kind) {
    case "run":
      return step.run;
    case "kubectl":
      return `kubectl ${step.kubectl}`;
    case "apply":
      return "kubectl apply -f -";
    case "wait":
      return `${formatDuration(step.duration)} later`;
    case "fail":
      return `${step.what} ${step.target} fails`;
    case "restore":
      return `node ${step.target} is back`;
    case "links":
      return `links change: ${step.links.map((link) => `${link.host}/${link.interface}`).join(", ")}`;
  }
}

function describeDrops(drops: RunResult["drops"]): string {
  const reasons = Object.entries(drops).map(([reason, times]) => `${times} ${reason}`);
  return reasons.length === 0 ? "none dropped" : `dropped: ${reasons.join(", ")}`;
}

function ended(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}

/** How many single things the steps expect, repetitions not counted. */
export function countExpectations({ steps }: Scenario): number {
  const each = steps.map(({ expect }) => {
    const single = [expect.exitCode, expect.clientAddress].filter((one) => one !== undefined).length;
    return single + expect.stdout.length + expect.stderr.length + expect.packets.length;
  });
  return each.reduce((sum, one) => sum + one, 0);
}
