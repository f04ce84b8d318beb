import { parseIptablesSave, RuleSyntaxError, type Ruleset } from "../nat/index.ts";
import type { MachineForm } from "./file-form.ts";
import type { ProblemList } from "./locator.ts";
import type { Path } from "./yaml-source.ts";

const BUILTIN = new Set(["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]);

/** Reads a machine's `iptables`, in either form; `undefined` when it is wrong, which is reported. */
export function readRules(
  form: NonNullable<MachineForm["iptables"]>,
  path: Path,
  problems: ProblemList,
): Ruleset | undefined {
  const { text, where } = typeof form === "string" ? asText(form, path, problems) : asTables(form, path, problems);
  try {
    return parseIptablesSave(text).ruleset;
  } catch (error) {
    if (!(error instanceof RuleSyntaxError)) throw error;
    problems.problems.push({ ...where(error.line), message: `${error.problem}; ${error.remedy}` });
    return undefined;
  }
}

interface RuleText {
  readonly text: string;
  /** The place of a line of `text`. */
  readonly where: (line: number) => { readonly file: string; readonly line?: number; readonly column?: number };
}

function asText(text: string, path: Path, problems: ProblemList): RuleText {
  return { text, where: (line) => problems.whereInBlock(path, line) };
}

/** Writes `{ nat: { PREROUTING: ["-j …"] } }` as iptables-save would, remembering where each line came from. */
function asTables(
  form: Exclude<NonNullable<MachineForm["iptables"]>, string>,
  path: Path,
  problems: ProblemList,
): RuleText {
  const lines: { text: string; path: Path }[] = [];
  for (const [table, chains] of Object.entries(form)) {
    lines.push({ text: `*${table}`, path: [...path, table] });
    for (const chain of Object.keys(chains)) {
      lines.push({ text: `:${chain} ${BUILTIN.has(chain) ? "ACCEPT" : "-"} [0:0]`, path: [...path, table, chain] });
    }
    for (const [chain, rules] of Object.entries(chains)) {
      for (const [index, rule] of rules.entries()) {
        lines.push({ text: `-A ${chain} ${rule.replaceAll("\n", " ")}`, path: [...path, table, chain, index] });
      }
    }
    lines.push({ text: "COMMIT", path: [...path, table] });
  }
  const where = (line: number): ReturnType<RuleText["where"]> =>
    problems.whereIs(lines[line - 1]?.path ?? path, "value");
  return { text: lines.map((line) => line.text).join("\n"), where };
}
