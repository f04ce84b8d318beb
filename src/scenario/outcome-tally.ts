import type { CommandOutcome } from "./expectation.ts";
import type { Unmet } from "./result.ts";

/** What came of many runs of one command, alike ones together. */
export interface TalliedOutcome {
  readonly outcome: CommandOutcome;
  readonly unmet: readonly Unmet[];
  readonly times: number;
}

/** Different outcomes that are kept. Of further ones only their exit code counts, so that a million runs need no more room than a hundred. */
const MOST_OUTCOMES = 20;

interface Entry {
  readonly outcome: CommandOutcome;
  unmet: readonly Unmet[];
  times: number;
}

/** Counts the outcomes of a command that is repeated, in the order in which each came first. */
export class OutcomeTally {
  readonly #compare: (outcome: CommandOutcome) => readonly Unmet[];
  readonly #entries = new Map<string, Entry>();

  /** `compare` says what of an outcome is not as expected. */
  constructor(compare: (outcome: CommandOutcome) => readonly Unmet[]) {
    this.#compare = compare;
  }

  add(outcome: CommandOutcome): void {
    const { exitCode, stdout, stderr } = outcome;
    const known = this.#entries.get(JSON.stringify([exitCode, stdout, stderr]));
    if (known !== undefined) known.times += 1;
    else if (this.#entries.size < MOST_OUTCOMES)
      this.#enter(JSON.stringify([exitCode, stdout, stderr]), outcome, outcome);
    else this.#addToOthers(outcome);
  }

  list(): readonly TalliedOutcome[] {
    return [...this.#entries.values()];
  }

  #addToOthers(outcome: CommandOutcome): void {
    const { exitCode } = outcome;
    const known = this.#entries.get(`others ${exitCode}`);
    const stderr = "natscope: other outputs, which are not kept\n";
    if (known === undefined) return this.#enter(`others ${exitCode}`, { exitCode, stdout: "", stderr }, outcome);
    known.times += 1;
    if (known.unmet.length === 0) known.unmet = this.#compare(outcome);
  }

  #enter(key: string, outcome: CommandOutcome, compared: CommandOutcome): void {
    this.#entries.set(key, { outcome, unmet: this.#compare(compared), times: 1 });
  }
}
