import { type Duration, nanoseconds } from "../sim/index.ts";

const UNITS_OF_TIME: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  min: 60e9,
  h: 3600e9,
};

const UNITS_OF_RATE: Readonly<Record<string, number>> = { bit: 1, kbit: 1e3, mbit: 1e6, gbit: 1e9 };

const LONGEST = 24 * 3600e9;

/** Reads `250us`, `5ms`, `1.5s`, `2m`, `1h`; at most a day. */
export function parseDuration(text: string): Duration | undefined {
  const count = parseWithUnit(text, UNITS_OF_TIME);
  return count === undefined || count > LONGEST ? undefined : nanoseconds(count);
}

/** Reads `56kbit`, `10mbit`, `1gbit` as bits per second, with tc's units; at least one bit. */
export function parseRate(text: string): number | undefined {
  const rate = parseWithUnit(text, UNITS_OF_RATE);
  return rate === undefined || rate < 1 || rate > 1e12 ? undefined : rate;
}

/** Reads `0.5%` to `100%` as a probability from 0 to 1. */
export function parsePercent(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)%$/.exec(text);
  const percent = Number(match?.[1]);
  return match === null || percent > 100 ? undefined : percent / 100;
}

/** The shortest way to write a duration: `5ms`, `1.5s`. */
export function formatDuration(duration: Duration): string {
  for (const [unit, size] of [
    ["h", 3600e9],
    ["m", 60e9],
    ["s", 1e9],
    ["ms", 1e6],
    ["us", 1e3],
  ] as const) {
    if (duration >= size) return `${Math.round((duration / size) * 1000) / 1000}${unit}`;
  }
  return `${duration}ns`;
}

function parseWithUnit(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d+(?:\.\d+)?)([a-zµ]+)$/.exec(text);
  const unit = match?.[2] === undefined || !Object.hasOwn(units, match[2]) ? undefined : units[match[2]];
  return unit === undefined ? undefined : Number(match?.[1]) * unit;
}
