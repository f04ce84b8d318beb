import type { HttpHeaders } from "./http1-headers.ts";
import type { HttpEvent } from "./http1-parser.ts";

/** A whole message: its head, its body in one piece, its trailers. */
export interface HttpMessage<Head> {
  readonly head: Head;
  readonly body: Uint8Array;
  readonly trailers: HttpHeaders;
  readonly keepAlive: boolean;
}

/** Puts a parser's events together to whole messages, for programs that do not stream. The parser's limit bounds the body. */
export class HttpMessageCollector<Head> {
  #head: Extract<HttpEvent<Head>, { kind: "head" }> | undefined;
  #pieces: Uint8Array[] = [];
  #length = 0;

  /** The message this event completes, if any; interim responses, tunnels and errors are left to the caller. */
  add(event: HttpEvent<Head>): HttpMessage<Head> | undefined {
    if (event.kind === "head") {
      this.#head = event;
      this.#pieces = [];
      this.#length = 0;
    } else if (event.kind === "body") {
      this.#pieces.push(event.bytes);
      this.#length += event.bytes.length;
    } else if (event.kind === "end" && this.#head !== undefined) {
      const { head, keepAlive } = this.#head;
      return { head, body: this.#joined(), trailers: event.trailers, keepAlive };
    }
    return undefined;
  }

  #joined(): Uint8Array {
    const body = new Uint8Array(this.#length);
    let at = 0;
    for (const piece of this.#pieces) {
      body.set(piece, at);
      at += piece.length;
    }
    return body;
  }
}
