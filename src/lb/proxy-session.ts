import type { TcpEndpoint } from "../netstack/index.ts";
import type { Duration } from "../sim/index.ts";
import type { DialOptions } from "./backend-dial.ts";
import type { Backend } from "./backend-pool.ts";
import type { ForwardingHeaders } from "./forwarding-headers.ts";
import type { AcceptProxy, ProxyOrigin } from "./proxy-header.ts";

/** How long a proxy waits for what. */
export interface ProxyTimeouts {
  /** For a backend to take a connection; then the next one is tried. */
  readonly connect: Duration;
  /** For a PROXY header, and for a whole HTTP request head once a byte of it is there. */
  readonly request: Duration;
  /** For an HTTP response to begin. */
  readonly response: Duration;
  /** Without a byte in either direction, or between two HTTP requests. */
  readonly idle: Duration;
  /** For the client to end its side after the proxy ended its own. */
  readonly linger: Duration;
}

/** What every session of a proxy is told about its proxy. */
export interface SessionOptions {
  readonly dial: DialOptions;
  readonly acceptProxy: AcceptProxy;
  readonly forwarding: ForwardingHeaders;
  readonly timeouts: ProxyTimeouts;
  /** Most bytes of one HTTP body. */
  readonly bodyLimit: number;
}

/** What happens in a proxy's sessions, each with the client's connection it belongs to. */
export type ProxyEvent = { readonly session: number; readonly origin: ProxyOrigin } & ProxyEventDetail;

export type ProxyEventDetail =
  | { readonly kind: "accepted" }
  /** The client's connection was cut or not taken. */
  | { readonly kind: "refused"; readonly reason: string }
  | { readonly kind: "connected"; readonly backend: Backend; readonly local: TcpEndpoint; readonly remote: TcpEndpoint }
  | { readonly kind: "connect-failed"; readonly backend: Backend; readonly reason: string }
  | { readonly kind: "request"; readonly method: string; readonly target: string; readonly backend: Backend }
  | { readonly kind: "response"; readonly status: number; readonly by: "backend" | "proxy" }
  | { readonly kind: "ended"; readonly reason: string };

/** What a session needs of its proxy. */
export interface SessionOwner {
  emit(event: ProxyEventDetail, origin: ProxyOrigin): void;
  /** Nothing further will happen in the session. */
  ended(): void;
}

/** One client's connection and the proxy's own ones for it. */
export interface ProxySession {
  readonly backend: Backend | undefined;
  start(): void;
  /** Cuts both connections: the backend was taken out, or the proxy stops. */
  abort(reason: string): void;
}
