import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EventQueue, type QueuedEvent, START, type Time } from "../../src/sim/index.ts";

interface NamedEvent extends QueuedEvent {
  readonly name: string;
}

function event(name: string): NamedEvent {
  return { name, time: START, order: 0, place: -1, fire: () => {} };
}

function drain(queue: EventQueue): string[] {
  const names: string[] = [];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) names.push((next as NamedEvent).name);
  return names;
}

describe("EventQueue", () => {
  it("gives events by time, then rank, then insertion", () => {
    const queue = new EventQueue();
    queue.push(event("late"), 20 as Time, 0);
    queue.push(event("protocol"), 10 as Time, 2);
    queue.push(event("first program"), 10 as Time, 1);
    queue.push(event("second program"), 10 as Time, 1);
    queue.push(event("frame"), 10 as Time, 0);
    expect(drain(queue)).toEqual(["frame", "first program", "second program", "protocol", "late"]);
  });

  it("moves an event that is queued again", () => {
    const queue = new EventQueue();
    const moved = event("moved");
    queue.push(moved, 10 as Time, 0);
    queue.push(event("other"), 20 as Time, 0);
    queue.push(moved, 30 as Time, 0);
    expect(queue.length).toBe(2);
    expect(drain(queue)).toEqual(["other", "moved"]);
  });

  it("forgets an event that is removed, and removing twice changes nothing", () => {
    const queue = new EventQueue();
    const gone = event("gone");
    queue.push(gone, 10 as Time, 0);
    queue.push(event("stays"), 20 as Time, 0);
    queue.remove(gone);
    queue.remove(gone);
    expect(gone.place).toBe(-1);
    expect(drain(queue)).toEqual(["stays"]);
  });

  it("keeps the order of a sorted list under any pushes, moves and removals", () => {
    const action = fc.record({ event: fc.nat(15), time: fc.nat(50), rank: fc.nat(2), remove: fc.boolean() });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 80 }), (actions) => {
        const queue = new EventQueue();
        const events = Array.from({ length: 16 }, (_, i) => event(String(i)));
        const expected = new Map<string, [number, number, number]>();
        actions.forEach((each, insertion) => {
          const target = events[each.event]!;
          if (each.remove) {
            queue.remove(target);
            expected.delete(target.name);
          } else {
            queue.push(target, each.time as Time, each.rank);
            expected.set(target.name, [each.time, each.rank, insertion]);
          }
        });
        const sorted = [...expected].sort(([, a], [, b]) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2]);
        expect(drain(queue)).toEqual(sorted.map(([name]) => name));
      }),
    );
  });
});
