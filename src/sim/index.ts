/**
 * Virtual time and what stands in it: the clock and its event queue, seeded chance, frames, and the links that carry them.
 *
 * This layer does not know what a frame contains, so a link can carry anything and is tested with frames of three bytes. It
 * reads no wall clock and draws no chance of its own: a run is a function of what is built and the seed.
 *
 * ```ts
 * const simulator = new Simulator({ seed: 1 });
 * const link = new Link({ queue: simulator, frames: simulator.frames, random: simulator.random.fork("wire"), aToB: { delay: ms(5) } });
 * link.b.onFrame((frame) => frame.release());
 * link.a.send(simulator.frames.create(64));
 * simulator.runUntilQuiet(); // simulator.now() is ms(5)
 * ```
 */

export { assert } from "./assert.ts";
export type { Clock, Timer, Urgency } from "./clock.ts";
export { dateAt, secondsBetween, timestampAt } from "./date.ts";
export { BOX_TIME, type Device, type FrameHandler } from "./device.ts";
export type { QueuedEvent } from "./event-queue.ts";
export { EventQueue } from "./event-queue.ts";
export { Frame, FramePool } from "./frame.ts";
export {
  CLEAN,
  type Impairments,
  Link,
  type LinkDropHandler,
  type LinkDropReason,
  type LinkOptions,
  Loopback,
} from "./link.ts";
export { type Draws, Random } from "./random.ts";
export { type DeliveryQueue, Simulator } from "./simulator.ts";
export {
  after,
  between,
  type Duration,
  ms,
  nanoseconds,
  START,
  seconds,
  type Time,
  toMs,
  toSeconds,
  us,
} from "./time.ts";
