import {
  formatIpv4,
  type Ipv4Address,
  type Stack,
  type TcpEndpoint,
  type TcpServer,
  type TcpSocket,
} from "../netstack/index.ts";
import { seconds } from "../sim/index.ts";
import { type Backend, type BackendPool, describeBackend } from "./backend-pool.ts";
import { type Balancer, describeMethod } from "./balancer.ts";
import type { ForwardingHeaders } from "./forwarding-headers.ts";
import { HttpSession } from "./http-session.ts";
import type { AcceptProxy } from "./proxy-header.ts";
import { ProxyLeg } from "./proxy-leg.ts";
import type { ProxyEvent, ProxyEventDetail, ProxySession, ProxyTimeouts, SessionOptions } from "./proxy-session.ts";
import { TcpSession } from "./tcp-session.ts";

/** HAProxy's usual settings: a minute or less for everything. */
export const DEFAULT_PROXY_TIMEOUTS: ProxyTimeouts = {
  connect: seconds(5),
  request: seconds(10),
  response: seconds(50),
  idle: seconds(50),
  linger: seconds(5),
};

export interface ProxyOptions {
  readonly name: string;
  readonly stack: Stack;
  /** Where clients call; any address of the host when it is left out. */
  readonly listen: { readonly address?: Ipv4Address; readonly port: number };
  readonly pool: BackendPool;
  readonly balancer: Balancer;
  /** "tcp" carries bytes; "http" understands requests, and says in headers who asked. */
  readonly mode: { readonly kind: "tcp" } | { readonly kind: "http"; readonly forwarding?: ForwardingHeaders };
  /** Tells backends of the client with a PROXY header at the start of each connection. */
  readonly sendProxy?: "v1" | "v2";
  /** "never" unless told. */
  readonly acceptProxy?: AcceptProxy;
  /** The address of the proxy's own connections; by the route when left out. */
  readonly from?: Ipv4Address;
  /** Other backends tried when one does not take a connection: 3 unless told. */
  readonly retries?: number;
  /** Sessions at a time; one more is reset. 10,000 unless told. */
  readonly maxConnections?: number;
  readonly timeouts?: Partial<ProxyTimeouts>;
  /** Most bytes of one HTTP body: 1 GiB unless told. */
  readonly bodyLimit?: number;
  readonly onEvent?: (event: ProxyEvent) => void;
}

export interface ProxyCounters {
  sessions: number;
  refused: number;
  connectFailures: number;
  requests: number;
  /** Responses that the proxy gave itself. */
  ownResponses: number;
}

/**
 * A load balancer that ends the client's connection and opens its own to a backend: two TCP connections with nothing in common but the bytes. What
 * the backend learns about the client is what the proxy tells it.
 */
export class ProxyBalancer {
  readonly counters: ProxyCounters = { sessions: 0, refused: 0, connectFailures: 0, requests: 0, ownResponses: 0 };
  readonly #options: ProxyOptions;
  readonly #sessionOptions: SessionOptions;
  readonly #sessions = new Set<ProxySession>();
  #numbers = 0;
  #server: TcpServer | undefined;
  #unobserve: (() => void) | undefined;

  constructor(options: ProxyOptions) {
    this.#options = options;
    const { name: service, stack, pool, balancer, mode, retries = 3, from, sendProxy, acceptProxy = "never" } = options;
    const timeouts = { ...DEFAULT_PROXY_TIMEOUTS, ...options.timeouts };
    this.#sessionOptions = {
      dial: { stack, service, pool, balancer, retries, connectTimeout: timeouts.connect, from, sendProxy },
      acceptProxy,
      forwarding: (mode.kind === "http" ? mode.forwarding : undefined) ?? { style: "none" },
      timeouts,
      bodyLimit: options.bodyLimit ?? 2 ** 30,
    };
  }

  /** Sessions at the moment. */
  get active(): number {
    return this.#sessions.size;
  }

  /** Begins to listen. @throws RangeError when the port is in use. */
  start(): void {
    const { stack, listen, pool } = this.#options;
    this.#server = stack.tcp.listen(listen, (socket) => this.#accept(socket));
    this.#unobserve = pool.observe(({ backend, to }) => {
      if (to === "removed") this.#abortThose(backend);
    });
  }

  /** Listens no more and cuts what is there. */
  stop(): void {
    this.#server?.close();
    this.#server = undefined;
    this.#unobserve?.();
    for (const session of [...this.#sessions]) session.abort("the proxy stopped");
  }

  /** The proxy, its backends and its counts, for people. */
  describe(): readonly string[] {
    const { name, listen, pool, balancer } = this.#options;
    const { sessions, refused, requests, connectFailures, ownResponses } = this.counters;
    const where = `${listen.address === undefined ? "*" : formatIpv4(listen.address)}:${listen.port}`;
    return [
      `${name}: ${where}, ${describeMethod(balancer.method)}, ${this.#describeMode()}`,
      ...pool.backends.map((backend) => `  ${describeBackend(backend)}`),
      `${this.active} sessions now, ${sessions} in all, ${refused} refused; ${requests} requests, ${ownResponses} answered by the proxy; ${connectFailures} failed connections to backends`,
    ];
  }

  #describeMode(): string {
    const { mode, sendProxy, acceptProxy } = this.#options;
    const told = mode.kind === "http" ? FORWARDING[mode.forwarding?.style ?? "none"] : "";
    const sent = sendProxy === undefined ? "" : `, PROXY ${sendProxy} to backends`;
    const taken =
      acceptProxy === undefined || acceptProxy === "never" ? "" : `, PROXY header ${acceptProxy} from clients`;
    return `ends the client's connection and opens its own (${mode.kind}${told}${sent}${taken})`;
  }

  #accept(socket: TcpSocket): void {
    const { maxConnections = 10_000, mode } = this.#options;
    const origin = { client: socket.remote, server: socket.local };
    this.#numbers += 1;
    const number = this.#numbers;
    const emit = (event: ProxyEventDetail, of = origin): void => this.#note({ ...event, session: number, origin: of });
    if (this.#sessions.size >= maxConnections) {
      emit({ kind: "refused", reason: `${maxConnections} sessions are the most` });
      socket.destroy();
      return;
    }
    this.counters.sessions += 1;
    emit({ kind: "accepted" });
    const create = mode.kind === "http" ? HttpSession : TcpSession;
    const session: ProxySession = new create(new ProxyLeg(socket), this.#sessionOptions, {
      emit,
      ended: () => this.#sessions.delete(session),
    });
    this.#sessions.add(session);
    session.start();
  }

  #note(event: ProxyEvent): void {
    const { counters } = this;
    if (event.kind === "refused") counters.refused += 1;
    if (event.kind === "connect-failed") counters.connectFailures += 1;
    if (event.kind === "request") counters.requests += 1;
    if (event.kind === "response" && event.by === "proxy") counters.ownResponses += 1;
    this.#options.onEvent?.(event);
  }

  #abortThose(backend: Backend): void {
    for (const session of [...this.#sessions]) {
      if (session.backend === backend) session.abort(`backend ${backend.name} was removed`);
    }
  }
}

const FORWARDING = { none: "", "x-forwarded": ", X-Forwarded-For", forwarded: ", Forwarded" } as const;

/** One line for people: who called, and which connection carries it on. */
export function describeProxyEvent(event: ProxyEvent): string {
  const client = endpointText(event.origin.client);
  switch (event.kind) {
    case "accepted":
      return `${client} connected to ${endpointText(event.origin.server)}`;
    case "refused":
      return `${client} was refused: ${event.reason}`;
    case "connected":
      return `a new connection ${endpointText(event.local)} > ${endpointText(event.remote)} (${event.backend.name}) carries ${client}`;
    case "connect-failed":
      return `${event.backend.name} did not take a connection for ${client}: ${event.reason}`;
    case "request":
      return `${event.method} ${event.target} of ${client} goes to ${event.backend.name}`;
    case "response":
      return `${client} gets ${event.status} from the ${event.by}`;
    case "ended":
      return `the session of ${client} is over: ${event.reason}`;
  }
}

function endpointText(endpoint: TcpEndpoint): string {
  return `${formatIpv4(endpoint.address)}:${endpoint.port}`;
}
