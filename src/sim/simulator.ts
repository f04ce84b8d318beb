import { assert } from "./assert.ts";
import type { Clock, Timer, Urgency } from "./clock.ts";
import { EventQueue, type QueuedEvent } from "./event-queue.ts";
import { FramePool } from "./frame.ts";
import { Random } from "./random.ts";
import { START, type Time } from "./time.ts";

/** At equal times frames arrive first, then programs' own timeouts run, then protocols' timers. */
const RANK = { frame: 0, program: 1, protocol: 2 } as const;

/** What a link asks of the simulator besides the time: to be called when its next frame is due. */
export interface DeliveryQueue {
  /** Queues `carrier` for `time`, moving it when it is queued already. */
  schedule(carrier: QueuedEvent, time: Time): void;
  /** Takes `carrier` out: nothing is on its way with it. */
  unschedule(carrier: QueuedEvent): void;
  /** Counts frames on their way; a run is quiet when none is. */
  addInFlight(change: number): void;
}

/**
 * Virtual time. Nothing happens between events, so a run takes as long as its events take to compute, and the same
 * topology with the same seed gives the same events in the same order.
 */
export class Simulator implements Clock, DeliveryQueue {
  readonly random: Random;
  readonly frames: FramePool = new FramePool();
  readonly #queue = new EventQueue();
  #now: Time = START;
  #inFlight = 0;
  #events = 0;

  constructor(options: { readonly seed: number }) {
    this.random = new Random(options.seed);
  }

  /** The virtual time, in nanoseconds since the run's start. */
  now(): Time {
    return this.#now;
  }

  /** Frames on links, and whatever else was announced with {@link addInFlight}. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Events run so far. */
  get events(): number {
    return this.#events;
  }

  /** When the next event is due; `undefined` when there is none. */
  get next(): Time | undefined {
    return this.#queue.peek()?.time;
  }

  timer(action: () => void, urgency: Urgency = "program"): Timer {
    return new SimulatorTimer(this.#queue, this, action, RANK[urgency]);
  }

  schedule(carrier: QueuedEvent, time: Time): void {
    assert(time >= this.#now, "no frame arrives in the past");
    this.#queue.push(carrier, time, RANK.frame);
  }

  unschedule(carrier: QueuedEvent): void {
    this.#queue.remove(carrier);
  }

  addInFlight(change: number): void {
    this.#inFlight += change;
  }

  /** Runs the next event; false when there is none. */
  step(): boolean {
    const event = this.#queue.peek();
    if (event === undefined) return false;
    this.#run(event);
    return true;
  }

  /** Runs until `done()` holds, looked at after every event; false when the events ran out or `limit` was reached first. */
  runUntil(done: () => boolean, limit?: Time): boolean {
    while (!done()) {
      const next = this.#queue.peek();
      if (next === undefined) return false;
      if (limit !== undefined && next.time > limit) {
        this.#now = limit;
        return false;
      }
      this.#run(next);
    }
    return true;
  }

  /** Runs all events up to and including `time`, then stands at `time`. */
  runTo(time: Time): void {
    this.runUntil(() => false, time);
    if (this.#now < time) this.#now = time;
  }

  /** Runs until no frame is in flight. Timers due before the last arrival run; later ones are left armed. */
  runUntilQuiet(limit?: Time): boolean {
    return this.runUntil(() => this.#inFlight === 0, limit);
  }

  #run(event: QueuedEvent): void {
    assert(event.time >= this.#now, "time never runs backwards");
    this.#now = event.time;
    this.#events += 1;
    event.fire();
  }
}

class SimulatorTimer implements Timer, QueuedEvent {
  time: Time = START;
  order = 0;
  place = -1;
  readonly #queue: EventQueue;
  readonly #clock: Clock;
  readonly #action: () => void;
  readonly #rank: number;

  constructor(queue: EventQueue, clock: Clock, action: () => void, rank: number) {
    this.#queue = queue;
    this.#clock = clock;
    this.#action = action;
    this.#rank = rank;
  }

  get deadline(): Time | undefined {
    return this.place < 0 ? undefined : this.time;
  }

  set(deadline: Time): void {
    const now = this.#clock.now();
    this.#queue.push(this, deadline < now ? now : deadline, this.#rank);
  }

  cancel(): void {
    this.#queue.remove(this);
  }

  fire(): void {
    this.#queue.remove(this);
    this.#action();
  }
}
