import { formatDuration, type RunResult, type Scenario, type Step, type StepResult } from "../scenario/index.ts";
import type { Style } from "./style.ts";

/** The line that a step is announced with: the command as typed. */
export function describeStep(step: Step, style: Style): string {
  const prompt = promptOf(step);
  return style.prompt(`${prompt}${prompt === "" ? "" : " "}${step.show ?? commandOf(step)}`);
}

/** Of a step that is repeated and has nothing to show instead, each command is announced by itself. */
export function isAnnouncedAtOnce(step: Step): boolean {
  return step.kind !== "run" || step.repeat === undefined || step.show !== undefined;
}

/** What a command printed, and a note where it failed. */
export function describeResult(step: Step, result: StepResult, style: Style): string {
  const head = isAnnouncedAtOnce(step) ? "" : `${style.prompt(`${promptOf(step)} ${result.run}`)}\n`;
  const where = result.node === undefined ? "" : `${result.node}: `;
  const note = result.exitCode === 0 ? "" : `${style.aside(`# ${where}exit code ${result.exitCode}`)}\n`;
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
  lines.push(`${count(result.packets, "packet")} seen, ${describeDrops(result.drops)}`);
  return `${lines.join("\n")}\n`;
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

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}
