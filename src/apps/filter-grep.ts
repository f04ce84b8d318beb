import { type Filter, type FilterFault, linesOf, textOf } from "./filter.ts";
import { parseOptions, parseWhole } from "./options.ts";
import { compilePattern, type PatternLanguage } from "./pattern.ts";
import type { PatternProgram } from "./pattern-program.ts";

const SYNTAX = {
  options: {
    i: "flag",
    v: "flag",
    c: "flag",
    o: "flag",
    q: "flag",
    n: "flag",
    w: "flag",
    x: "flag",
    E: "flag",
    F: "flag",
    G: "flag",
    h: "flag",
    m: "value",
    e: "value",
    A: "value",
    B: "value",
    color: "value",
  },
  aliases: {
    "ignore-case": "i",
    y: "i",
    "invert-match": "v",
    count: "c",
    "only-matching": "o",
    quiet: "q",
    silent: "q",
    "line-number": "n",
    "word-regexp": "w",
    "line-regexp": "x",
    "extended-regexp": "E",
    "fixed-strings": "F",
    "basic-regexp": "G",
    "no-filename": "h",
    "max-count": "m",
    regexp: "e",
    "after-context": "A",
    "before-context": "B",
    colour: "color",
  },
} as const;

const MOST_LINES = 1_000_000;
/** Longer lines are matched by their beginning only, which bounds the time a pattern may take. */
const LONGEST_LINE = 16_384;

/** grep as a filter. `usual` is the pattern language without -E, -F or -G. */
export function parseGrep(args: readonly string[], usual: PatternLanguage): Filter | FilterFault {
  const options = parseOptions(args, SYNTAX);
  if ("fault" in options) return { fault: `grep: unknown or incomplete option '${options.option}'` };
  const patterns = options.has("e") ? options.values("e") : options.operands.slice(0, 1);
  const [file] = options.operands.slice(options.has("e") ? 0 : 1);
  if (patterns.length === 0) return { fault: "Usage: grep [OPTION]... PATTERNS" };
  if (file !== undefined && file !== "-") return { fault: `grep: ${file}: No such file or directory` };
  const language = options.has("E") ? "extended" : options.has("F") ? "fixed" : options.has("G") ? "basic" : usual;
  const programs: PatternProgram[] = [];
  for (const pattern of patterns.flatMap((text) => text.split("\n"))) {
    const how = { language, ignoreCase: options.has("i"), wholeLine: options.has("x"), wholeWord: options.has("w") };
    const program = compilePattern(pattern, how);
    if ("fault" in program) return { fault: `grep: ${program.fault}` };
    programs.push(program);
  }
  const counts: Record<"m" | "A" | "B", number> = { m: MOST_LINES, A: 0, B: 0 };
  for (const name of ["m", "A", "B"] as const) {
    const typed = options.value(name);
    const count = typed === undefined ? counts[name] : parseWhole(typed, 0, MOST_LINES);
    if (count === undefined)
      return { fault: `grep: ${typed}: invalid ${name === "m" ? "max count" : "context length argument"}` };
    counts[name] = count;
  }
  const has = {
    v: options.has("v"),
    c: options.has("c"),
    o: options.has("o"),
    q: options.has("q"),
    n: options.has("n"),
  };
  return { apply: (text) => select(linesOf(text), programs, { ...has, ...counts }) };
}

interface Selection {
  readonly v: boolean;
  readonly c: boolean;
  readonly o: boolean;
  readonly q: boolean;
  readonly n: boolean;
  readonly m: number;
  readonly A: number;
  readonly B: number;
}

function select(lines: readonly string[], programs: readonly PatternProgram[], how: Selection): string {
  const selected: number[] = [];
  for (const [index, line] of lines.entries()) {
    if (selected.length >= how.m) break;
    const codes = codesOf(line);
    const matches = programs.some((program) => program.find(codes) !== undefined);
    if (matches !== how.v) selected.push(index);
  }
  if (how.q) return "";
  if (how.c) return `${selected.length}\n`;
  if (how.o) return how.v ? "" : textOf(selected.flatMap((index) => pieces(lines, index, programs, how.n)));
  if (how.A + how.B > 0) return withContext(lines, selected, how);
  return textOf(selected.map((index) => shown(lines, index, how.n, ":")));
}

/** The parts of a line that match: the leftmost, then the leftmost behind it. */
function pieces(
  lines: readonly string[],
  index: number,
  programs: readonly PatternProgram[],
  numbered: boolean,
): string[] {
  const codes = codesOf(lines[index] ?? "");
  const found: string[] = [];
  for (let at = 0; at <= codes.length; ) {
    const matches = programs.map((program) => program.find(codes, at)).filter((match) => match !== undefined);
    const [first] = matches.sort((a, b) => a.start - b.start || b.end - a.end);
    if (first === undefined) break;
    const text = String.fromCodePoint(...codes.slice(first.start, first.end));
    if (text !== "") found.push(numbered ? `${index + 1}:${text}` : text);
    at = Math.max(first.end, first.start + 1);
  }
  return found;
}

function codesOf(line: string): number[] {
  return [...line.slice(0, LONGEST_LINE)].map((character) => character.codePointAt(0) ?? 0);
}

function shown(lines: readonly string[], index: number, numbered: boolean, separator: ":" | "-"): string {
  return numbered ? `${index + 1}${separator}${lines[index]}` : (lines[index] ?? "");
}

/** Lines around the selected ones too; `--` stands between groups that do not touch. */
function withContext(lines: readonly string[], selected: readonly number[], how: Selection): string {
  const chosen = new Set(selected);
  const visible = new Array<boolean>(lines.length).fill(false);
  let covered = 0;
  for (const index of selected) {
    const end = Math.min(lines.length, index + how.A + 1);
    for (let i = Math.max(covered, index - how.B); i < end; i++) visible[i] = true;
    covered = end;
  }
  const output: string[] = [];
  for (const [index, isVisible] of visible.entries()) {
    if (!isVisible) continue;
    if (output.length > 0 && visible[index - 1] !== true) output.push("--");
    output.push(shown(lines, index, how.n, chosen.has(index) ? ":" : "-"));
  }
  return textOf(output);
}
