import { describe, expect, it } from "vitest";
import type { CongestionControl } from "../../../src/netstack/tcp/congestion.ts";
import { Cubic } from "../../../src/netstack/tcp/cubic.ts";
import { Reno } from "../../../src/netstack/tcp/reno.ts";
import { ms, seconds, type Time } from "../../../src/sim/index.ts";

/** Lets `rounds` round trips pass in which every segment of the window is acknowledged; returns the windows. */
function rounds(control: CongestionControl, count: number, rtt = ms(100), start = 0): number[] {
  const windows: number[] = [];
  for (let round = 0; round < count; round++) {
    const inFlight = control.window;
    const now = (start + (round + 1) * rtt) as Time;
    for (let i = 0; i < inFlight; i++) control.onAck({ acked: 1, now, rtt, newRound: i === 0 });
    windows.push(control.window);
  }
  return windows;
}

describe.each([
  ["reno", () => new Reno(10)],
  ["cubic", () => new Cubic(10)],
] as const)("%s", (name, create) => {
  it("is called so", () => {
    expect(create().name).toBe(name);
  });

  it("doubles in slow start", () => {
    expect(rounds(create(), 3)).toEqual([20, 40, 80]);
  });

  it("leaves slow start at the threshold", () => {
    const control = create();
    control.threshold = 30;
    expect(rounds(control, 2)[1]).toBeLessThan(33);
  });

  it("never sets the threshold below two segments", () => {
    const control = create();
    control.window = 1;
    control.onLoss();
    expect(control.threshold).toBe(2);
  });

  it("comes back to where it was when the loss was none", () => {
    const control = create();
    control.window = 100;
    control.onLoss();
    control.window = control.threshold;
    control.onUndo(100, Number.POSITIVE_INFINITY);
    expect([control.window, control.threshold]).toEqual([100, Number.POSITIVE_INFINITY]);
  });
});

describe("Reno", () => {
  it("halves, then grows by one segment a round trip (RFC 5681 §3.1)", () => {
    const reno = new Reno(10);
    reno.window = 40;
    reno.onLoss();
    expect(reno.threshold).toBe(20);
    reno.window = reno.threshold;
    expect(rounds(reno, 4)).toEqual([21, 22, 23, 24]);
  });
});

describe("CUBIC (RFC 9438)", () => {
  it("keeps seven tenths of the window", () => {
    const cubic = new Cubic(10);
    cubic.window = 100;
    cubic.onLoss();
    expect(cubic.threshold).toBe(70);
  });

  it("grows fast, flattens near the window of the loss, and goes beyond it", () => {
    const cubic = new Cubic(10);
    cubic.window = 1000;
    cubic.onLoss();
    cubic.window = cubic.threshold;
    const windows = rounds(cubic, 160);
    // K = cbrt(300 / 0.4) = 9.1 s, 91 round trips.
    const growth = (round: number): number => (windows[round + 1] ?? 0) - (windows[round] ?? 0);
    expect(windows[40]).toBeGreaterThan(900);
    expect(windows[90]).toBeGreaterThan(985);
    expect(windows[90]).toBeLessThan(1015);
    expect(growth(5)).toBeGreaterThan(growth(60));
    expect(growth(150)).toBeGreaterThan(growth(92));
  });

  it("does not jump after having stood still on its plateau", () => {
    const cubic = new Cubic(10);
    cubic.window = 42;
    cubic.onLoss();
    cubic.window = cubic.threshold;
    const windows = rounds(cubic, 60, ms(50));
    windows.forEach((window, round) => {
      expect(window - (windows[round - 1] ?? window)).toBeLessThanOrEqual(2);
    });
  });

  it("is no slower than Reno would be with its factor on short paths (RFC 9438 §4.3)", () => {
    const cubic = new Cubic(10);
    cubic.window = 20;
    cubic.onLoss();
    cubic.window = cubic.threshold;
    const windows = rounds(cubic, 100, ms(1));
    expect(windows[99]).toBeGreaterThan(60);
  });

  it("gives up more when the window of the last loss was not reached again (fast convergence)", () => {
    const plateau = (losses: readonly number[]): number => {
      const cubic = new Cubic(10);
      for (const window of losses) {
        cubic.window = window;
        cubic.onLoss();
      }
      cubic.window = cubic.threshold;
      return rounds(cubic, 60).find((window, round, all) => (all[round + 1] ?? 0) - window <= 1) ?? 0;
    };
    expect(plateau([1000, 500])).toBeLessThan(plateau([500]));
  });

  it("ends slow start when the round trip gets longer (HyStart)", () => {
    const cubic = new Cubic(10);
    rounds(cubic, 2, ms(100));
    expect(cubic.threshold).toBe(Number.POSITIVE_INFINITY);
    rounds(cubic, 1, ms(130), seconds(1));
    expect(cubic.threshold).toBeLessThan(80);
  });
});
