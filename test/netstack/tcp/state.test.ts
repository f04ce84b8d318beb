import { describe, expect, it } from "vitest";
import { nextState, type State, type StateEvent } from "../../../src/netstack/tcp/index.ts";

const EVENTS: readonly StateEvent[] = [
  "passive-open",
  "active-open",
  "syn",
  "syn-ack",
  "ack-of-syn",
  "fin",
  "ack-of-fin",
  "close",
  "reset",
  "2msl",
];

const __ = undefined;

/** RFC 9293 Figure 5, drawn out: a column an event, in the order above. */
const CELLS: Readonly<Record<State, readonly (State | undefined)[]>> = {
  closed: ["listen", "syn-sent", __, __, __, __, __, __, __, __],
  listen: [__, __, "syn-received", __, __, __, __, "closed", __, __],
  "syn-sent": [__, __, "syn-received", "established", __, __, __, "closed", "closed", __],
  "syn-received": [__, __, __, __, "established", __, __, "fin-wait-1", "closed", __],
  established: [__, __, __, __, __, "close-wait", __, "fin-wait-1", "closed", __],
  "fin-wait-1": [__, __, __, __, __, "closing", "fin-wait-2", __, "closed", __],
  "fin-wait-2": [__, __, __, __, __, "time-wait", __, __, "closed", __],
  "close-wait": [__, __, __, __, __, __, __, "last-ack", "closed", __],
  closing: [__, __, __, __, __, __, "time-wait", __, "closed", __],
  "last-ack": [__, __, __, __, __, __, "closed", __, "closed", __],
  "time-wait": [__, __, __, __, __, __, __, __, "closed", "closed"],
};

describe("the transition table", () => {
  const rows = Object.entries(CELLS).flatMap(([state, cells]) =>
    EVENTS.map((event, column) => [state as State, event, cells[column]] as const),
  );

  it("has 11 × 10 cells", () => {
    expect(rows.length).toBe(110);
  });

  it.each(rows)("from %s, %s leads to %s", (state, event, next) => {
    expect(nextState(state, event)).toBe(next);
  });
});
