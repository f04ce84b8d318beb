import type { Time } from "./time.ts";

/** The moment `now` of a run that began at `startDate`, milliseconds since 1970: for the dates that programs print. No clock is read. */
export function dateAt(startDate: number, now: Time): Date {
  return new Date(Math.floor(startDate + now / 1e6));
}

/** The same as Kubernetes writes it: RFC 3339, in whole seconds. */
export function timestampAt(startDate: number, now: Time): string {
  return dateAt(startDate, now)
    .toISOString()
    .replace(/\.\d+Z$/, "Z");
}

/** Seconds from one timestamp to another; `undefined` when one of them is none. */
export function secondsBetween(from: string, to: string): number | undefined {
  const seconds = (Date.parse(to) - Date.parse(from)) / 1000;
  return Number.isNaN(seconds) ? undefined : seconds;
}
