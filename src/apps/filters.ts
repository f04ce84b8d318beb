import { type Filter, type FilterFault, linesOf, textOf } from "./filter.ts";
import { parseGrep } from "./filter-grep.ts";
import { parseOptions, parseWhole } from "./options.ts";

type FilterParser = (args: readonly string[]) => Filter | FilterFault;

/** The filters that may stand in a pipeline. */
export const FILTERS: ReadonlyMap<string, FilterParser> = new Map<string, FilterParser>([
  ["grep", (args) => parseGrep(args, "basic")],
  ["egrep", (args) => parseGrep(args, "extended")],
  ["fgrep", (args) => parseGrep(args, "fixed")],
  ["head", (args) => parseEnd("head", args)],
  ["tail", (args) => parseEnd("tail", args)],
  ["cut", parseCut],
  ["sort", parseSort],
  ["uniq", parseUniq],
  ["wc", parseWc],
]);

/** Reads a filter with its arguments. */
export function parseFilter(words: readonly string[]): Filter | FilterFault {
  const [name = "", ...args] = words;
  const parser = FILTERS.get(name);
  if (parser !== undefined) return parser(args);
  return { fault: `sh: 1: ${name}: cannot stand behind a |: of filters there are ${[...FILTERS.keys()].join(", ")}` };
}

function badUse(name: string, option: string): FilterFault {
  return { fault: `${name}: invalid option or argument '${option}'` };
}

const MOST_LINES = 1_000_000_000;

function parseEnd(name: "head" | "tail", args: readonly string[]): Filter | FilterFault {
  // `head -5`: only the first argument may be a number of lines.
  const modern = args.map((arg, index) => (index === 0 ? arg.replace(/^-(\d+)$/, "-n$1") : arg));
  const options = parseOptions(modern, { options: { n: "value", c: "value" }, aliases: { lines: "n", bytes: "c" } });
  if ("fault" in options) return badUse(name, options.option);
  const [operand] = options.operands;
  if (operand !== undefined)
    return { fault: `${name}: cannot open '${operand}' for reading: No such file or directory` };
  const unit = options.has("c") ? "bytes" : "lines";
  const typed = options.value("c") ?? options.value("n") ?? "10";
  const count = parseWhole(typed.replace(/^[+-]/, ""), 0, MOST_LINES);
  if (count === undefined) return { fault: `${name}: invalid number of ${unit}: '${typed}'` };
  const sign = /^[+-]/.exec(typed)?.[0] ?? "";
  return {
    apply: (text) => {
      if (unit === "bytes") return pickEnd([...text], name, sign, count).join("");
      // The pieces keep their line ends, so that an unfinished last line stays unfinished.
      return pickEnd(text.match(/[^\n]*\n|[^\n]+$/g) ?? [], name, sign, count).join("");
    },
  };
}

/** `head -n -2` is all but the last two, `tail -n +2` all from the second on. */
function pickEnd(pieces: readonly string[], name: "head" | "tail", sign: string, count: number): readonly string[] {
  if (name === "head")
    return sign === "-" ? pieces.slice(0, Math.max(0, pieces.length - count)) : pieces.slice(0, count);
  return sign === "+" ? pieces.slice(Math.max(0, count - 1)) : pieces.slice(Math.max(0, pieces.length - count));
}

const MOST_FIELDS = 10_000;

function parseCut(args: readonly string[]): Filter | FilterFault {
  const syntax = {
    options: { d: "value", f: "value", c: "value", s: "flag" },
    aliases: { delimiter: "d", fields: "f", characters: "c", b: "c", "only-delimited": "s" },
  } as const;
  const options = parseOptions(args, syntax);
  if ("fault" in options) return badUse("cut", options.option);
  const fields = options.value("f");
  const list = fields ?? options.value("c");
  if (list === undefined) return { fault: "cut: you must specify a list of bytes, characters, or fields" };
  const ranges = parseRanges(list);
  if (ranges === undefined) return { fault: `cut: invalid field or range '${list}'` };
  const delimiter = options.value("d") ?? "\t";
  if ([...delimiter].length !== 1) return { fault: "cut: the delimiter must be a single character" };
  const onlyDelimited = options.has("s");
  const cutLine = (line: string): string[] => {
    if (fields === undefined) return [pick([...line], ranges).join("")];
    if (!line.includes(delimiter)) return onlyDelimited ? [] : [line];
    return [pick(line.split(delimiter), ranges).join(delimiter)];
  };
  return { apply: (text) => textOf(linesOf(text).flatMap(cutLine)) };
}

type Range = readonly [low: number, high: number];

function parseRanges(list: string): Range[] | undefined {
  const ranges: Range[] = [];
  for (const part of list.split(",")) {
    const match = /^(\d{0,5})(-?)(\d{0,5})$/.exec(part);
    if (match === null || part === "" || part === "-" || (match[2] === "" && match[3] !== "")) return undefined;
    const low = match[1] === "" ? 1 : Number(match[1]);
    const high = match[2] === "" ? low : match[3] === "" ? MOST_FIELDS : Number(match[3]);
    if (low < 1 || high < low) return undefined;
    ranges.push([low, high]);
  }
  return ranges;
}

function pick(pieces: readonly string[], ranges: readonly Range[]): string[] {
  return pieces.filter((_, index) => ranges.some(([low, high]) => index + 1 >= low && index + 1 <= high));
}

function parseSort(args: readonly string[]): Filter | FilterFault {
  const options = parseOptions(args, { options: { n: "flag", r: "flag", u: "flag", k: "value", t: "value" } });
  if ("fault" in options) return badUse("sort", options.option);
  const key = options.value("k");
  const field = key === undefined ? undefined : parseWhole(key.replace(/,.*$/, ""), 1, MOST_FIELDS);
  if (key !== undefined && field === undefined) return { fault: `sort: invalid number at field start: '${key}'` };
  const separator = options.value("t");
  const keyOf = (line: string): string => {
    if (field === undefined) return line;
    return separator === undefined
      ? line
          .trimStart()
          .split(/[ \t]+/)
          .slice(field - 1)
          .join(" ")
      : line
          .split(separator)
          .slice(field - 1)
          .join(separator);
  };
  const numeric = options.has("n");
  const compare = (a: string, b: string): number =>
    (numeric ? leadingNumber(keyOf(a)) - leadingNumber(keyOf(b)) : compareText(keyOf(a), keyOf(b))) ||
    compareText(a, b);
  return {
    apply: (text) => {
      const lines = linesOf(text).sort(compare);
      if (options.has("r")) lines.reverse();
      return textOf(options.has("u") ? lines.filter((line, index) => line !== lines[index - 1]) : lines);
    },
  };
}

function leadingNumber(text: string): number {
  return Number(/^\s*-?\d+(?:\.\d+)?/.exec(text)?.[0] ?? 0);
}

/** The order of the C locale, which does not depend on where natscope runs. */
function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function parseUniq(args: readonly string[]): Filter | FilterFault {
  const options = parseOptions(args, { options: { c: "flag", d: "flag", u: "flag" } });
  if ("fault" in options) return badUse("uniq", options.option);
  return {
    apply: (text) => {
      const runs: { line: string; count: number }[] = [];
      for (const line of linesOf(text)) {
        const last = runs.at(-1);
        if (last?.line === line) last.count += 1;
        else runs.push({ line, count: 1 });
      }
      const kept = runs.filter((run) => (!options.has("d") || run.count > 1) && (!options.has("u") || run.count === 1));
      return textOf(kept.map((run) => (options.has("c") ? `${String(run.count).padStart(7)} ${run.line}` : run.line)));
    },
  };
}

function parseWc(args: readonly string[]): Filter | FilterFault {
  const syntax = {
    options: { l: "flag", w: "flag", c: "flag", m: "flag" },
    aliases: { lines: "l", words: "w", bytes: "c", chars: "m" },
  } as const;
  const options = parseOptions(args, syntax);
  if ("fault" in options) return badUse("wc", options.option);
  const wanted = (["l", "w", "m", "c"] as const).filter((name) => options.has(name));
  const columns = wanted.length > 0 ? wanted : (["l", "w", "c"] as const);
  return {
    apply: (text) => {
      const counts = {
        l: text.split("\n").length - 1,
        w: text.split(/\s+/).filter((word) => word !== "").length,
        m: [...text].length,
        c: new TextEncoder().encode(text).length,
      };
      // Several counts from standard input stand in columns of seven.
      const texts = columns.map((name) => String(counts[name]));
      return `${texts.length === 1 ? texts[0] : texts.map((one) => one.padStart(7)).join(" ")}\n`;
    },
  };
}
