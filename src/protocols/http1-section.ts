import type { HttpFault } from "./http1-fault.ts";
import { type HttpHeader, type HttpHeaders, parseHeaderLine } from "./http1-headers.ts";
import { type Cursor, LineReader, withoutCarriageReturn } from "./http1-line.ts";

/** A header or trailer section: complete, to be continued, or refused. */
export type SectionResult =
  | { readonly kind: "section"; readonly headers: HttpHeaders }
  | { readonly kind: "partial" }
  | { readonly kind: "fault"; readonly fault: HttpFault };

/** Which line ends a section takes: requests typed by hand may end lines with LF, chunked framing must not. */
export type LineEnding = "crlf" | "crlf-or-lf";

/** Reads header lines up to the empty one. One reader reads one section. */
export class SectionReader {
  readonly #ending: LineEnding;
  readonly #lines = new LineReader();
  readonly #headers: HttpHeader[] = [];
  #room: number;

  /** `limit` is how many bytes all lines together may have, line ends included. */
  constructor(limit: number, ending: LineEnding) {
    this.#room = limit;
    this.#ending = ending;
  }

  read(cursor: Cursor): SectionResult {
    for (;;) {
      const result = this.#lines.read(cursor, this.#room - 1);
      if (result.kind === "partial") return { kind: "partial" };
      if (result.kind === "too-long") return { kind: "fault", fault: "header-section-too-large" };
      this.#room -= result.text.length + 1;
      if (this.#ending === "crlf" && !result.text.endsWith("\r")) return { kind: "fault", fault: "bad-chunk" };
      const line = withoutCarriageReturn(result.text);
      if (line === "") return { kind: "section", headers: this.#headers };
      // RFC 9112 §5.2: a folded line, and one before the first field, are refused rather than guessed at.
      if (line.startsWith(" ") || line.startsWith("\t")) return { kind: "fault", fault: "folded-header" };
      const field = parseHeaderLine(line);
      if (field === undefined) return { kind: "fault", fault: "bad-header" };
      this.#headers.push(field);
    }
  }
}
