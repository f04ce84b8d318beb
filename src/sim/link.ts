import type { Device, FrameHandler } from "./device.ts";
import type { QueuedEvent } from "./event-queue.ts";
import type { Frame, FramePool } from "./frame.ts";
import type { Random } from "./random.ts";
import type { DeliveryQueue } from "./simulator.ts";
import { after, type Duration, ms, nanoseconds, START, type Time, us } from "./time.ts";

/** What one direction of a link does to frames. Probabilities are from 0 to 1 and drawn per frame from the direction's own stream. */
export interface Impairments {
  /** Time on the wire; at least 1 µs. */
  readonly delay: Duration;
  /** Adds up to this much to the delay, evenly spread. Frames keep their order. */
  readonly jitter: Duration;
  readonly loss: number;
  readonly duplicate: number;
  /** Probability that a frame is held back by {@link reorderDelay}, so that later ones overtake it. */
  readonly reorder: number;
  readonly reorderDelay: Duration;
  /** Bits per second of frame bytes; `undefined` is without limit. */
  readonly rate: number | undefined;
  /** Frames that may wait for the rate; the next one is dropped. */
  readonly queue: number;
  /** Carries nothing while false. */
  readonly up: boolean;
}

/** A clean wire of 50 µs: what two machines in one rack see. */
export const CLEAN: Impairments = {
  delay: us(50),
  jitter: nanoseconds(0),
  loss: 0,
  duplicate: 0,
  reorder: 0,
  reorderDelay: ms(10),
  rate: undefined,
  queue: 1000,
  up: true,
};

/** Why a link lost a frame. */
export type LinkDropReason = "link-loss" | "link-queue-full" | "link-down";
/** Told of every frame the link will not deliver, before the link releases it. */
export type LinkDropHandler = (frame: Frame, reason: LinkDropReason) => void;

/** A link takes at least this long, so that the two records of a frame at its ends never share a timestamp. */
const SHORTEST_DELAY = us(1);
/** How far behind the original a duplicate arrives. */
const DUPLICATE_GAP = us(1);

/** What a link is made with. */
export interface LinkOptions {
  readonly queue: DeliveryQueue;
  readonly frames: FramePool;
  readonly random: Random;
  readonly mtu?: number;
  readonly aToB?: Partial<Impairments>;
  readonly bToA?: Partial<Impairments>;
}

/** A full-duplex wire between two devices. Each direction has its own impairments and its own stream of chance. */
export class Link {
  readonly a: Device;
  readonly b: Device;
  readonly #aToB: LinkDirection;
  readonly #bToA: LinkDirection;

  constructor(options: LinkOptions) {
    const mtu = options.mtu ?? 1500;
    this.#aToB = new LinkDirection(options, options.random.fork("a>b"), options.aToB);
    this.#bToA = new LinkDirection(options, options.random.fork("b>a"), options.bToA);
    this.a = new LinkEnd(mtu, this.#aToB, this.#bToA);
    this.b = new LinkEnd(mtu, this.#bToA, this.#aToB);
  }

  /** Changes what the link does from now on; frames on the wire arrive as they were sent. */
  impair(direction: "a>b" | "b>a" | "both", change: Partial<Impairments>): void {
    if (direction !== "b>a") this.#aToB.impair(change);
    if (direction !== "a>b") this.#bToA.impair(change);
  }

  /** How long a frame is on the wire, jitter aside. */
  delay(direction: "a>b" | "b>a"): Duration {
    return (direction === "a>b" ? this.#aToB : this.#bToA).delay;
  }

  /** Has every frame that is lost told to `handler`. */
  onDrop(handler: LinkDropHandler): void {
    this.#aToB.dropHandler = handler;
    this.#bToA.dropHandler = handler;
  }
}

/** A device that gives back to its own handler what it is sent: a host's `lo`. */
export class Loopback implements Device {
  readonly mtu: number;
  readonly #direction: LinkDirection;

  constructor(options: LinkOptions & { readonly mtu: number }) {
    this.mtu = options.mtu;
    this.#direction = new LinkDirection(options, options.random, { delay: SHORTEST_DELAY });
  }

  get takesTrains(): boolean {
    return this.#direction.takesTrains;
  }

  send(frame: Frame): void {
    this.#direction.send(frame);
  }

  onFrame(handler: FrameHandler, takesTrains?: () => boolean): void {
    this.#direction.deliverTo(handler, takesTrains);
  }
}

class LinkEnd implements Device {
  readonly mtu: number;
  readonly #out: LinkDirection;
  readonly #in: LinkDirection;

  constructor(mtu: number, out: LinkDirection, incoming: LinkDirection) {
    this.mtu = mtu;
    this.#out = out;
    this.#in = incoming;
  }

  get takesTrains(): boolean {
    return this.#out.takesTrains;
  }

  send(frame: Frame): void {
    frame.context = undefined;
    this.#out.send(frame);
  }

  onFrame(handler: FrameHandler, takesTrains?: () => boolean): void {
    this.#in.deliverTo(handler, takesTrains);
  }
}

/**
 * One direction: a ring of frames in the order of their arrival, and one place in the simulator's queue for the first of
 * them. Only a reordered frame is ever put anywhere but at the end.
 */
class LinkDirection implements QueuedEvent {
  time: Time = START;
  order = 0;
  place = -1;
  dropHandler: LinkDropHandler | undefined;
  #handler: FrameHandler | undefined;
  #receiverTakesTrains: (() => boolean) | undefined;
  readonly #queue: DeliveryQueue;
  readonly #frames: FramePool;
  readonly #random: Random;
  #impairments: Impairments;
  /** Nothing but a delay: no chance is asked. */
  #isPlain: boolean;
  #ring: (Frame | undefined)[] = new Array(16).fill(undefined);
  #first = 0;
  #count = 0;
  #lastArrival: Time = START;
  readonly #departures = new DepartureQueue();

  constructor(options: LinkOptions, random: Random, impairments: Partial<Impairments> | undefined) {
    this.#queue = options.queue;
    this.#frames = options.frames;
    this.#random = random;
    this.#impairments = { ...CLEAN, ...impairments };
    this.#isPlain = isPlain(this.#impairments);
  }

  get delay(): Duration {
    return this.#impairments.delay;
  }

  impair(change: Partial<Impairments>): void {
    this.#impairments = { ...this.#impairments, ...change };
    this.#isPlain = isPlain(this.#impairments);
  }

  /** Segments travel as one where nothing happens to each by itself, and to who knows what to do with them. */
  get takesTrains(): boolean {
    return this.#isPlain && this.#receiverTakesTrains?.() === true;
  }

  deliverTo(handler: FrameHandler, takesTrains: (() => boolean) | undefined): void {
    this.#handler = handler;
    this.#receiverTakesTrains = takesTrains;
  }

  send(frame: Frame): void {
    const is = this.#impairments;
    if (this.#isPlain) return this.#enqueue(frame, this.#inOrder(after(frame.at, is.delay)));
    if (!is.up) return this.#drop(frame, "link-down");
    const departure = this.#departures.enter(frame, is);
    if (departure === undefined) return this.#drop(frame, "link-queue-full");
    if (this.#random.chance(is.loss)) return this.#drop(frame, "link-loss");
    const copy = this.#random.chance(is.duplicate) ? this.#frames.copy(frame) : undefined;
    this.#enqueue(frame, this.#arrival(departure, is));
    if (copy !== undefined) this.#enqueue(copy, after(frame.at, DUPLICATE_GAP));
  }

  fire(): void {
    const frame = this.#ring[this.#first] as Frame;
    this.#ring[this.#first] = undefined;
    this.#first = (this.#first + 1) & (this.#ring.length - 1);
    this.#count -= 1;
    this.#queue.addInFlight(-1);
    if (this.#count > 0) this.#queue.schedule(this, (this.#ring[this.#first] as Frame).at);
    else this.#queue.unschedule(this);
    if (this.#handler === undefined) frame.release();
    else this.#handler(frame);
  }

  #arrival(departure: Time, is: Impairments): Time {
    const delay = Math.max(is.delay, SHORTEST_DELAY);
    const jitter = is.jitter > 0 ? this.#random.below(is.jitter + 1) : 0;
    const arrival = after(departure, (delay + jitter) as Duration);
    if (this.#random.chance(is.reorder)) return after(arrival, is.reorderDelay);
    return this.#inOrder(arrival);
  }

  /** No earlier than the frame before. */
  #inOrder(arrival: Time): Time {
    if (arrival > this.#lastArrival) this.#lastArrival = arrival;
    return this.#lastArrival;
  }

  #enqueue(frame: Frame, arrival: Time): void {
    frame.at = arrival;
    if (this.#count === this.#ring.length) this.#grow();
    const mask = this.#ring.length - 1;
    let gap = this.#count;
    for (; gap > 0; gap--) {
      const before = this.#ring[(this.#first + gap - 1) & mask] as Frame;
      if (before.at <= arrival) break;
      this.#ring[(this.#first + gap) & mask] = before;
    }
    this.#ring[(this.#first + gap) & mask] = frame;
    this.#count += 1;
    this.#queue.addInFlight(1);
    if (gap === 0) this.#queue.schedule(this, arrival);
  }

  #grow(): void {
    const size = this.#ring.length;
    const larger: (Frame | undefined)[] = new Array(size * 2).fill(undefined);
    for (let i = 0; i < size; i++) larger[i] = this.#ring[(this.#first + i) & (size - 1)];
    this.#ring = larger;
    this.#first = 0;
  }

  #drop(frame: Frame, reason: LinkDropReason): void {
    this.dropHandler?.(frame, reason);
    frame.release();
  }
}

function isPlain(is: Impairments): boolean {
  const isCertain = is.loss <= 0 && is.duplicate <= 0 && is.reorder <= 0 && is.jitter <= 0;
  return is.up && isCertain && is.rate === undefined && is.delay >= SHORTEST_DELAY;
}

/** The sender's queue in front of a limited rate: when each frame has left, and how many still wait. */
class DepartureQueue {
  #waiting: Time[] = [];

  /** When `frame` has left entirely; `undefined` when the queue is full. */
  enter(frame: Frame, is: Impairments): Time | undefined {
    if (is.rate === undefined) return frame.at;
    let gone = 0;
    while (gone < this.#waiting.length && (this.#waiting[gone] as Time) <= frame.at) gone += 1;
    if (gone > 0) this.#waiting = this.#waiting.slice(gone);
    // The frame on the wire does not wait; `queue` counts those behind it.
    if (this.#waiting.length > is.queue) return undefined;
    const begin = this.#waiting.at(-1) ?? frame.at;
    const departure = after(begin, nanoseconds((frame.length * 8e9) / is.rate));
    this.#waiting.push(departure);
    return departure;
  }
}
