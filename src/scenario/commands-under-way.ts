import type { Process } from "../apps/index.ts";
import { after, type Duration, type Time } from "../sim/index.ts";
import type { CommandOutcome } from "./expectation.ts";
import { formatDuration } from "./quantity.ts";

/** The exit code of timeout(1). */
const EXIT_TIMED_OUT = 124;
const NEVER = Number.POSITIVE_INFINITY as Time;

/** Runs of one command that are under way at once. Each may take equally long, so that the one that began first is the first to be late. */
export class CommandsUnderWay {
  readonly #timeout: Duration;
  /** When each began, in that order. */
  readonly #running = new Map<Process, Time>();
  readonly #ended: CommandOutcome[] = [];

  constructor(timeout: Duration) {
    this.#timeout = timeout;
  }

  get count(): number {
    return this.#running.size;
  }

  /** Whether {@link takeEnded} has something to give. */
  get hasEnded(): boolean {
    return this.#ended.length > 0;
  }

  /** When the next one will have taken too long. */
  get deadline(): Time {
    for (const began of this.#running.values()) return after(began, this.#timeout);
    return NEVER;
  }

  add(process: Process, now: Time): void {
    this.#running.set(process, now);
    process.onExit(() => {
      if (this.#running.delete(process)) this.#ended.push(outcomeOf(process));
    });
  }

  /** Stops those that have taken too long. */
  stopLate(now: Time): void {
    for (const [process, began] of this.#running) {
      if (after(began, this.#timeout) > now) return;
      this.#running.delete(process);
      process.kill();
      this.#ended.push(outcomeOfStopped(process, this.#timeout));
    }
  }

  /** What came of those that have ended since the last call. */
  takeEnded(): CommandOutcome[] {
    return this.#ended.splice(0);
  }
}

/** What a command left behind that ended by itself. */
export function outcomeOf({ exitCode = EXIT_TIMED_OUT, stdout, stderr }: Process): CommandOutcome {
  return { exitCode, stdout, stderr };
}

/** What a command left behind that was stopped after `timeout`. */
export function outcomeOfStopped({ stdout, stderr }: Process, timeout: Duration): CommandOutcome {
  const complaint = `natscope: stopped: it had not ended after ${formatDuration(timeout)} of virtual time\n`;
  return { exitCode: EXIT_TIMED_OUT, stdout, stderr: stderr + complaint };
}
