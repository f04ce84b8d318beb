import { ConfigError, type Problem } from "./config-error.ts";
import type { Override } from "./override.ts";
import type { Path, YamlDocument } from "./yaml-source.ts";

type Where = Omit<Problem, "message">;

/** Nobody reads on; nodes that are told of together are wrong together. */
const MOST_PROBLEMS = 100;

/** Collects what is wrong with a scenario, and finds the place of each: in the file, or on the command line where `--set` put the value. */
export class ProblemList {
  readonly problems: Problem[] = [];
  /** What is left aside, for the user to know: nothing to mend. */
  readonly notes: Problem[] = [];
  readonly #file: string;
  readonly #document: YamlDocument;
  readonly #overrides: readonly Override[];

  constructor(file: string, document: YamlDocument, overrides: readonly Override[]) {
    this.#file = file;
    this.#document = document;
    this.#overrides = overrides;
  }

  /** All problems at once, each once, in the file's order. */
  toError(): ConfigError {
    const [...sorted] = new Map(this.problems.map((problem) => [JSON.stringify(problem), problem])).values();
    return new ConfigError(sorted.sort(byPlace).slice(0, MOST_PROBLEMS));
  }

  /** Notes that the value at `path` is wrong. */
  report(path: Path, message: string): void {
    this.problems.push({ ...this.whereIs(path, "value"), message });
  }

  whereIs(path: Path, what: "key" | "value"): Where {
    const override = this.#overrides.find((each) => each.path.every((step, i) => String(step) === String(path[i])));
    if (override !== undefined) return { file: `--set ${override.text}` };
    const place = what === "key" ? this.#document.placeOfKey(path) : this.#document.placeOf(path);
    return { file: this.#file, ...place };
  }

  /** Where line `line` (from 1) of the text block at `path` stands; the block itself where it is not written line by line. */
  whereInBlock(path: Path, line: number): Where {
    const whole = this.whereIs(path, "value");
    const block = whole.line === undefined ? undefined : this.#document.lineOfBlock(path);
    return block === undefined ? whole : { file: whole.file, line: block + line - 1 };
  }
}

function byPlace(a: Problem, b: Problem): number {
  if (a.file !== b.file) return 0;
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}
