import { isParameters } from "./http-token.ts";
import type { HttpFault } from "./http1-fault.ts";
import { formatHeaders, type HttpHeaders } from "./http1-headers.ts";
import { type Cursor, LineReader } from "./http1-line.ts";
import { SectionReader } from "./http1-section.ts";
import { octetsToBytes } from "./octets.ts";

/** What a body reader found in the bytes at hand. */
export type BodyResult =
  | { readonly kind: "data"; readonly bytes: Uint8Array }
  | { readonly kind: "end"; readonly trailers: HttpHeaders }
  | { readonly kind: "partial" }
  | { readonly kind: "fault"; readonly fault: HttpFault };

/** What the chunked coding may use up: bytes of data, and bytes of trailers. */
export interface ChunkedLimits {
  readonly body: number;
  readonly trailers: number;
}

/** Longest chunk-size line with its extensions: they carry nothing that natscope's programs use. */
const CHUNK_LINE_LIMIT = 1024;
const CARRIAGE_RETURN = 0x0d;
const LINE_FEED = 0x0a;
const PARTIAL: BodyResult = { kind: "partial" };

/** Decodes the chunked coding of RFC 9112 §7.1. Line ends must be CRLF: leniency here is how requests are smuggled. */
export class ChunkedReader {
  readonly #limits: ChunkedLimits;
  readonly #lines = new LineReader();
  readonly #trailers: SectionReader;
  #state: "size" | "data" | "data-cr" | "data-lf" | "trailers" = "size";
  #left = 0;
  #total = 0;

  constructor(limits: ChunkedLimits) {
    this.#limits = limits;
    this.#trailers = new SectionReader(limits.trailers, "crlf");
  }

  /** The next piece of data, or why there is none. To be called again after data. */
  read(cursor: Cursor): BodyResult {
    while (cursor.at < cursor.bytes.length) {
      if (this.#state === "trailers") return this.#readTrailers(cursor);
      if (this.#state === "data") return this.#readData(cursor);
      const fault = this.#state === "size" ? this.#readSize(cursor) : this.#readDataEnd(cursor);
      if (fault !== undefined) return { kind: "fault", fault };
    }
    return PARTIAL;
  }

  #readSize(cursor: Cursor): HttpFault | undefined {
    const line = this.#lines.read(cursor, CHUNK_LINE_LIMIT);
    if (line.kind === "partial") return undefined;
    if (line.kind === "too-long") return "chunk-line-too-long";
    const size = parseChunkSize(line.text);
    if (size === undefined) return "bad-chunk";
    this.#total += size;
    if (this.#total > this.#limits.body) return "body-too-large";
    this.#left = size;
    this.#state = size === 0 ? "trailers" : "data";
    return undefined;
  }

  #readData(cursor: Cursor): BodyResult {
    const bytes = cursor.bytes.slice(cursor.at, cursor.at + this.#left);
    cursor.at += bytes.length;
    this.#left -= bytes.length;
    if (this.#left === 0) this.#state = "data-cr";
    return { kind: "data", bytes };
  }

  #readDataEnd(cursor: Cursor): HttpFault | undefined {
    const byte = cursor.bytes[cursor.at++];
    if (byte !== (this.#state === "data-cr" ? CARRIAGE_RETURN : LINE_FEED)) return "bad-chunk";
    this.#state = this.#state === "data-cr" ? "data-lf" : "size";
    return undefined;
  }

  #readTrailers(cursor: Cursor): BodyResult {
    const section = this.#trailers.read(cursor);
    return section.kind === "section" ? { kind: "end", trailers: section.headers } : section;
  }
}

/** The size in a chunk's first line, CR included; at most 13 digits, so that it is exact. */
function parseChunkSize(line: string): number | undefined {
  const digits = /^[0-9a-fA-F]{1,13}(?![0-9a-fA-F])/.exec(line)?.[0];
  if (digits === undefined || !line.endsWith("\r")) return undefined;
  return isParameters(line.slice(digits.length, -1)) ? Number.parseInt(digits, 16) : undefined;
}

/** One chunk. Empty data gives no bytes at all: an empty chunk would end the body. */
export function emitChunk(data: Uint8Array): Uint8Array {
  if (data.length === 0) return data;
  const size = octetsToBytes(`${data.length.toString(16)}\r\n`);
  const chunk = new Uint8Array(size.length + data.length + 2);
  chunk.set(size);
  chunk.set(data, size.length);
  chunk.set([CARRIAGE_RETURN, LINE_FEED], size.length + data.length);
  return chunk;
}

/** The end of a chunked body, with its trailers. */
export function emitLastChunk(trailers: HttpHeaders = []): Uint8Array {
  return octetsToBytes(`0\r\n${formatHeaders(trailers)}\r\n`);
}
