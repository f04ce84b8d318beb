import { ConfigError, type Lab } from "../scenario/index.ts";
import type { CommandIo } from "./io.ts";

/** Thrown out of a run when the user has pressed Ctrl-C. */
export class Interrupted extends Error {}

/** A run that takes longer than this by the wall clock is taken for one that never ends. */
const LONGEST_RUN_MS = 600_000;
/** How often signals are let in. */
const BREATH_MS = 50;
const PROGRESS_AFTER_MS = 1000;

/** Keeps an eye on a run from outside: Ctrl-C, progress on a terminal once it takes long, and an end to what does not end. */
export class RunWatch {
  readonly #io: CommandIo;
  readonly #began: number;
  /** When there was progress last. */
  #lastStep: number;
  #lastBreath: number;
  #shown = false;
  /** What is being done, for the progress line. */
  doing = "";

  constructor(io: CommandIo) {
    this.#io = io;
    this.#began = io.now();
    this.#lastStep = this.#began;
    this.#lastBreath = this.#began;
  }

  /** There is progress: one of many repetitions is done. */
  goesOn(doing: string): void {
    this.doing = doing;
    this.#lastStep = this.#lastBreath;
  }

  /** To be called often. @throws Interrupted, or ConfigError when it has taken too long. */
  async pause(lab: Lab): Promise<void> {
    const now = this.#io.now();
    if (now - this.#lastBreath < BREATH_MS) return;
    this.#lastBreath = now;
    // What is in order goes to the file, should the process die.
    lab.network.capture?.flush();
    if (await this.#io.isInterrupted()) throw new Interrupted();
    if (now - this.#lastStep > LONGEST_RUN_MS) {
      const message = `gave up after 10 minutes at ${this.doing}: the network does not come to rest`;
      throw new ConfigError([{ file: lab.scenario.file, message }]);
    }
    if (this.#io.showsProgress && now - this.#began > PROGRESS_AFTER_MS) this.#show(lab);
  }

  /** Takes the progress line away before something else is printed. */
  clear(): void {
    if (this.#shown) this.#io.err("\r\x1b[K");
    this.#shown = false;
  }

  #show(lab: Lab): void {
    this.#shown = true;
    const { simulator } = lab.network;
    const virtual = (simulator.now() / 1e9).toFixed(1);
    this.#io.err(`\r\x1b[K${this.doing}: ${virtual} s of virtual time, ${simulator.events} events`);
  }
}
