import { type BodyFraming, BodyReader } from "./http1-body.ts";
import type { HttpError, HttpFault } from "./http1-fault.ts";
import type { HttpHeaders } from "./http1-headers.ts";
import { type Cursor, LineReader, withoutCarriageReturn } from "./http1-line.ts";
import { SectionReader } from "./http1-section.ts";

/** What may be used up while parsing. Only the body's size is a matter of the program; the others have defaults. */
export interface HttpLimits {
  /** Most bytes of one body. */
  readonly body: number;
  /** Most bytes of the request or status line; 8 KiB unless told (RFC 9112 §3 asks for 8000 at least). */
  readonly startLine?: number;
  /** Most bytes of all header lines, and of all trailer lines; 16 KiB unless told. */
  readonly headerSection?: number;
}

/** What a parser tells, in this order for each message: head, body pieces, end. After `error` nothing follows. */
export type HttpEvent<Head> =
  | {
      readonly kind: "head";
      readonly head: Head;
      readonly framing: BodyFraming;
      /** Whether the connection may carry another message afterwards. */
      readonly keepAlive: boolean;
      /** Whether the sender waits for `100 Continue` before it sends the body. */
      readonly expectsContinue: boolean;
    }
  | { readonly kind: "interim"; readonly head: Head }
  | { readonly kind: "body"; readonly bytes: Uint8Array }
  | { readonly kind: "end"; readonly trailers: HttpHeaders }
  | { readonly kind: "tunnel"; readonly bytes: Uint8Array }
  | { readonly kind: "error"; readonly error: HttpError };

/** A head understood: how to go on, and what to tell. */
export interface Interpretation<Head> {
  readonly event: Extract<HttpEvent<Head>, { kind: "head" | "interim" }>;
  readonly afterwards: "next" | "closed" | "tunnel";
}

/** What differs between requests and responses. */
export interface MessageGrammar<Head, Start> {
  /** Whether a message may begin now, and with this byte. */
  begin(first: number): HttpFault | undefined;
  parseStart(line: string): Start | HttpFault;
  interpret(start: Start, headers: HttpHeaders): Interpretation<Head> | HttpFault;
  errorOf(fault: HttpFault): HttpError;
}

type State<Head, Start> =
  | { readonly kind: "start" }
  | { readonly kind: "headers"; readonly start: Start; readonly section: SectionReader }
  | {
      readonly kind: "body";
      readonly body: BodyReader;
      readonly head: Interpretation<Head>;
      readonly untilClose: boolean;
    }
  | { readonly kind: "tunnel" }
  | { readonly kind: "closed" };

const DEFAULT_START_LINE = 8 * 1024;
const DEFAULT_HEADER_SECTION = 16 * 1024;
const CR = 0x0d;
const LF = 0x0a;

/** The machine under `HttpRequestParser` and `HttpResponseParser`: start line, header section, body, and again. */
export class MessageParser<Head, Start extends object> {
  readonly #grammar: MessageGrammar<Head, Start>;
  readonly #limits: Required<HttpLimits>;
  readonly #lines = new LineReader();
  #skippedEmptyLine = false;
  #state: State<Head, Start> = { kind: "start" };

  constructor(grammar: MessageGrammar<Head, Start>, limits: HttpLimits) {
    this.#grammar = grammar;
    this.#limits = { startLine: DEFAULT_START_LINE, headerSection: DEFAULT_HEADER_SECTION, ...limits };
  }

  /** Whether nothing of the next message has come yet, and one may. */
  get isBetween(): boolean {
    return this.#state.kind === "start" && this.#lines.isEmpty && !this.#skippedEmptyLine;
  }

  push(bytes: Uint8Array): HttpEvent<Head>[] {
    const events: HttpEvent<Head>[] = [];
    const cursor: Cursor = { bytes, at: 0 };
    while (cursor.at < bytes.length && this.#state.kind !== "closed") {
      const fault = this.#step(cursor, events);
      if (fault !== undefined) this.#refuse(fault, events);
    }
    return events;
  }

  /** The other side will send nothing more. `outstanding` is the fault when no message has begun, if that is one. */
  end(outstanding: HttpFault | undefined): HttpEvent<Head>[] {
    const events: HttpEvent<Head>[] = [];
    const state = this.#state;
    const betweenMessages = state.kind === "start" && this.#lines.isEmpty;
    this.#state = { kind: "closed" };
    if (state.kind === "closed" || state.kind === "tunnel") return events;
    if (state.kind === "body" && state.untilClose) return [{ kind: "end", trailers: [] }];
    const fault = betweenMessages ? outstanding : "incomplete";
    if (fault !== undefined) this.#refuse(fault, events);
    return events;
  }

  #step(cursor: Cursor, events: HttpEvent<Head>[]): HttpFault | undefined {
    const state = this.#state;
    switch (state.kind) {
      case "start":
        return this.#readStart(cursor);
      case "headers":
        return this.#readHeaders(cursor, state, events);
      case "body":
        return this.#readBody(cursor, state, events);
      case "tunnel":
        events.push({ kind: "tunnel", bytes: cursor.bytes.slice(cursor.at) });
        cursor.at = cursor.bytes.length;
        return undefined;
      case "closed":
        return undefined;
    }
  }

  #readStart(cursor: Cursor): HttpFault | undefined {
    const first = cursor.bytes[cursor.at] ?? 0;
    const emptyLine = first === CR || first === LF;
    if (this.#lines.isEmpty && !(emptyLine && !this.#skippedEmptyLine)) {
      const fault = this.#grammar.begin(first);
      if (fault !== undefined) return fault;
    }
    const result = this.#lines.read(cursor, this.#limits.startLine);
    if (result.kind === "partial") return undefined;
    if (result.kind === "too-long") return "start-line-too-long";
    const line = withoutCarriageReturn(result.text);
    // One empty line before a message is skipped: old clients send it after a body (RFC 9112 §2.2).
    if (line === "" && !this.#skippedEmptyLine) {
      this.#skippedEmptyLine = true;
      return undefined;
    }
    const start = this.#grammar.parseStart(line);
    if (typeof start === "string") return start;
    const section = new SectionReader(this.#limits.headerSection, "crlf-or-lf");
    this.#state = { kind: "headers", start, section };
    return undefined;
  }

  #readHeaders(
    cursor: Cursor,
    state: Extract<State<Head, Start>, { kind: "headers" }>,
    events: HttpEvent<Head>[],
  ): HttpFault | undefined {
    const result = state.section.read(cursor);
    if (result.kind === "partial") return undefined;
    if (result.kind === "fault") return result.fault;
    const head = this.#grammar.interpret(state.start, result.headers);
    if (typeof head === "string") return head;
    if (head.event.kind === "interim") {
      events.push(head.event);
      this.#begin("next");
      return undefined;
    }
    const framing = head.event.framing;
    if (framing.kind === "length" && framing.length > this.#limits.body) return "body-too-large";
    events.push(head.event);
    const body = new BodyReader(framing, this.#limits);
    this.#state = { kind: "body", body, head, untilClose: framing.kind === "until-close" };
    // A message without a body ends here, not with the next bytes.
    return this.#readBody(cursor, this.#state, events);
  }

  #readBody(
    cursor: Cursor,
    state: Extract<State<Head, Start>, { kind: "body" }>,
    events: HttpEvent<Head>[],
  ): HttpFault | undefined {
    for (;;) {
      const result = state.body.read(cursor);
      if (result.kind === "partial") return undefined;
      if (result.kind === "fault") return result.fault;
      if (result.kind === "data") {
        events.push({ kind: "body", bytes: result.bytes });
        continue;
      }
      events.push({ kind: "end", trailers: result.trailers });
      this.#begin(state.head.afterwards);
      return undefined;
    }
  }

  #begin(next: Interpretation<Head>["afterwards"]): void {
    this.#skippedEmptyLine = false;
    this.#state = { kind: next === "next" ? "start" : next };
  }

  #refuse(fault: HttpFault, events: HttpEvent<Head>[]): void {
    events.push({ kind: "error", error: this.#grammar.errorOf(fault) });
    this.#state = { kind: "closed" };
  }
}
