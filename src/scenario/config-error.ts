/** One thing that is wrong with what the user gave: where it stands, and what was expected there. */
export interface Problem {
  /** A file's name, or an option such as `--set cluster.version=1`. */
  readonly file: string;
  /** Counted from 1. */
  readonly line?: number;
  readonly column?: number;
  readonly message: string;
}

/** More than this at once helps nobody. */
const LISTED = 20;

/** Wrong input from the user. The message has one line a problem, each with its place and what to write instead. */
export class ConfigError extends Error {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(formatProblems(problems));
    this.name = "ConfigError";
    this.problems = problems;
  }
}

/** `file:line:column: message`, as editors and terminals recognize places. */
export function formatProblem(problem: Problem): string {
  const place = [problem.file, problem.line, problem.column].filter((part) => part !== undefined).join(":");
  return `${place}: ${problem.message}`;
}

function formatProblems(problems: readonly Problem[]): string {
  const lines = problems.slice(0, LISTED).map(formatProblem);
  if (problems.length > LISTED) lines.push(`… and ${problems.length - LISTED} more`);
  return lines.join("\n");
}

/** How a value from a file is shown in a message: short, on one line. */
export function quote(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a mapping";
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** The candidate that was most likely meant by `word`: the only one with its last part (`nf_conntrack_max`), else one of which at most a third of the letters are wrong. */
export function closest(word: string, candidates: readonly string[]): string | undefined {
  const tail = `.${word.slice(word.lastIndexOf(".") + 1)}`;
  const [same, ...more] = candidates.filter((candidate) => candidate.endsWith(tail));
  if (same !== undefined && more.length === 0) return same;
  let best: string | undefined;
  let least = Math.max(1, Math.floor(word.length / 3)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

/** `; did you mean "x"?` when something is close, else the list of what there is. */
export function suggestion(word: string, candidates: readonly string[]): string {
  const near = closest(word, candidates);
  if (near !== undefined) return `; did you mean "${near}"?`;
  return candidates.length === 0 ? "" : `; there is ${listed(candidates)}`;
}

/** `a, b and c`, cut short when it gets long. */
export function listed(words: readonly string[]): string {
  const shown = words.length > 24 ? [...words.slice(0, 23), `${words.length - 23} more`] : words;
  return shown.length < 2 ? shown.join("") : `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}`;
}

/** Levenshtein's distance with one row, for words of moderate length. */
function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 8 || a.length > 64) return Number.POSITIVE_INFINITY;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
