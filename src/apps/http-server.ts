import type { Ipv4Address, KeepAlive, Stack, TcpEndpoint, TcpSocket } from "../netstack/index.ts";
import type { HttpHeaders, HttpLimits, HttpRequest, ProxyHeader } from "../protocols/index.ts";
import { type Duration, seconds } from "../sim/index.ts";
import { HttpServerConnection } from "./http-server-connection.ts";

/** The host a server runs on. */
export interface ServerHost {
  readonly name: string;
  readonly stack: Stack;
}

/** A server that runs until it is closed; closing ends its connections too. */
export interface Server {
  /** Stops listening; connections that are open go on. */
  close(): void;
}

/** A request with its body, and between whom it came. */
export interface HttpExchange {
  readonly request: HttpRequest;
  readonly body: Uint8Array;
  /** The other end of the TCP connection. */
  readonly remote: TcpEndpoint;
  readonly local: TcpEndpoint;
  /** What a PROXY header said before the first request. */
  readonly proxied: ProxyHeader | undefined;
}

/** An answer. A body in pieces is sent chunked, each piece a chunk, or up to the connection's end in HTTP/1.0. */
export interface HttpAnswer {
  readonly status: number;
  /** The usual phrase when left out. */
  readonly reason?: string;
  /** Fields about the content; what concerns the connection is added by the server's {@link HttpStyle}. */
  readonly headers: HttpHeaders;
  readonly body: Uint8Array | readonly Uint8Array[];
}

/** How an answer's end is marked and what becomes of the connection. */
export interface HttpFraming {
  readonly keepAlive: boolean;
  readonly chunked: boolean;
  /** `undefined` where the length is not said. */
  readonly contentLength: number | undefined;
}

/** What distinguishes one server software from another: its header fields in its order, and its error pages. */
export interface HttpStyle {
  /** What the field `Date` says now. */
  readonly date: () => string;
  /** The header fields that such a server adds, in its order. */
  headers(answer: HttpAnswer, framing: HttpFraming): HttpHeaders;
  /** What it answers to a request that cannot be read. */
  errorAnswer(status: number): HttpAnswer;
}

/** What {@link serveHttp} serves, where, and within which limits. */
export interface HttpServerOptions {
  /** The address to listen at; any when left out. */
  readonly address?: Ipv4Address;
  readonly port: number;
  readonly style: HttpStyle;
  /** Answers a request. */
  readonly handler: (exchange: HttpExchange) => HttpAnswer;
  /** Whether nothing but the exchange decides what the handler answers: a request that comes again need not be asked again. */
  readonly isRepeatable?: boolean;
  /** Whether a PROXY header must stand before the first request (as with nginx's `listen … proxy_protocol`), or is no HTTP. */
  readonly proxyProtocol?: "required" | "none";
  readonly limits?: HttpLimits;
  /** How long a connection may say nothing. */
  readonly idleTimeout?: Duration;
  readonly mostConnections?: number;
  /** nginx's `listen … so_keepalive`: how its idle connections are probed. */
  readonly keepAlive?: Partial<KeepAlive>;
  /** Requests after which a connection is closed. */
  readonly mostRequests?: number;
}

/** 10 MiB a body: `client_max_body_size` of the echo server. */
const USUAL_LIMITS: HttpLimits = { body: 10 * 1024 * 1024 };
const USUAL_IDLE_TIMEOUT = seconds(75);
const USUAL_CONNECTIONS = 1024;
const USUAL_REQUESTS = 100;

/**
 * Serves HTTP/1.1: keep-alive, pipelining, bodies with a length or in chunks, `Expect: 100-continue`, HEAD. What is not HTTP
 * is answered with the style's error page and the connection closed.
 * @throws RangeError when the port is in use.
 */
export function serveHttp(host: ServerHost, options: HttpServerOptions): Server {
  const settings = {
    style: options.style,
    handler: options.handler,
    isRepeatable: options.isRepeatable ?? false,
    proxyProtocol: options.proxyProtocol ?? "none",
    limits: options.limits ?? USUAL_LIMITS,
    idleTimeout: options.idleTimeout ?? USUAL_IDLE_TIMEOUT,
    mostRequests: options.mostRequests ?? USUAL_REQUESTS,
  } as const;
  const mostConnections = options.mostConnections ?? USUAL_CONNECTIONS;
  const connections = new Set<HttpServerConnection>();
  const accept = (socket: TcpSocket): void => {
    if (connections.size >= mostConnections) return socket.close();
    const connection = new HttpServerConnection(socket, host.stack.clock, settings, () =>
      connections.delete(connection),
    );
    connections.add(connection);
  };
  const { address, port, keepAlive } = options;
  const place = { port, ...(address !== undefined && { address }), ...(keepAlive !== undefined && { keepAlive }) };
  const listener = host.stack.tcp.listen(place, accept);
  return {
    close: () => {
      listener.close();
      for (const connection of [...connections]) connection.close();
    },
  };
}
