import {
  emitChunk,
  emitLastChunk,
  emitRequest,
  emitResponse,
  type HttpRequestEvent,
  HttpRequestParser,
  type HttpResponseEvent,
} from "../protocols/index.ts";
import { after, type Timer } from "../sim/index.ts";
import { BackendDial, type DialFailure, type Dialled } from "./backend-dial.ts";
import type { Backend } from "./backend-pool.ts";
import { BackendStream } from "./backend-stream.ts";
import { type ProxyStatus, proxyAnswer } from "./http-answer.ts";
import { framingForClient, requestForBackend, responseForClient } from "./http-rewrite.ts";
import { InboundHeaderReader, type ProxyOrigin } from "./proxy-header.ts";
import type { ProxyLeg } from "./proxy-leg.ts";
import type { ProxySession, ProxyTimeouts, SessionOptions, SessionOwner } from "./proxy-session.ts";

type RequestHead = Extract<HttpRequestEvent, { kind: "head" }>;
type ResponseHead = Extract<HttpResponseEvent, { kind: "head" }>;

/** One request on its way to a backend, and its response on the way back. */
interface Exchange {
  readonly request: RequestHead;
  /** The head went out to a backend whose connection had served before: it may have been closed just then. */
  reused: boolean;
  requestDone: boolean;
  /** How the body of the response that has begun is written to the client. */
  respondingAs: ReturnType<typeof framingForClient> | undefined;
  /** Whether the client's connection serves another request afterwards. */
  keepAlive: boolean;
}

/**
 * Layer 7 proxying of HTTP/1.1 as a gateway (RFC 9110 §7.6): each request in turn to the session's backend, over a connection that is kept as long as
 * both sides keep it; bodies are passed on as they come, and whoever is faster than the other side is paused. Requests that a client pipelines wait
 * in its connection.
 */
export class HttpSession implements ProxySession {
  readonly #client: ProxyLeg;
  readonly #options: SessionOptions;
  readonly #owner: SessionOwner;
  readonly #header: InboundHeaderReader;
  readonly #requests: HttpRequestParser;
  readonly #timer: Timer;
  /** What the client sent and could not be dealt with yet: the events of one read at most, as the client is paused then. */
  readonly #queue: HttpRequestEvent[] = [];
  #origin: ProxyOrigin;
  #headerDone: boolean;
  #dial: BackendDial | undefined;
  #backend: BackendStream | undefined;
  #exchange: Exchange | undefined;
  #uploadBlocked = false;
  #awaited: keyof ProxyTimeouts | undefined;
  #clientEnded = false;
  #lingering = false;
  #over = false;

  constructor(client: ProxyLeg, options: SessionOptions, owner: SessionOwner) {
    this.#client = client;
    this.#options = options;
    this.#owner = owner;
    this.#origin = { client: client.remote, server: client.local };
    this.#header = new InboundHeaderReader(options.acceptProxy, this.#origin);
    this.#headerDone = options.acceptProxy === "never";
    this.#requests = new HttpRequestParser({ body: options.bodyLimit });
    this.#timer = options.dial.stack.clock.timer(() => this.#timedOut());
  }

  start(): void {
    this.#client.events = {
      onData: (bytes) => this.#clientData(bytes),
      onEnd: () => this.#clientEnd(),
      onDrain: () => this.#backend?.resume(),
      onBroken: (reason) => this.abort(`client: connection ${reason}`),
    };
    this.#wait(this.#headerDone ? "idle" : "request");
  }

  get backend(): Backend | undefined {
    return this.#backend?.backend;
  }

  abort(reason: string): void {
    this.#client.destroy();
    this.#backend?.destroy();
    this.#finish(reason);
  }

  #clientData(bytes: Uint8Array): void {
    if (this.#lingering) return;
    let application = bytes;
    if (!this.#headerDone) {
      const header = this.#header.push(bytes);
      if (header.kind === "need-more") return;
      if (header.kind === "refused") {
        this.#owner.emit({ kind: "refused", reason: header.reason }, this.#origin);
        return this.#finish(header.reason);
      }
      this.#headerDone = true;
      this.#origin = header.origin;
      application = header.rest;
    }
    // While a head is incomplete, its time runs from its first byte on.
    if (this.#exchange === undefined && this.#queue.length === 0) this.#waitFrom("request");
    this.#queue.push(...this.#requests.push(application));
    this.#pump();
  }

  /** A client may end its side and wait for the answers, but not in the middle of a request. */
  #clientEnd(): void {
    this.#clientEnded = true;
    if (this.#lingering) return this.#finish("the client ended");
    const isCut = this.#requests.end().length > 0;
    if (this.#exchange === undefined) return this.#finish("the client ended");
    if (isCut) this.abort("the client ended within a request");
  }

  /** Deals with what the client sent as far as it can be, then lets the client go on or wait. */
  #pump(): void {
    this.#backend?.cork();
    for (let next = this.#queue[0]; next !== undefined && this.#mayTake(next); next = this.#queue[0]) {
      this.#queue.shift();
      this.#take(next);
      if (this.#over || this.#lingering) return;
    }
    if (this.#backend?.uncork() === false) this.#uploadBlocked = true;
    if (this.#queue.length > 0 || this.#uploadBlocked) this.#client.pause();
    else this.#client.resume();
  }

  #mayTake(event: HttpRequestEvent): boolean {
    if (event.kind === "head" || event.kind === "error") return this.#exchange === undefined;
    return this.#backend !== undefined && !this.#uploadBlocked;
  }

  #take(event: HttpRequestEvent): void {
    switch (event.kind) {
      case "head":
        return this.#begin(event);
      case "error":
        return this.#answer(event.error.status as ProxyStatus, undefined);
      case "body":
        return this.#upload(this.#framing() === "chunked" ? emitChunk(event.bytes) : event.bytes);
      case "end":
        if (this.#exchange !== undefined) this.#exchange.requestDone = true;
        if (this.#framing() === "chunked") this.#upload(emitLastChunk(event.trailers));
        return this.#wait("response");
      default:
        return;
    }
  }

  #framing(): string | undefined {
    return this.#exchange?.request.framing.kind;
  }

  #upload(bytes: Uint8Array): void {
    this.#wait("idle");
    this.#backend?.write(bytes);
  }

  #begin(request: RequestHead): void {
    const { keepAlive } = request;
    this.#exchange = { request, reused: false, requestDone: false, respondingAs: undefined, keepAlive };
    // A tunnel is no business of a gateway (RFC 9110 §9.3.6).
    if (request.head.method === "CONNECT") return this.#answer(405, "CONNECT");
    const { pool } = this.#options.dial;
    // A kept connection does not keep a backend that drains or failed its checks.
    if (this.#backend !== undefined && !pool.eligible.includes(this.#backend.backend)) this.#dropBackend();
    if (this.#backend !== undefined) {
      this.#exchange.reused = true;
      return this.#sendHead(this.#backend);
    }
    this.#call();
  }

  #call(): void {
    this.#timer.cancel();
    this.#dial = new BackendDial(this.#options.dial, this.#origin, {
      failed: (backend, reason) => this.#owner.emit({ kind: "connect-failed", backend, reason }, this.#origin),
      done: (result) => this.#called(result),
    });
  }

  #called(result: Dialled | DialFailure): void {
    this.#dial = undefined;
    const exchange = this.#exchange;
    if (!("leg" in result)) return this.#answer(503, exchange?.request.head.method);
    const stream = new BackendStream(result, this.#options.bodyLimit, {
      onEvents: (events) => this.#responseEvents(stream, events),
      onDrain: () => {
        this.#uploadBlocked = false;
        this.#pump();
      },
      onGone: () => this.#backendGone(stream),
    });
    this.#backend = stream;
    stream.cork();
    const { leg, backend } = result;
    this.#owner.emit({ kind: "connected", backend, local: leg.local, remote: leg.remote }, this.#origin);
    this.#sendHead(stream);
    this.#pump();
  }

  #sendHead(backend: BackendStream): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    const { head, framing } = exchange.request;
    const { forwarding } = this.#options;
    const { method, target } = head;
    this.#owner.emit({ kind: "request", method, target, backend: backend.backend }, this.#origin);
    const rewritten = requestForBackend(head, framing, { forwarding, origin: this.#origin });
    backend.expect(method);
    this.#wait("response");
    backend.write(emitRequest(rewritten));
  }

  #responseEvents(from: BackendStream, events: readonly HttpResponseEvent[]): void {
    this.#client.cork();
    for (const event of events) {
      // An answer ends the connection it came by; what follows there is nobody's.
      if (this.#over || this.#lingering || this.#backend !== from) break;
      this.#respond(event);
    }
    if (!this.#client.uncork()) from.pause();
  }

  #respond(event: HttpResponseEvent): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return this.#dropBackend();
    switch (event.kind) {
      case "interim":
        if (exchange.request.head.version === "1.1") this.#download(emitResponse(event.head));
        return;
      case "head":
        return this.#respondHead(exchange, event);
      case "body":
        return this.#download(exchange.respondingAs === "chunked" ? emitChunk(event.bytes) : event.bytes);
      case "end":
        if (exchange.respondingAs === "chunked") this.#download(emitLastChunk(event.trailers));
        return this.#exchangeDone(exchange);
      default:
        return this.#backendFailed(exchange);
    }
  }

  #respondHead(exchange: Exchange, { head, framing, keepAlive }: ResponseHead): void {
    const { version } = exchange.request.head;
    // Upgrade was taken out of the request: a switch of protocols answers nothing that was asked.
    if (head.status === 101) return this.#backendFailed(exchange);
    exchange.respondingAs = framingForClient(framing, version);
    if (exchange.respondingAs === "until-close" || !exchange.requestDone) exchange.keepAlive = false;
    const connection = { framing: exchange.respondingAs, version, keepAlive: exchange.keepAlive };
    this.#owner.emit({ kind: "response", status: head.status, by: "backend" }, this.#origin);
    this.#backend?.noteKeepAlive(keepAlive && exchange.requestDone);
    this.#download(emitResponse(responseForClient(head, connection)));
  }

  #download(bytes: Uint8Array): void {
    this.#wait("idle");
    this.#client.write(bytes);
  }

  #exchangeDone(exchange: Exchange): void {
    this.#exchange = undefined;
    this.#uploadBlocked = false;
    if (this.#backend?.isKept === false) this.#dropBackend();
    const isLast = !exchange.keepAlive || (this.#clientEnded && this.#queue.length === 0);
    if (isLast) return this.#linger("the last response was given");
    this.#wait("idle");
    this.#pump();
  }

  /** A connection to a backend ended or broke after what it told. */
  #backendGone(gone: BackendStream): void {
    if (this.#backend !== gone || this.#over) return;
    const exchange = this.#exchange;
    if (exchange === undefined || this.#lingering) return this.#dropBackend();
    this.#backendFailed(exchange);
  }

  /**
   * The backend's answer is no response or not a whole one. A request without a body on a connection that had idled is tried once more on a new one
   * (RFC 9112 §9.3.1); a response that has begun can only be cut.
   */
  #backendFailed(exchange: Exchange): void {
    const backend = this.#backend?.backend;
    this.#dropBackend();
    if (backend !== undefined) this.#options.dial.pool.failed(backend);
    if (exchange.respondingAs !== undefined) return this.abort("the backend's response was cut");
    const { framing, head } = exchange.request;
    if (exchange.reused && framing.kind === "none" && IDEMPOTENT.has(head.method)) {
      exchange.reused = false;
      return this.#call();
    }
    this.#answer(502, head.method);
  }

  /** Answers in the proxy's own name and ends the connection: what the client sends behind is not looked at. */
  #answer(status: ProxyStatus, method: string | undefined): void {
    this.#owner.emit({ kind: "response", status, by: "proxy" }, this.#origin);
    this.#dropBackend();
    this.#client.write(proxyAnswer(status, method));
    this.#linger(`answered ${status}`);
  }

  /** Ends the client's connection after what was written, and waits for the client to end it, too: a RST could overtake the answer (RFC 9112 §9.6). */
  #linger(reason: string): void {
    this.#exchange = undefined;
    this.#dropBackend();
    this.#queue.length = 0;
    if (this.#clientEnded) return this.#finish(reason);
    this.#lingering = true;
    this.#client.end();
    this.#client.resume();
    this.#wait("linger");
  }

  #timedOut(): void {
    const exchange = this.#exchange;
    if (this.#lingering) return this.#finish("the client did not end");
    if (exchange === undefined) {
      const asked = this.#headerDone && this.#awaited === "request";
      return asked ? this.#answer(408, undefined) : this.#finish("nothing was asked for too long");
    }
    if (exchange.respondingAs !== undefined) return this.abort("nothing was sent for too long");
    this.#answer(exchange.requestDone ? 504 : 408, exchange.request.head.method);
  }

  #wait(what: keyof ProxyTimeouts): void {
    if (this.#over) return;
    this.#awaited = what;
    this.#timer.set(after(this.#options.dial.stack.clock.now(), this.#options.timeouts[what]));
  }

  /** Like {@link #wait}, but time that runs already for it runs on. */
  #waitFrom(what: keyof ProxyTimeouts): void {
    if (this.#awaited !== what) this.#wait(what);
  }

  #dropBackend(): void {
    const stream = this.#backend;
    this.#backend = undefined;
    this.#uploadBlocked = false;
    if (stream === undefined) return;
    stream.close();
    this.#options.dial.pool.closed(stream.backend);
  }

  #finish(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer.cancel();
    this.#dial?.cancel();
    this.#dropBackend();
    this.#client.close();
    this.#owner.emit({ kind: "ended", reason }, this.#origin);
    this.#owner.ended();
  }
}

/** RFC 9110 §9.2.2. */
const IDEMPOTENT = new Set(["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "TRACE"]);
