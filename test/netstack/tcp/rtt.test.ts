import { describe, expect, it } from "vitest";
import { seq } from "../../../src/netstack/tcp/index.ts";
import { RttEstimator } from "../../../src/netstack/tcp/rtt.ts";
import { ms, seconds } from "../../../src/sim/index.ts";

const BOUNDS = { initialTimeout: seconds(1), leastTimeout: ms(200), mostTimeout: seconds(120) };

function measured(...samples: readonly number[]): RttEstimator {
  const rtt = new RttEstimator(BOUNDS);
  samples.forEach((sample, round) => {
    rtt.measure(ms(sample), seq(round * 1000 + 1), seq(round * 1000 + 1000));
  });
  return rtt;
}

describe("the round-trip estimator", () => {
  it("starts with a timeout of 1 s (RFC 6298 §2.1)", () => {
    expect(measured().timeout).toBe(seconds(1));
    expect(measured().smoothed).toBeUndefined();
  });

  it.each([
    ["short: the 200 ms of Linux beside the round trip", 10, 210],
    ["long: twice the round trip beside it (RFC 6298 §2.2)", 500, 1500],
  ])("after one measurement, %s", (_, sample, timeout) => {
    expect(measured(sample).timeout).toBe(ms(timeout));
  });

  it("moves an eighth of the way to a new measurement (RFC 6298 §2.3)", () => {
    expect(measured(100, 180).smoothed).toBe(ms(110));
    expect(measured(100, 20).smoothed).toBe(ms(90));
  });

  it("settles near the round trip and 200 ms when nothing varies", () => {
    const rtt = measured(...new Array<number>(200).fill(300));
    expect(rtt.timeout).toBeGreaterThanOrEqual(ms(500));
    expect(rtt.timeout).toBeLessThan(ms(501));
  });

  it("is raised at once by a late ACK", () => {
    expect(measured(100, 1000).timeout).toBeGreaterThan(ms(1000));
  });

  it("stays at 120 s at most", () => {
    expect(measured(200_000).timeout).toBe(seconds(120));
  });

  it("knows the least", () => {
    expect(measured(30, 20, 50).least).toBe(ms(20));
  });

  it("falls back to 3 s when only the SYN had to be repeated, and not once there is a measurement", () => {
    const rtt = measured();
    rtt.fallBack(seconds(3));
    expect(rtt.timeout).toBe(seconds(3));
    const known = measured(10);
    known.fallBack(seconds(3));
    expect(known.timeout).toBe(ms(210));
  });
});
