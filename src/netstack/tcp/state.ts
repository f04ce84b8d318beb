/** The states of RFC 9293 §3.3.2. */
export type State =
  | "closed"
  | "listen"
  | "syn-sent"
  | "syn-received"
  | "established"
  | "fin-wait-1"
  | "fin-wait-2"
  | "close-wait"
  | "closing"
  | "last-ack"
  | "time-wait";

/** What moves a connection from one state to another. `reset` stands for every sudden end: RST, abort, giving up. */
export type StateEvent =
  | "passive-open"
  | "active-open"
  | "syn"
  | "syn-ack"
  | "ack-of-syn"
  | "fin"
  | "ack-of-fin"
  | "close"
  | "reset"
  | "2msl";

/** RFC 9293 Figure 5, one row per state. FIN+ACK needs no entry: ACK is processed before FIN. */
const MOVES: Readonly<Record<State, Partial<Record<StateEvent, State>>>> = {
  closed: { "passive-open": "listen", "active-open": "syn-sent" },
  listen: { syn: "syn-received", close: "closed" },
  "syn-sent": { syn: "syn-received", "syn-ack": "established", close: "closed", reset: "closed" },
  "syn-received": { "ack-of-syn": "established", close: "fin-wait-1", reset: "closed" },
  established: { close: "fin-wait-1", fin: "close-wait", reset: "closed" },
  "fin-wait-1": { "ack-of-fin": "fin-wait-2", fin: "closing", reset: "closed" },
  "fin-wait-2": { fin: "time-wait", reset: "closed" },
  "close-wait": { close: "last-ack", reset: "closed" },
  closing: { "ack-of-fin": "time-wait", reset: "closed" },
  "last-ack": { "ack-of-fin": "closed", reset: "closed" },
  "time-wait": { "2msl": "closed", reset: "closed" },
};

/** The state after `event`; `undefined` when the event means nothing in `state`. */
export function nextState(state: State, event: StateEvent): State | undefined {
  return MOVES[state][event];
}

/** Both sides know each other's sequence numbers (RFC 9293 §3.5.1). */
export function isSynchronized(state: State): boolean {
  return state !== "closed" && state !== "listen" && state !== "syn-sent" && state !== "syn-received";
}

/** Data of ours may still go out: first transmissions as well as repetitions. */
export function maySendData(state: State): boolean {
  return (
    state === "established" ||
    state === "close-wait" ||
    state === "fin-wait-1" ||
    state === "closing" ||
    state === "last-ack"
  );
}

/** The peer has not sent its FIN yet. */
export function mayReceiveData(state: State): boolean {
  return state === "established" || state === "fin-wait-1" || state === "fin-wait-2";
}
