import type { CloseReason } from "../netstack/index.ts";
import { after, type Timer } from "../sim/index.ts";
import { BackendDial, type DialFailure, type Dialled } from "./backend-dial.ts";
import type { Backend } from "./backend-pool.ts";
import { InboundHeaderReader, type ProxyOrigin } from "./proxy-header.ts";
import type { ProxyLeg } from "./proxy-leg.ts";
import type { ProxySession, SessionOptions, SessionOwner } from "./proxy-session.ts";

/**
 * Layer 4 proxying: what one side sends goes to the other unchanged, each side's end as an end, its reset as a reset. When one side is slow the other
 * is paused, so that a session holds no more than the sockets' buffers.
 */
export class TcpSession implements ProxySession {
  readonly #client: ProxyLeg;
  readonly #options: SessionOptions;
  readonly #owner: SessionOwner;
  readonly #header: InboundHeaderReader;
  readonly #timer: Timer;
  #origin: ProxyOrigin;
  #dial: BackendDial | undefined;
  #dialled: Dialled | undefined;
  /** What the client sent before there was a backend: at most one read, as it is paused then. */
  #early: Uint8Array = new Uint8Array(0);
  #ends = 0;
  #clientEnded = false;
  #over = false;

  constructor(client: ProxyLeg, options: SessionOptions, owner: SessionOwner) {
    this.#client = client;
    this.#options = options;
    this.#owner = owner;
    this.#origin = { client: client.remote, server: client.local };
    this.#header = new InboundHeaderReader(options.acceptProxy, this.#origin);
    const { clock } = options.dial.stack;
    this.#timer = clock.timer(() => this.abort("nothing was sent for too long"));
  }

  start(): void {
    this.#client.events = {
      onData: (bytes) => this.#firstBytes(bytes),
      onEnd: () => this.#clientEnd(),
      onDrain: () => this.#dialled?.leg.resume(),
      onBroken: (reason) => this.#broken("client", reason),
    };
    const expectsHeader = this.#options.acceptProxy !== "never";
    this.#wait(expectsHeader ? "request" : "idle");
    // Without a header to wait for, the backend is called at once: it may be the one who speaks first.
    if (!expectsHeader) this.#call();
  }

  get backend(): Backend | undefined {
    return this.#dialled?.backend;
  }

  abort(reason: string): void {
    this.#client.destroy();
    this.#dialled?.leg.destroy();
    this.#finish(reason);
  }

  #firstBytes(bytes: Uint8Array): void {
    const header = this.#header.push(bytes);
    if (header.kind === "need-more") return;
    if (header.kind === "refused") return this.#refuse(header.reason);
    this.#origin = header.origin;
    this.#early = header.rest.slice();
    this.#call();
  }

  #call(): void {
    this.#client.pause();
    this.#dial = new BackendDial(this.#options.dial, this.#origin, {
      failed: (backend, reason) => this.#owner.emit({ kind: "connect-failed", backend, reason }, this.#origin),
      done: (result) => this.#called(result),
    });
  }

  #called(result: Dialled | DialFailure): void {
    this.#dial = undefined;
    if (!("leg" in result)) return this.#refuse(result.reason);
    this.#dialled = result;
    const { leg, backend } = result;
    this.#owner.emit({ kind: "connected", backend, local: leg.local, remote: leg.remote }, this.#origin);
    leg.events = {
      onData: (bytes) => this.#carry(bytes, leg, this.#client),
      onEnd: () => this.#end(this.#client),
      onDrain: () => this.#client.resume(),
      onBroken: (reason) => this.#broken("backend", reason),
    };
    if (this.#client.events !== undefined) {
      this.#client.events = { ...this.#client.events, onData: (bytes) => this.#carry(bytes, this.#client, leg) };
    }
    this.#wait("idle");
    const room = this.#early.length === 0 || leg.write(this.#early);
    this.#early = new Uint8Array(0);
    if (this.#clientEnded) this.#end(leg);
    if (room) this.#client.resume();
  }

  #carry(bytes: Uint8Array, from: ProxyLeg, to: ProxyLeg): void {
    this.#wait("idle");
    if (!to.write(bytes)) from.pause();
  }

  /** One side has sent all; the other is told. When both have, the session is over. */
  #end(to: ProxyLeg): void {
    to.end();
    this.#ends += 1;
    if (this.#ends === 2) this.#finish("both sides ended");
  }

  #clientEnd(): void {
    if (this.#dialled !== undefined) return this.#end(this.#dialled.leg);
    this.#clientEnded = true;
    if (this.#dial === undefined) this.#refuse("the client ended before its PROXY header did");
  }

  #broken(side: "client" | "backend", reason: CloseReason): void {
    this.abort(`${side}: connection ${reason}`);
  }

  #refuse(reason: string): void {
    this.#owner.emit({ kind: "refused", reason }, this.#origin);
    this.#client.close();
    this.#finish(reason);
  }

  #wait(what: "idle" | "request"): void {
    this.#timer.set(after(this.#options.dial.stack.clock.now(), this.#options.timeouts[what]));
  }

  #finish(reason: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer.cancel();
    this.#dial?.cancel();
    this.#client.close();
    if (this.#dialled !== undefined) {
      this.#dialled.leg.close();
      this.#options.dial.pool.closed(this.#dialled.backend);
    }
    this.#owner.emit({ kind: "ended", reason }, this.#origin);
    this.#owner.ended();
  }
}
