import type { Duration } from "../../src/sim/index.ts";
import type { WallClock } from "../../src/tun/index.ts";

/** A wall clock whose time passes when the test says so. */
export class ScriptedWallClock implements WallClock {
  /** Every wait that was asked for, in milliseconds; 0 for "soon". */
  readonly waits: number[] = [];
  #now = 0;
  #waiting: { readonly due: number; readonly action: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  sleep(duration: Duration, action: () => void): () => void {
    this.waits.push(duration / 1e6);
    return this.#wait(duration, action);
  }

  soon(action: () => void): () => void {
    this.waits.push(0);
    return this.#wait(0, action);
  }

  /** Lets time pass and calls what is due, in order. */
  pass(duration: Duration): void {
    const end = this.#now + duration;
    for (;;) {
      const next = this.#waiting.filter(({ due }) => due <= end).sort((a, b) => a.due - b.due)[0];
      if (next === undefined) break;
      this.#waiting = this.#waiting.filter((each) => each !== next);
      this.#now = Math.max(this.#now, next.due);
      next.action();
    }
    this.#now = end;
  }

  #wait(duration: number, action: () => void): () => void {
    const waiting = { due: this.#now + duration, action };
    this.#waiting.push(waiting);
    return () => {
      this.#waiting = this.#waiting.filter((each) => each !== waiting);
    };
  }
}
