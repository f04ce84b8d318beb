/** Longer ones are not kept: every connection of a server may have one. */
const MOST_BYTES = 4096;
const NONE = new Uint8Array(0);

/** A request's bytes with the answer to them: a client that asks the same again, as load generators do, is answered without reading its request again. */
export class RememberedAnswer {
  #request: Uint8Array = NONE;
  #answer: Uint8Array | undefined;
  #date = "";

  /** What these bytes were answered; `undefined` when others came last, or at another `Date`. */
  to(request: Uint8Array, date: string): Uint8Array | undefined {
    return date === this.#date && isSame(request, this.#request) ? this.#answer : undefined;
  }

  /** Takes the place of what was remembered. `request` is copied. */
  keep(request: Uint8Array, answer: Uint8Array, date: string): void {
    this.#answer = undefined;
    if (request.length + answer.length > MOST_BYTES) return;
    this.#request = request.slice();
    this.#answer = answer;
    this.#date = date;
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
