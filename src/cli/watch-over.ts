import { ConfigError, type Lab } from "../scenario/index.ts";
import type { CommandIo } from "./io.ts";

/** Thrown out of a run when the user has pressed Ctrl-C. */
export class Interrupted extends Error {}

/** A run that takes longer than this by the wall clock is taken for one that never ends. */
const LONGEST_RUN_MS = 600_000;
/** How often signals are let in. */
const BREATH_MS = 50;
const PROGRESS_AFTER_MS = 1000;
/** Of a terminal whose width is not known. */
const MOST_COLUMNS = 200;

/** Keeps an eye on a run from outside: Ctrl-C, progress on a terminal once it takes long, and an end to what does not end. */
export class RunWatch {
  readonly #io: CommandIo;
  readonly #began: number;
  /** When there was progress last. */
  #lastStep: number;
  #lastBreath: number;
  #shown = false;
  /** Of a command that is repeated. */
  #repetition: { done: number; readonly times: number; readonly began: number } | undefined;
  #doing = "";

  constructor(io: CommandIo) {
    this.#io = io;
    this.#began = io.now();
    this.#lastStep = this.#began;
    this.#lastBreath = this.#began;
  }

  /** What is being done, for the progress line. */
  get doing(): string {
    const { done, times } = this.#repetition ?? {};
    return done === undefined ? this.#doing : `${this.#doing}, ${grouped(done)} of ${grouped(times ?? 0)} done`;
  }

  set doing(doing: string) {
    this.#doing = doing;
    this.#repetition = undefined;
  }

  /** There is progress: so many of a command's repetitions are done. */
  repeated(done: number, times: number): void {
    if (this.#repetition === undefined) this.#repetition = { done, times, began: this.#io.now() };
    else this.#repetition.done = done;
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
    const line = `${this.doing}${this.#pace()}: ${virtual} s of virtual time, ${simulator.events} events`;
    // What does not fit into one line cannot be taken away again.
    this.#io.err(`\r\x1b[K${line.slice(0, (this.#io.columns ?? MOST_COLUMNS) - 1)}`);
  }

  /** How quickly repetitions are done, and when all will be. */
  #pace(): string {
    const { done, times, began } = this.#repetition ?? { done: 0, times: 0, began: 0 };
    const perSecond = (done / (this.#lastBreath - began)) * 1000;
    if (done === 0 || !Number.isFinite(perSecond)) return "";
    return `, ${grouped(Math.round(perSecond))} a second, ${minutes((times - done) / perSecond)} left`;
  }
}

function grouped(count: number): string {
  return count.toLocaleString("en-US");
}

/** `3 min 07 s` */
function minutes(given: number): string {
  const whole = Math.ceil(given);
  if (whole < 60) return `${whole} s`;
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
}
