import { dateAt, type Time } from "../sim/index.ts";

/**
 * The moment `now` of a run that began at `startDate` (milliseconds since 1970, UTC), as an HTTP date (RFC 9110 §5.6.7): the form that
 * `toUTCString` gives since ECMAScript 2018.
 */
export function formatHttpDate(startDate: number, now: Time): string {
  return dateAt(startDate, now).toUTCString();
}
