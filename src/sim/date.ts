import type { Time } from "./time.ts";

/** The moment `now` of a run that began at `startDate`, milliseconds since 1970: for the dates that programs print. No clock is read. */
export function dateAt(startDate: number, now: Time): Date {
  return new Date(Math.floor(startDate + now / 1e6));
}
