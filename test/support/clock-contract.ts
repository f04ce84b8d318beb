import { describe, expect, it } from "vitest";
import {
  after,
  type Clock,
  type DeliveryQueue,
  type Duration,
  ms,
  type QueuedEvent,
  type Time,
} from "../../src/sim/index.ts";

/** A clock under test, and the way to let its time pass. */
export interface ClockUnderTest {
  readonly clock: Clock & DeliveryQueue;
  pass(duration: Duration): void;
}

/** What every source of time has to do. */
export function describeClock(name: string, create: () => ClockUnderTest): void {
  describe(`${name} as a clock`, () => {
    it("runs a timer's action once, at its deadline", () => {
      const { clock, pass } = create();
      const times: Time[] = [];
      const timer = clock.timer(() => times.push(clock.now()));
      const deadline = after(clock.now(), ms(5));
      timer.set(deadline);
      expect(timer.deadline).toBe(deadline);
      pass(ms(20));
      expect(times).toEqual([deadline]);
      expect(timer.deadline).toBeUndefined();
    });

    it("does not run a timer before its time", () => {
      const { clock, pass } = create();
      const ran: string[] = [];
      clock.timer(() => ran.push("early")).set(after(clock.now(), ms(50)));
      pass(ms(20));
      expect(ran).toEqual([]);
    });

    it("runs a timer that was moved at its last deadline only, and a cancelled one never", () => {
      const { clock, pass } = create();
      const ran: string[] = [];
      const start = clock.now();
      const moved = clock.timer(() => ran.push(`moved ${clock.now() - start}`));
      const cancelled = clock.timer(() => ran.push("cancelled"));
      moved.set(after(start, ms(5)));
      moved.set(after(start, ms(9)));
      cancelled.set(after(start, ms(5)));
      cancelled.cancel();
      pass(ms(20));
      expect(ran).toEqual(["moved 9000000"]);
    });

    it("takes a deadline in the past for now", () => {
      const { clock, pass } = create();
      pass(ms(10));
      const ran: string[] = [];
      clock.timer(() => ran.push("late")).set(0 as Time);
      pass(ms(5));
      expect(ran).toEqual(["late"]);
    });

    it("delivers frames before programs' timeouts, and those before protocols' timers, at the same time", () => {
      const { clock, pass } = create();
      const order: string[] = [];
      const due = after(clock.now(), ms(5));
      clock.timer(() => order.push("protocol"), "protocol").set(due);
      clock.timer(() => order.push("program"), "program").set(due);
      const fire = (): void => {
        clock.unschedule(carrier);
        order.push("frame");
      };
      const carrier: QueuedEvent = { time: due, order: 0, place: -1, fire };
      clock.schedule(carrier, due);
      pass(ms(10));
      expect(order).toEqual(["frame", "program", "protocol"]);
    });

    it("runs what an action arms for the same moment", () => {
      const { clock, pass } = create();
      const ran: string[] = [];
      const second = clock.timer(() => ran.push("second"));
      clock
        .timer(() => {
          ran.push("first");
          second.set(clock.now());
        })
        .set(after(clock.now(), ms(5)));
      pass(ms(10));
      expect(ran).toEqual(["first", "second"]);
    });
  });
}
