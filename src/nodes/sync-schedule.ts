import { after, type Clock, type Duration, type Time, type Timer } from "../sim/index.ts";

/**
 * Runs an action whenever it is asked for, but not more often than once in so long: kube-proxy's bounded frequency runner with `--iptables-min-sync-period`. What is asked
 * for meanwhile is done together when the time has come. The first run, with which a node comes up, does not hold up the second.
 */
export class SyncSchedule {
  readonly #clock: Clock;
  readonly #minimum: Duration;
  readonly #action: () => void;
  readonly #timer: Timer;
  #ran = false;
  #last: Time | undefined;

  constructor(clock: Clock, minimum: Duration, action: () => void) {
    this.#clock = clock;
    this.#minimum = minimum;
    this.#action = action;
    this.#timer = clock.timer(() => this.#run());
  }

  /** Whether a run is still to come. */
  get isPending(): boolean {
    return this.#timer.deadline !== undefined;
  }

  request(): void {
    if (this.isPending) return;
    const earliest = this.#last === undefined ? this.#clock.now() : after(this.#last, this.#minimum);
    if (earliest <= this.#clock.now()) this.#run();
    else this.#timer.set(earliest);
  }

  /** Whoever would run it is gone. */
  cancel(): void {
    this.#timer.cancel();
  }

  #run(): void {
    this.#last = this.#ran ? this.#clock.now() : undefined;
    this.#ran = true;
    this.#action();
  }
}
