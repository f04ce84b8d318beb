/** An expectation that was not met. */
export interface Unmet {
  /** Which one: `exitCode`, `stdout`, `stderr`, `clientAddress` or `packets`. */
  readonly what: string;
  readonly expected: string;
  readonly actual: string;
}

/** What came of one command; a step that is repeated for each node has one of these for each, one that is repeated many times one for each outcome. */
export interface StepResult {
  /** The step's number in the file, from 1. */
  readonly number: number;
  /** Empty when the step has none. */
  readonly name: string;
  /** Who ran it; empty where nobody in the network did. */
  readonly from: string;
  /** The command with its variables filled in. */
  readonly run: string;
  /** The node of a repeated step. */
  readonly node?: string;
  /** How often this came of a step that is repeated a number of times. */
  readonly times?: number;
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly ok: boolean;
  readonly unmet: readonly Unmet[];
}

/** What came of a run. */
export interface RunResult {
  readonly scenario: string;
  readonly seed: number;
  readonly ok: boolean;
  readonly nodes: readonly string[];
  readonly steps: readonly StepResult[];
  /** Records in the capture, whether or not it went to a file. */
  readonly packets: number;
  /** By reason. */
  readonly drops: Readonly<Record<string, number>>;
}
