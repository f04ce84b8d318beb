import type { CloseReason, TcpSocket } from "../../netstack/index.ts";
import {
  type BodyFraming,
  emitProxyV1,
  type HttpError,
  type HttpResponse,
  type HttpResponseEvent,
  HttpResponseParser,
} from "../../protocols/index.ts";
import { describeCloseReason } from "../sockets.ts";
import { CurlExit, type CurlFailure } from "./failure.ts";

/** What an exchange tells while it goes on. Handlers of `onHead` and `onBody` may end it by returning a failure. */
export interface ExchangeEvents {
  onHead(head: HttpResponse): CurlFailure | undefined;
  onInterim(head: HttpResponse): void;
  onBody(bytes: Uint8Array): CurlFailure | undefined;
  onDone(outcome: ExchangeOutcome): void;
}

/** How an exchange ended. */
export type ExchangeOutcome =
  | { readonly kind: "complete"; readonly keepAlive: boolean }
  /** A kept connection turned out to be closed: nothing was lost by asking again on a new one. */
  | { readonly kind: "stale" }
  | { readonly kind: "failed"; readonly failure: CurlFailure };

const NO_LIMIT = { body: Number.MAX_SAFE_INTEGER };

/** One request and its response on a connection. */
export class Exchange {
  readonly #socket: TcpSocket;
  readonly #events: ExchangeEvents;
  readonly #parser = new HttpResponseParser(NO_LIMIT);
  readonly #isReused: boolean;
  #framing: BodyFraming | undefined;
  #keepAlive = false;
  #started: Uint8Array = new Uint8Array(0);
  #headSeen = false;
  #body = 0;
  #finished = false;

  constructor(socket: TcpSocket, isReused: boolean, events: ExchangeEvents) {
    this.#socket = socket;
    this.#isReused = isReused;
    this.#events = events;
  }

  /** Bytes of the body so far, and how many it has in all where that is known. */
  get progress(): { readonly received: number; readonly length: number | undefined } {
    const length = this.#framing?.kind === "length" ? this.#framing.length : undefined;
    return { received: this.#body, length };
  }

  begin(method: string, bytes: Uint8Array): void {
    this.#parser.expect(method);
    this.#socket.events = {
      onData: (data) => this.#receive(data),
      onEnd: () => this.#ended(),
      onClose: (reason) => this.#closed(reason),
    };
    this.#socket.write(bytes);
  }

  /** Ends the exchange without an outcome. */
  cancel(): void {
    this.#finished = true;
  }

  #receive(bytes: Uint8Array): void {
    if (!this.#headSeen && this.#started.length < PREFIX.length) this.#started = joined(this.#started, bytes);
    for (const event of this.#parser.push(bytes)) {
      if (this.#finished) return;
      this.#take(event);
    }
  }

  #take(event: HttpResponseEvent): void {
    if (event.kind === "interim") this.#events.onInterim(event.head);
    else if (event.kind === "head") {
      this.#headSeen = true;
      this.#framing = event.framing;
      this.#keepAlive = event.keepAlive;
      this.#stopAt(this.#events.onHead(event.head));
    } else if (event.kind === "body" || event.kind === "tunnel") {
      this.#body += event.bytes.length;
      this.#stopAt(this.#events.onBody(event.bytes));
    } else if (event.kind === "end") this.#finish({ kind: "complete", keepAlive: this.#keepAlive });
    else this.#stopAt(this.#failureOf(event.error));
  }

  #ended(): void {
    if (this.#finished) return;
    if (this.#started.length === 0 && !this.#headSeen) {
      if (this.#isReused) return this.#finish({ kind: "stale" });
      return this.#stopAt({ exitCode: CurlExit.emptyReply, text: "Empty reply from server" });
    }
    for (const event of this.#parser.end()) if (!this.#finished) this.#take(event);
  }

  #closed(reason: CloseReason): void {
    if (this.#finished) return;
    if (this.#isReused && this.#started.length === 0) return this.#finish({ kind: "stale" });
    if (reason === "closed") return this.#ended();
    this.#stopAt({ exitCode: CurlExit.receive, text: `Recv failure: ${describeCloseReason(reason)}` });
  }

  #failureOf(error: HttpError): CurlFailure {
    if (!this.#headSeen && !isHttp(this.#started)) {
      return { exitCode: CurlExit.unsupportedProtocol, text: "Received HTTP/0.9 when not allowed" };
    }
    if (error.fault === "bad-chunk" || error.fault === "chunk-line-too-long") {
      return { exitCode: CurlExit.receive, text: "Illegal or missing hexadecimal sequence in chunked-encoding" };
    }
    if (error.fault !== "incomplete") return { exitCode: CurlExit.weirdReply, text: "Weird server reply" };
    const { received, length } = this.progress;
    if (length !== undefined) {
      return {
        exitCode: CurlExit.partialFile,
        text: `transfer closed with ${length - received} bytes remaining to read`,
      };
    }
    return this.#headSeen
      ? { exitCode: CurlExit.partialFile, text: "transfer closed with outstanding read data remaining" }
      : { exitCode: CurlExit.emptyReply, text: "Empty reply from server" };
  }

  #stopAt(failure: CurlFailure | undefined): void {
    if (failure !== undefined) this.#finish({ kind: "failed", failure });
  }

  #finish(outcome: ExchangeOutcome): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#events.onDone(outcome);
  }
}

const PREFIX = "HTTP/";

/** Whether what a server sent first can be the beginning of a status line. */
function isHttp(started: Uint8Array): boolean {
  const text = String.fromCharCode(...started.subarray(0, PREFIX.length));
  return PREFIX.startsWith(text);
}

function joined(before: Uint8Array, bytes: Uint8Array): Uint8Array {
  const all = new Uint8Array(before.length + Math.min(bytes.length, PREFIX.length));
  all.set(before);
  all.set(bytes.subarray(0, PREFIX.length), before.length);
  return all;
}

/** The PROXY header that `--haproxy-protocol` sends first: about curl's own connection. */
export function proxyPreface(socket: TcpSocket, format: (address: number) => string): Uint8Array {
  return emitProxyV1({
    version: 1,
    family: "TCP4",
    source: format(socket.local.address),
    destination: format(socket.remote.address),
    sourcePort: socket.local.port,
    destinationPort: socket.remote.port,
  });
}
