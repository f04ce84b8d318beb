import type { TcpSocket } from "../netstack/index.ts";
import {
  detectProxyHeader,
  emitChunk,
  emitLastChunk,
  emitResponse,
  type HttpLimits,
  type HttpMessage,
  HttpMessageCollector,
  type HttpRequest,
  type HttpRequestEvent,
  HttpRequestParser,
  type ProxyHeader,
  reasonPhrase,
} from "../protocols/index.ts";
import { after, type Clock, type Duration, type Timer } from "../sim/index.ts";
import type { HttpAnswer, HttpExchange, HttpFraming, HttpStyle } from "./http-server.ts";
import { RememberedAnswer } from "./remembered-answer.ts";

/** What all connections of one server share. */
export interface HttpConnectionSettings {
  readonly style: HttpStyle;
  readonly handler: (exchange: HttpExchange) => HttpAnswer;
  readonly isRepeatable: boolean;
  readonly proxyProtocol: "required" | "none";
  readonly limits: HttpLimits;
  readonly idleTimeout: Duration;
  readonly mostRequests: number;
}

const CONTINUE = emitResponse({ version: "1.1", status: 100, reason: "Continue", headers: [] });
/** Statuses whose answers have no body (RFC 9110 §6.4.1). */
const BODILESS = [204, 304];

/** One client's connection, from accept to close. Requests are answered in the order they came. */
export class HttpServerConnection {
  readonly #socket: TcpSocket;
  readonly #clock: Clock;
  readonly #settings: HttpConnectionSettings;
  readonly #onGone: () => void;
  readonly #parser: HttpRequestParser;
  readonly #collector = new HttpMessageCollector<HttpRequest>();
  readonly #idle: Timer;
  /** Bytes of a PROXY header that is not complete; at most 64 KiB, by its own length field. */
  #preface: Uint8Array | undefined;
  #proxied: ProxyHeader | undefined;
  /** The answer to the last request that came whole and alone. */
  readonly #remembered = new RememberedAnswer();
  #sends = 0;
  #lastSent: Uint8Array = CONTINUE;
  #requests = 0;
  #closed = false;

  constructor(socket: TcpSocket, clock: Clock, settings: HttpConnectionSettings, onGone: () => void) {
    this.#socket = socket;
    this.#clock = clock;
    this.#settings = settings;
    this.#onGone = onGone;
    this.#parser = new HttpRequestParser(settings.limits);
    this.#idle = clock.timer(() => this.close(), "program");
    if (settings.proxyProtocol === "required") this.#preface = new Uint8Array(0);
    socket.events = {
      onData: (bytes) => this.#receive(bytes),
      onDrain: () => socket.resume(),
      // Whoever sends FIN here waits for no further answers: all complete requests have been answered.
      onEnd: () => this.close(),
      onClose: () => this.#forget(),
    };
    this.#rest();
  }

  /** Closes after what has been written. */
  close(): void {
    if (this.#closed) return;
    this.#forget();
    this.#socket.close();
  }

  #forget(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#idle.cancel();
    this.#onGone();
  }

  #rest(): void {
    this.#idle.set(after(this.#clock.now(), this.#settings.idleTimeout));
  }

  #receive(bytes: Uint8Array): void {
    this.#rest();
    if (this.#preface === undefined && this.#parser.isBetween) return this.#receiveNext(bytes);
    const request = this.#preface === undefined ? bytes : this.#pastPreface(this.#preface, bytes);
    if (request !== undefined) this.#parse(request);
  }

  /** What begins a request may be the same as the last time. */
  #receiveNext(bytes: Uint8Array): void {
    const { style, isRepeatable, mostRequests } = this.#settings;
    if (!isRepeatable || this.#requests + 1 >= mostRequests) return this.#parse(bytes);
    const date = style.date();
    const answer = this.#remembered.to(bytes, date);
    if (answer !== undefined) {
      this.#requests += 1;
      return this.#send(answer);
    }
    const before = this.#sends;
    this.#parse(bytes);
    const wasAlone = this.#sends === before + 1 && this.#parser.isBetween;
    if (wasAlone && !this.#closed) this.#remembered.keep(bytes, this.#lastSent, date);
  }

  #parse(bytes: Uint8Array): void {
    for (const event of this.#parser.push(bytes)) {
      if (this.#closed) return;
      this.#take(event);
    }
  }

  /** What follows the PROXY header; `undefined` while it is incomplete, and when there is none: then nginx just hangs up. */
  #pastPreface(preface: Uint8Array, bytes: Uint8Array): Uint8Array | undefined {
    const all = new Uint8Array(preface.length + bytes.length);
    all.set(preface);
    all.set(bytes, preface.length);
    const detection = detectProxyHeader(all);
    if (detection.kind === "need-more") {
      this.#preface = all;
      return undefined;
    }
    if (detection.kind !== "header") {
      this.close();
      return undefined;
    }
    this.#preface = undefined;
    this.#proxied = detection.header;
    return all.subarray(detection.length);
  }

  #take(event: HttpRequestEvent): void {
    if (event.kind === "error") {
      this.#answer(this.#settings.style.errorAnswer(event.error.status), { method: "GET", version: "1.1" }, false);
    } else if (event.kind === "tunnel") {
      this.close();
    } else {
      if (event.kind === "head" && event.expectsContinue) this.#send(CONTINUE);
      const message = this.#collector.add(event);
      if (message !== undefined) this.#serve(message);
    }
  }

  #serve(message: HttpMessage<HttpRequest>): void {
    this.#requests += 1;
    const request = message.head;
    const { style, handler, mostRequests } = this.#settings;
    const { remote, local } = this.#socket;
    const exchange = { request, body: message.body, remote, local, proxied: this.#proxied };
    const answer = request.method === "CONNECT" ? style.errorAnswer(405) : handler(exchange);
    const keepAlive = message.keepAlive && this.#requests < mostRequests && request.method !== "CONNECT";
    this.#answer(answer, request, keepAlive);
  }

  #answer(answer: HttpAnswer, request: Pick<HttpRequest, "method" | "version">, mayStay: boolean): void {
    const { status, body } = answer;
    const inPieces = !(body instanceof Uint8Array);
    const mayHaveBody = !BODILESS.includes(status);
    const hasBody = mayHaveBody && request.method !== "HEAD";
    const chunked = inPieces && hasBody && request.version === "1.1";
    // Without chunks only the connection's end tells where pieces end.
    const keepAlive = mayStay && (!inPieces || chunked || !hasBody);
    const contentLength = inPieces || !mayHaveBody ? undefined : body.length;
    const framing: HttpFraming = { keepAlive, chunked, contentLength };
    const headers = this.#settings.style.headers(answer, framing);
    const reason = answer.reason ?? reasonPhrase(status);
    const parts = [emitResponse({ version: "1.1", status, reason, headers })];
    if (hasBody) {
      const pieces = inPieces ? body : [body];
      parts.push(...(chunked ? [...pieces.map(emitChunk), emitLastChunk()] : pieces));
    }
    this.#send(join(parts));
    if (!keepAlive) this.close();
  }

  /** One write an answer: what fits leaves in one segment, as with a server that gathers its output. */
  #send(bytes: Uint8Array): void {
    if (this.#closed) return;
    this.#sends += 1;
    this.#lastSent = bytes;
    // A client that sends requests and reads no answers is not listened to until it does.
    if (!this.#socket.write(bytes)) this.#socket.pause();
  }
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
