import { describe, expect, it } from "vitest";
import { after, ms, Simulator, seconds, type Time } from "../../src/sim/index.ts";
import { RealTimeDriver } from "../../src/tun/index.ts";
import { describeClock } from "../support/clock-contract.ts";
import { ScriptedWallClock } from "../support/scripted-wall-clock.ts";

describeClock("a simulator in virtual time", () => {
  const simulator = new Simulator({ seed: 1 });
  return { clock: simulator, pass: (duration) => simulator.runTo(after(simulator.now(), duration)) };
});

describeClock("a simulator driven by the wall clock", () => {
  const { simulator, wall, driver } = create();
  driver.start();
  return {
    clock: simulator,
    pass: (duration) => {
      // What the test armed is seen at the next turn.
      driver.act(() => {});
      wall.pass(duration);
      driver.act(() => {});
    },
  };
});

function create(): { simulator: Simulator; wall: ScriptedWallClock; driver: RealTimeDriver } {
  const simulator = new Simulator({ seed: 1 });
  const wall = new ScriptedWallClock();
  return { simulator, wall, driver: new RealTimeDriver(simulator, wall) };
}

describe("RealTimeDriver", () => {
  it("goes on from the time that was reached virtually", () => {
    const { simulator, wall, driver } = create();
    simulator.runTo(seconds(30) as number as Time);
    wall.pass(seconds(2));
    driver.start();
    wall.pass(ms(10));
    driver.act(() => {});
    expect(simulator.now()).toBe(30_010_000_000);
  });

  it("sleeps until a millisecond before the next event, and then runs it", () => {
    const { simulator, wall, driver } = create();
    const ran: number[] = [];
    simulator.timer(() => ran.push(wall.now() / 1e6)).set(after(simulator.now(), ms(40)));
    driver.start();
    expect(wall.waits).toEqual([39]);
    wall.pass(ms(100));
    expect(ran).toEqual([39]);
  });

  it("works off what is due within a millisecond in one turn", () => {
    const { simulator, wall, driver } = create();
    let hops = 0;
    const hop = simulator.timer(() => {
      hops += 1;
      if (hops < 10) hop.set(after(simulator.now(), ms(0.05)));
    });
    driver.start();
    driver.act(() => hop.set(after(simulator.now(), ms(0.05))));
    wall.pass(ms(0));
    expect(hops).toBe(10);
    expect(wall.now()).toBe(0);
  });

  it("is never more than a millisecond ahead", () => {
    const { simulator, wall, driver } = create();
    const tick = simulator.timer(() => tick.set(after(simulator.now(), ms(0.3))));
    tick.set(simulator.now());
    driver.start();
    for (let i = 0; i < 20; i++) {
      wall.pass(ms(0.7));
      expect(simulator.now()).toBeLessThanOrEqual(wall.now() + 1e6);
    }
    expect(simulator.now()).toBeGreaterThan(wall.now() - 1e6);
  });

  it("lets others have a turn when there is no end of events", () => {
    const { simulator, wall, driver } = create();
    let events = 0;
    const again = simulator.timer(() => {
      events += 1;
      again.set(simulator.now());
    });
    again.set(simulator.now());
    driver.start();
    expect(events).toBe(4096);
    expect(wall.waits).toEqual([0]);
  });

  it("stands still while held, and catches up", () => {
    const { simulator, wall, driver } = create();
    const ran: string[] = [];
    simulator.timer(() => ran.push("due")).set(after(simulator.now(), ms(5)));
    driver.start();
    driver.held = true;
    wall.pass(ms(50));
    expect(ran).toEqual([]);
    driver.held = false;
    expect(ran).toEqual(["due"]);
  });

  it("runs nothing after it was stopped", () => {
    const { simulator, wall, driver } = create();
    const ran: string[] = [];
    simulator.timer(() => ran.push("due")).set(after(simulator.now(), ms(5)));
    driver.start();
    driver.stop();
    wall.pass(ms(50));
    expect(ran).toEqual([]);
  });

  it("tells of the end of each turn, so that what was sent is passed on", () => {
    const { wall, driver } = create();
    const turns: string[] = [];
    driver.onTurn = () => turns.push("turn");
    driver.start();
    driver.act(() => turns.push("act"));
    wall.pass(ms(0));
    expect(turns).toEqual(["turn", "act", "turn"]);
    expect(wall.now()).toBe(0);
  });

  it("lets what enters in one round go on together, in the order of its times", () => {
    const { simulator, wall, driver } = create();
    const ran: string[] = [];
    const enter = (name: string): void => {
      const second = simulator.timer(() => ran.push(`${name} further`));
      const first = simulator.timer(() => {
        ran.push(name);
        second.set(after(simulator.now(), ms(0.05)));
      });
      first.set(after(simulator.now(), ms(0.05)));
    };
    driver.start();
    driver.onTurn = () => ran.push("turn");
    driver.act(() => enter("a"));
    driver.act(() => enter("b"));
    wall.pass(ms(0));
    expect(ran).toEqual(["a", "b", "a further", "b further", "turn"]);
  });

  it("does what was put off until the events have run, and what follows from it, in the same turn", () => {
    const { simulator, wall, driver } = create();
    const ran: string[] = [];
    driver.start();
    driver.onTurn = () => ran.push("turn");
    driver.act(() => {
      driver.afterEvents(() => simulator.timer(() => ran.push("answer")).set(simulator.now()));
      simulator.timer(() => ran.push("event")).set(simulator.now());
    });
    wall.pass(ms(0));
    expect(ran).toEqual(["event", "answer", "turn"]);
  });

  it("is not woken anew by a timer that is put off", () => {
    const { simulator, wall, driver } = create();
    const ran: number[] = [];
    const timer = simulator.timer(() => ran.push(simulator.now() / 1e6));
    timer.set(after(simulator.now(), ms(20)));
    driver.start();
    driver.act(() => timer.set(after(simulator.now(), ms(50))));
    wall.pass(ms(100));
    expect(ran).toEqual([50]);
    expect(wall.waits).toEqual([19, 0, 30]);
  });

  it("goes on after it was stopped and started again", () => {
    const { simulator, wall, driver } = create();
    const ran: number[] = [];
    driver.start();
    driver.act(() => simulator.timer(() => ran.push(simulator.now() / 1e6)).set(after(simulator.now(), ms(5))));
    driver.stop();
    wall.pass(ms(50));
    driver.start();
    wall.pass(ms(4));
    expect(ran).toEqual([5]);
  });
});
