import type { Time } from "./time.ts";

/**
 * What runs first when two actions are due at the same time. A program's own timeout comes before TCP's, so that
 * `curl --connect-timeout 1` ends before the SYN is repeated at 1 s.
 */
export type Urgency = "program" | "protocol";

/** An action that can be armed, armed again and disarmed any number of times without allocation. */
export interface Timer {
  /** When the action is due; `undefined` while disarmed. */
  readonly deadline: Time | undefined;
  /** Arms the timer, or moves it. A time in the past is due now. */
  set(deadline: Time): void;
  /** Disarms the timer; no effect when it is not armed. */
  cancel(): void;
}

/** The only source of time: virtual in {@link Simulator}, the wall clock when a TUN device is attached. */
export interface Clock {
  /** The time, in nanoseconds since the run's start. */
  now(): Time;
  /** Makes a disarmed timer for `action`. */
  timer(action: () => void, urgency?: Urgency): Timer;
}
