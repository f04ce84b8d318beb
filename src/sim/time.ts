declare const timeBrand: unique symbol;
declare const durationBrand: unique symbol;

/** A moment: whole nanoseconds since the run's start. Exact up to 2^53 ns, some 104 days. */
export type Time = number & { readonly [timeBrand]: true };
/** A length of time in whole nanoseconds. */
export type Duration = number & { readonly [durationBrand]: true };

/** The start of every run. */
export const START: Time = 0 as Time;

/** `count` nanoseconds, rounded to a whole one. */
export function nanoseconds(count: number): Duration {
  return Math.round(count) as Duration;
}

/** `count` microseconds. */
export function us(count: number): Duration {
  return nanoseconds(count * 1e3);
}

/** `count` milliseconds. */
export function ms(count: number): Duration {
  return nanoseconds(count * 1e6);
}

/** `count` seconds. */
export function seconds(count: number): Duration {
  return nanoseconds(count * 1e9);
}

/** The moment `duration` after `time`. */
export function after(time: Time, duration: Duration): Time {
  return (time + duration) as Time;
}

/** The time from `start` to `end`; negative when `end` is the earlier one. */
export function between(start: Time, end: Time): Duration {
  return (end - start) as Duration;
}

/** `duration` in seconds, as a fraction. */
export function toSeconds(duration: Duration | Time): number {
  return duration / 1e9;
}

/** `duration` in milliseconds, as a fraction. */
export function toMs(duration: Duration | Time): number {
  return duration / 1e6;
}
