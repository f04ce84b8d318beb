import { formatIpv4 } from "../netstack/index.ts";
import type { ClientAddress, Expectation, TextExpectation } from "./model.ts";
import type { Unmet } from "./result.ts";

/** What a command left behind. */
export interface CommandOutcome {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Compares one run of a step with what was expected; `repetition` counts from 0. */
export function compareOutcome(expected: Expectation, outcome: CommandOutcome, repetition: number): Unmet[] {
  return [
    ...compareExitCode(forRepetition(expected.exitCode, repetition), outcome),
    ...expected.stdout.flatMap((text) => compareText("stdout", text, outcome.stdout)),
    ...expected.stderr.flatMap((text) => compareText("stderr", text, outcome.stderr)),
    ...compareClientAddress(forRepetition(expected.clientAddress, repetition), outcome.stdout),
  ];
}

function forRepetition<T extends number | string>(
  expected: T | readonly T[] | undefined,
  repetition: number,
): T | undefined {
  return typeof expected === "object" ? expected[repetition] : expected;
}

function compareExitCode(expected: number | undefined, { exitCode, stderr }: CommandOutcome): Unmet[] {
  if (expected === undefined || expected === exitCode) return [];
  const said = stderr.trim().split("\n").at(-1) ?? "";
  return [
    { what: "exitCode", expected: String(expected), actual: said === "" ? String(exitCode) : `${exitCode} (${said})` },
  ];
}

function compareText(what: string, { relation, text }: TextExpectation, actual: string): Unmet[] {
  if (holds(relation, text, actual)) return [];
  return [{ what, expected: `${relation} ${JSON.stringify(text)}`, actual: JSON.stringify(shorten(actual)) }];
}

function holds(relation: TextExpectation["relation"], text: string, actual: string): boolean {
  switch (relation) {
    case "contains":
      return actual.includes(text);
    case "lacks":
      return !actual.includes(text);
    case "equals":
      return actual.trimEnd() === text.trimEnd();
    case "matches":
      return new RegExp(text, "mu").test(actual);
  }
}

/** The echo server's answer has a line `client_address=10.240.0.5`, indented in its later version. */
function compareClientAddress(expected: ClientAddress | undefined, stdout: string): Unmet[] {
  if (expected === undefined) return [];
  const wanted = expected === "none" ? "none" : formatIpv4(expected);
  const found = [...stdout.matchAll(/^\s*client_address=(\S*)$/gm)].map((match) => match[1] ?? "");
  const actual = found.length === 0 ? "none" : found.join(", ");
  return actual === wanted ? [] : [{ what: "clientAddress", expected: wanted, actual }];
}

function shorten(text: string): string {
  return text.length > 400 ? `${text.slice(0, 397)}…` : text;
}
