import { describe, expect, it } from "vitest";
import { after, ms, Simulator, START, seconds } from "../../src/sim/index.ts";

describe("Simulator", () => {
  it("stands at each event's time while it runs and does nothing between", () => {
    const simulator = new Simulator({ seed: 1 });
    const seen: number[] = [];
    for (const at of [ms(30), ms(10), ms(20)]) {
      simulator.timer(() => seen.push(simulator.now())).set(after(START, at));
    }
    simulator.runTo(after(START, seconds(1)));
    expect(seen).toEqual([ms(10), ms(20), ms(30)]);
    expect(simulator.now()).toBe(seconds(1));
  });

  it("runs a program's timeout before a protocol's timer at the same time, whichever was set first", () => {
    const simulator = new Simulator({ seed: 1 });
    const seen: string[] = [];
    simulator.timer(() => seen.push("SYN repeated"), "protocol").set(after(START, seconds(1)));
    simulator.timer(() => seen.push("curl gives up"), "program").set(after(START, seconds(1)));
    simulator.runTo(after(START, seconds(2)));
    expect(seen).toEqual(["curl gives up", "SYN repeated"]);
  });

  it("fires a timer set in the past now, and a moved timer once", () => {
    const simulator = new Simulator({ seed: 1 });
    simulator.runTo(after(START, seconds(5)));
    let fired = 0;
    const timer = simulator.timer(() => {
      fired += 1;
    });
    timer.set(after(START, seconds(1)));
    expect(timer.deadline).toBe(seconds(5));
    timer.set(after(START, seconds(7)));
    simulator.runTo(after(START, seconds(9)));
    expect([fired, timer.deadline]).toEqual([1, undefined]);
  });

  it("stops at the limit when what it waits for does not happen", () => {
    const simulator = new Simulator({ seed: 1 });
    simulator.timer(() => {}).set(after(START, seconds(10)));
    expect(simulator.runUntil(() => false, after(START, seconds(3)))).toBe(false);
    expect(simulator.now()).toBe(seconds(3));
  });
});
