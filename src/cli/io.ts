/** What a command needs of the process it runs in, so that tests call it without one. */
export interface CommandIo {
  /** Standard output. */
  readonly out: (output: string | Uint8Array) => void;
  /** Standard error. */
  readonly err: (output: string) => void;
  /** Standard input to its end. */
  readonly readInput: () => Uint8Array;
  /** The next line of standard input, without its end; undefined after the last. */
  readonly readLine: () => Promise<string | undefined>;
  /** Whether somebody at a terminal types standard input. */
  readonly inputIsTerminal: boolean;
  /** Whether standard error is a terminal: progress is shown on it. */
  readonly showsProgress: boolean;
  /** Whether standard output takes colours. */
  readonly colours: boolean;
  /** Columns of standard output; undefined where it is no terminal. */
  readonly columns: number | undefined;
  /** The wall clock in milliseconds, for progress and for giving up. */
  readonly now: () => number;
  /** Lets signals in and says whether the user has pressed Ctrl-C since the command began. */
  readonly isInterrupted: () => Promise<boolean>;
}

/** What a command's process ends with. */
export const ExitCode = { ok: 0, unmet: 1, wrongUse: 2, interrupted: 130 } as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];
