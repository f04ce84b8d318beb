import { type HttpResponseEvent, HttpResponseParser } from "../protocols/index.ts";
import type { Dialled } from "./backend-dial.ts";
import type { Backend } from "./backend-pool.ts";
import type { ProxyLeg } from "./proxy-leg.ts";

export interface BackendStreamEvents {
  onEvents(events: readonly HttpResponseEvent[]): void;
  onDrain(): void;
  /** The connection ended or broke; what it told came before. */
  onGone(): void;
}

/** A connection to a backend that speaks HTTP: requests go in as bytes, responses come out as events. */
export class BackendStream {
  readonly backend: Backend;
  readonly #leg: ProxyLeg;
  readonly #responses: HttpResponseParser;
  #kept = true;

  constructor(dialled: Dialled, bodyLimit: number, events: BackendStreamEvents) {
    this.backend = dialled.backend;
    this.#leg = dialled.leg;
    this.#responses = new HttpResponseParser({ body: bodyLimit });
    this.#leg.events = {
      onData: (bytes) => events.onEvents(this.#responses.push(bytes)),
      onEnd: () => {
        events.onEvents(this.#responses.end());
        events.onGone();
      },
      onDrain: () => events.onDrain(),
      onBroken: () => events.onGone(),
    };
  }

  /** Whether the connection may carry another request, as far as the responses said. */
  get isKept(): boolean {
    return this.#kept;
  }

  noteKeepAlive(keepAlive: boolean): void {
    this.#kept = keepAlive;
  }

  /** A request of this method is about to be written. */
  expect(method: string): void {
    this.#responses.expect(method);
  }

  write(bytes: Uint8Array): boolean {
    return this.#leg.write(bytes);
  }

  /** See {@link ProxyLeg.cork}. */
  cork(): void {
    this.#leg.cork();
  }

  uncork(): boolean {
    return this.#leg.uncork();
  }

  pause(): void {
    this.#leg.pause();
  }

  resume(): void {
    this.#leg.resume();
  }

  close(): void {
    this.#leg.close();
  }

  destroy(): void {
    this.#leg.destroy();
  }
}
