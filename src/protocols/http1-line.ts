import { bytesToOctets } from "./octets.ts";

/** Where parsing stands in the bytes last pushed; every reader moves `at` over what it took. */
export interface Cursor {
  readonly bytes: Uint8Array;
  at: number;
}

/** A line without its LF (the CR, if any, still there), or why there is none yet. */
export type LineResult =
  | { readonly kind: "line"; readonly text: string }
  | { readonly kind: "partial" }
  | { readonly kind: "too-long" };

const LF = 0x0a;
const PARTIAL: LineResult = { kind: "partial" };
const TOO_LONG: LineResult = { kind: "too-long" };

/** Collects one line after another from bytes that come in any pieces. */
export class LineReader {
  #pieces = "";

  /** Whether nothing of the next line has come yet. */
  get isEmpty(): boolean {
    return this.#pieces === "";
  }

  /** Takes bytes up to the next LF. A line of more than `limit` bytes before it is refused, as soon as that is certain. */
  read(cursor: Cursor, limit: number): LineResult {
    const found = cursor.bytes.indexOf(LF, cursor.at);
    const end = found < 0 ? cursor.bytes.length : found;
    if (this.#pieces.length + end - cursor.at > limit) return TOO_LONG;
    this.#pieces += bytesToOctets(cursor.bytes, cursor.at, end);
    if (found < 0) {
      cursor.at = end;
      return PARTIAL;
    }
    cursor.at = found + 1;
    const text = this.#pieces;
    this.#pieces = "";
    return { kind: "line", text };
  }
}

/**
 * The line without its CR; a lone LF ends a line too, as servers commonly allow (RFC 9112 §2.2). A CR inside stays, for the
 * reader of the line to refuse.
 */
export function withoutCarriageReturn(line: string): string {
  return line.endsWith("\r") ? line.slice(0, -1) : line;
}
