import { type Flow, flowKey, invertFlow } from "./flow.ts";

/** Views that are remembered; the oldest go first, many at once: finding the first of a map again and again costs more than the packets. */
const VIEW_LIMIT = 200_000;
const FORGOTTEN_AT_ONCE = 20_000;

/** Whose a packet is, and which way it goes. */
export interface View<Owner> {
  readonly owner: Owner;
  readonly direction: "original" | "reply";
}

/**
 * Knows whose packet it is that is seen at a place: a box, or a capture point. There a connection's packets have been seen under one or more addresses:
 * what looks like one of them goes the same way, what looks like the inverse of one is an answer.
 */
export class FlowBook<Owner> {
  readonly #views = new Map<string, View<Owner>>();

  find(place: string, flow: Flow): View<Owner> | undefined {
    const same = this.#views.get(viewKey(place, flow));
    if (same !== undefined) return same;
    const answered = this.#views.get(viewKey(place, invertFlow(flow)));
    if (answered === undefined) return undefined;
    return { owner: answered.owner, direction: answered.direction === "original" ? "reply" : "original" };
  }

  add(place: string, flow: Flow, view: View<Owner>): void {
    const key = viewKey(place, flow);
    if (this.#views.get(key)?.owner === view.owner) return;
    // Addresses that are used again are the new connection's, its answers too.
    this.#views.delete(viewKey(place, invertFlow(flow)));
    this.#views.delete(key);
    this.#views.set(key, view);
    if (this.#views.size <= VIEW_LIMIT) return;
    let left = FORGOTTEN_AT_ONCE;
    for (const oldest of this.#views.keys()) {
      if (left-- === 0) return;
      this.#views.delete(oldest);
    }
  }
}

function viewKey(place: string, flow: Flow): string {
  return `${place} ${flowKey(flow)}`;
}
