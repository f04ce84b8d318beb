import { type BodyResult, ChunkedReader } from "./http1-chunked.ts";
import type { HttpFault } from "./http1-fault.ts";
import { type HttpHeaders, type HttpVersion, headerTokens, headerValues } from "./http1-headers.ts";
import type { Cursor } from "./http1-line.ts";

/** How a message's end is found, RFC 9112 §6.3. */
export type BodyFraming =
  | { readonly kind: "none" }
  | { readonly kind: "length"; readonly length: number }
  | { readonly kind: "chunked" }
  | { readonly kind: "until-close" };

/** The limits a message's reader was given, in bytes. */
export interface BodyLimits {
  readonly body: number;
  readonly headerSection: number;
}

/**
 * The framing that `Content-Length` and `Transfer-Encoding` declare; `undefined` when there is neither. Whatever two
 * readers could understand differently is refused, even where RFC 9112 lets a reader choose: that is request smuggling.
 */
export function declaredFraming(version: HttpVersion, headers: HttpHeaders): BodyFraming | HttpFault | undefined {
  const lengths = headerValues(headers, "content-length");
  if (headerValues(headers, "transfer-encoding").length > 0) {
    if (lengths.length > 0) return "length-and-transfer-encoding";
    return codingFault(version, headers) ?? { kind: "chunked" };
  }
  const [text] = lengths;
  if (text === undefined) return undefined;
  if (lengths.length > 1 || !/^\d+$/.test(text)) return "bad-content-length";
  const length = Number(text);
  if (!Number.isSafeInteger(length)) return "body-too-large";
  return length === 0 ? { kind: "none" } : { kind: "length", length };
}

function codingFault(version: HttpVersion, headers: HttpHeaders): HttpFault | undefined {
  // HTTP/1.0 has no transfer codings: such framing is faulty (RFC 9112 §6.1).
  if (version === "1.0") return "bad-transfer-encoding";
  const [text, ...more] = headerValues(headers, "transfer-encoding");
  if (text?.toLowerCase() === "chunked" && more.length === 0) return undefined;
  const codings = headerTokens(headers, "transfer-encoding");
  const endsOnceChunked = codings.indexOf("chunked") === codings.length - 1;
  return endsOnceChunked && codings.length > 1 ? "unsupported-transfer-coding" : "bad-transfer-encoding";
}

/** Reads one body by its framing. */
export class BodyReader {
  readonly #framing: BodyFraming;
  readonly #chunked: ChunkedReader;
  readonly #limit: number;
  #total = 0;

  constructor(framing: BodyFraming, limits: BodyLimits) {
    this.#framing = framing;
    this.#limit = limits.body;
    this.#chunked = new ChunkedReader({ body: limits.body, trailers: limits.headerSection });
  }

  /** The next piece of data, or why there is none; to be called again after data. */
  read(cursor: Cursor): BodyResult {
    switch (this.#framing.kind) {
      case "none":
        return { kind: "end", trailers: [] };
      case "chunked":
        return this.#chunked.read(cursor);
      case "length":
        if (this.#total === this.#framing.length) return { kind: "end", trailers: [] };
        return this.#take(cursor, this.#framing.length - this.#total);
      case "until-close":
        return this.#take(cursor, this.#limit - this.#total);
    }
  }

  #take(cursor: Cursor, most: number): BodyResult {
    if (cursor.at === cursor.bytes.length) return { kind: "partial" };
    if (most <= 0) return { kind: "fault", fault: "body-too-large" };
    const bytes = cursor.bytes.slice(cursor.at, Math.min(cursor.bytes.length, cursor.at + most));
    cursor.at += bytes.length;
    this.#total += bytes.length;
    return { kind: "data", bytes };
  }
}
