import { type Clock, dateAt, type Time } from "../sim/index.ts";

/** A server's `Date`, which changes once a second: the text is made no more often than that. */
export function httpDate(startDate: number, clock: Clock): () => string {
  let second = -1;
  let text = "";
  return () => {
    const now = clock.now();
    const current = Math.floor((startDate + now / 1e6) / 1000);
    if (current !== second) text = formatHttpDate(startDate, now);
    second = current;
    return text;
  };
}

/**
 * The moment `now` of a run that began at `startDate` (milliseconds since 1970, UTC), as an HTTP date (RFC 9110 §5.6.7): the form that
 * `toUTCString` gives since ECMAScript 2018.
 */
export function formatHttpDate(startDate: number, now: Time): string {
  return dateAt(startDate, now).toUTCString();
}
