import { after, between, type Duration, ms, nanoseconds, type Simulator, type Time } from "../sim/index.ts";

/** The real time and two ways to wait in it. */
export interface WallClock {
  /** Nanoseconds since some moment; never runs backwards. */
  now(): number;
  /** Calls `action` after about `duration`; the returned function takes it back. */
  sleep(duration: Duration, action: () => void): () => void;
  /** Calls `action` as soon as everybody else had a turn. */
  soon(action: () => void): () => void;
}

/** This process's. */
export const SYSTEM_CLOCK: WallClock = {
  now: () => performance.now() * 1e6,
  sleep: (duration, action) => {
    const timer = setTimeout(action, Math.ceil(duration / 1e6));
    return () => clearTimeout(timer);
  },
  soon: (action) => {
    const timer = setImmediate(action);
    return () => clearImmediate(timer);
  },
};

/**
 * How far the network may be ahead of the wall clock: the system's timers are no finer. A delay on an emulated link is real to within this,
 * and a packet's way over short links is worked off in one go.
 */
const LOOK_AHEAD: Duration = ms(1);
/** Events before others get a turn: sockets, signals, the capture file. */
const EVENTS_IN_A_ROW = 4096;

/**
 * Lets a simulator's time pass with the wall clock's, beginning with the time it has reached. Between events the process sleeps.
 *
 * Events run in turns, at most one in a round of the event loop: what sockets and the kernel bring in one round enters the network first, and then goes
 * from box to box together, as packets do that a Linux box takes from its card by the dozen (NAPI). That is quicker than one after the other.
 */
export class RealTimeDriver {
  readonly #simulator: Simulator;
  readonly #wall: WallClock;
  /** Called when a number of events has run, to pass on what they have sent. */
  onTurn: () => void = () => {};
  /** Time 0 by the wall clock; `undefined` while stopped. */
  #origin: number | undefined;
  #held = false;
  #busy = false;
  /** To be done when this turn's events have run. */
  #afterwards: (() => void)[] = [];
  /** Takes back the turn that comes next in the event loop; `undefined` when there is none. */
  #cancelSoon: (() => void) | undefined;
  #cancelSleep: () => void = () => {};
  /** When the sleep ends, in the simulator's time. */
  #wakesAt: Time | undefined;

  constructor(simulator: Simulator, wall: WallClock = SYSTEM_CLOCK) {
    this.#simulator = simulator;
    this.#wall = wall;
  }

  start(): void {
    if (this.#origin !== undefined) return;
    this.#origin = this.#wall.now() - this.#simulator.now();
    this.#turn();
  }

  /** No further event runs. */
  stop(): void {
    this.#origin = undefined;
    this.#cancelSoon?.();
    this.#cancelSoon = undefined;
    this.#cancelSleep();
    this.#wakesAt = undefined;
  }

  /** While held the network stands still: nobody takes what it would send. */
  set held(held: boolean) {
    if (this.#held === held) return;
    this.#held = held;
    if (!held && !this.#busy) this.#turn();
  }

  get held(): boolean {
    return this.#held;
  }

  /** Brings the network to the present and does `action` in it, such as sending a frame. What follows from it happens in the turn that comes. */
  act(action: () => void): void {
    if (this.#busy || this.#origin === undefined) return action();
    this.#busy = true;
    try {
      if (this.#cancelSoon === undefined) this.#catchUp();
      action();
    } finally {
      this.#busy = false;
    }
    this.#turnSoon();
  }

  /** Has `action` done in the network when this turn's events have run, or those of the one that comes. */
  afterEvents(action: () => void): void {
    this.#afterwards.push(action);
  }

  #turnSoon(): void {
    this.#cancelSoon ??= this.#wall.soon(() => this.#turn());
  }

  #turn(): void {
    if (this.#origin === undefined) return;
    this.#cancelSoon?.();
    this.#cancelSoon = undefined;
    this.#busy = true;
    try {
      this.#catchUp();
      if (this.#afterwards.length > 0) this.#finish();
    } finally {
      this.#busy = false;
    }
    this.onTurn();
    this.#arrangeNext();
  }

  #finish(): void {
    const actions = this.#afterwards;
    this.#afterwards = [];
    for (const action of actions) action();
    this.#catchUp();
  }

  /** Runs what is due. The clock then stands at the present, or up to {@link LOOK_AHEAD} after it. */
  #catchUp(): void {
    const simulator = this.#simulator;
    const present = this.#present();
    const limit = after(present, LOOK_AHEAD);
    for (let left = EVENTS_IN_A_ROW; left > 0 && !this.#held; left--) {
      const next = simulator.next;
      if (next === undefined || next > limit) {
        if (simulator.now() < present) simulator.runTo(present);
        return;
      }
      simulator.step();
    }
  }

  #arrangeNext(): void {
    const next = this.#simulator.next;
    // An event may have stopped or held the network.
    if (this.#origin === undefined || this.#held || next === undefined) return;
    const wait = (between(this.#present(), next) - LOOK_AHEAD) as Duration;
    if (wait <= 0 || this.#afterwards.length > 0) return this.#turnSoon();
    // Timers that are put off all the time, as TCP's are, leave the sleep as it is: after it there may be nothing to do.
    if (this.#wakesAt !== undefined && this.#wakesAt <= next) return;
    this.#cancelSleep();
    this.#wakesAt = next;
    this.#cancelSleep = this.#wall.sleep(wait, () => {
      this.#wakesAt = undefined;
      this.#turn();
    });
  }

  #present(): Time {
    return after(0 as Time, nanoseconds(this.#wall.now() - (this.#origin ?? 0)));
  }
}
