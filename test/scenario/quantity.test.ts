import { describe, expect, it } from "vitest";
import { formatDuration, parseDuration, parsePercent, parseRate } from "../../src/scenario/quantity.ts";
import { nanoseconds } from "../../src/sim/index.ts";

describe("parseDuration()", () => {
  it.each([
    ["0s", 0],
    ["250us", 250_000],
    ["250µs", 250_000],
    ["5ms", 5_000_000],
    ["1.5s", 1_500_000_000],
    ["2m", 120_000_000_000],
    ["2min", 120_000_000_000],
    ["24h", 86_400_000_000_000],
  ])("reads %s", (text, expected) => {
    expect(parseDuration(text)).toBe(expected);
  });

  it.each(["", "5", "5 ms", "-5ms", "5MS", "5msec", "1e3s", ".5s", "25h", "5toString"])("refuses %j", (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });
});

describe("parseRate()", () => {
  it.each([
    ["1bit", 1],
    ["56kbit", 56_000],
    ["10mbit", 10_000_000],
    ["2.5gbit", 2_500_000_000],
  ])("reads %s as bits per second", (text, expected) => {
    expect(parseRate(text)).toBe(expected);
  });

  it.each(["", "10", "10Mbit", "10mbps", "0bit", "5000gbit"])("refuses %j", (text) => {
    expect(parseRate(text)).toBeUndefined();
  });
});

describe("parsePercent()", () => {
  it.each([
    ["0%", 0],
    ["0.5%", 0.005],
    ["100%", 1],
  ])("reads %s as a probability", (text, expected) => {
    expect(parsePercent(text)).toBe(expected);
  });

  it.each(["", "1", "101%", "-1%", "1 %", "%"])("refuses %j", (text) => {
    expect(parsePercent(text)).toBeUndefined();
  });
});

it.each([
  [0, "0ns"],
  [1_500, "1.5us"],
  [5_000_000, "5ms"],
  [1_500_000_000, "1.5s"],
  [300_000_000_000, "5m"],
  [3_600_000_000_000, "1h"],
])("formatDuration() writes %i ns as %s", (count, expected) => {
  expect(formatDuration(nanoseconds(count))).toBe(expected);
});
