import {
  type CloseReason,
  type ConnectionEnds,
  IpProtocol,
  type Ipv4Address,
  type Stack,
  type TcpEndpoint,
  type TcpSocket,
} from "../netstack/index.ts";
import { after, type Duration, type Timer } from "../sim/index.ts";
import type { Backend, BackendPool } from "./backend-pool.ts";
import type { Balancer } from "./balancer.ts";
import { emitProxyHeader, type ProxyOrigin } from "./proxy-header.ts";
import { ProxyLeg } from "./proxy-leg.ts";

/** How a proxy reaches its backends. */
export interface DialOptions {
  readonly stack: Stack;
  /** The proxy's name. */
  readonly service: string;
  readonly pool: BackendPool;
  readonly balancer: Balancer;
  /** How many other backends are tried when one does not take the connection. */
  readonly retries: number;
  readonly connectTimeout: Duration;
  /** The proxy's own address on its connections to backends; by the route when `undefined`. */
  readonly from: Ipv4Address | undefined;
  /** Whether each connection begins with a PROXY header. */
  readonly sendProxy: "v1" | "v2" | undefined;
}

/** A connection to a backend, the PROXY header sent if there is one. */
export interface Dialled {
  readonly backend: Backend;
  readonly leg: ProxyLeg;
}

/** Why there is none: nobody eligible, or nobody took it; the last attempt's reason. */
export interface DialFailure {
  readonly tried: number;
  readonly reason: string;
}

export interface DialEvents {
  /** Called once, unless the dial is cancelled. */
  done(result: Dialled | DialFailure): void;
  /** One backend did not take the connection. */
  failed(backend: Backend, reason: string): void;
}

/** Opens a connection to a backend for one client: the balancer's pick, then other backends while it fails. */
export class BackendDial {
  readonly #options: DialOptions;
  readonly #origin: ProxyOrigin;
  readonly #events: DialEvents;
  readonly #tried = new Set<Backend>();
  readonly #timer: Timer;
  #socket: TcpSocket | undefined;
  #current: Backend | undefined;
  #cancelled = false;
  #lastReason = "no backend is eligible";

  constructor(options: DialOptions, origin: ProxyOrigin, events: DialEvents) {
    this.#options = options;
    this.#origin = origin;
    this.#events = events;
    this.#timer = options.stack.clock.timer(() => this.#attemptFailed("connection timed-out"));
    this.#attempt();
  }

  /** The client is not interested any more. */
  cancel(): void {
    this.#cancelled = true;
    this.#timer.cancel();
    this.#dropSocket();
  }

  #attempt(): void {
    const { stack, pool, balancer, retries, connectTimeout, from } = this.#options;
    const { client, server } = this.#origin;
    const flow = {
      protocol: IpProtocol.tcp,
      source: client.address,
      sourcePort: client.port,
      destination: server.address,
      destinationPort: server.port,
    };
    const left = pool.eligible.filter((backend) => !this.#tried.has(backend));
    const backend = this.#tried.size > retries ? undefined : balancer.pick(flow, left);
    if (backend === undefined) return this.#finish({ tried: this.#tried.size, reason: this.#lastReason });
    this.#tried.add(backend);
    this.#current = backend;
    this.#timer.set(after(stack.clock.now(), connectTimeout));
    const to = { to: backend.address, port: backend.port ?? server.port, ...(from !== undefined && { from }) };
    const socket = stack.tcp.connect(to, {
      onConnect: () => this.#connected(backend),
      onClose: (reason: CloseReason) => this.#attemptFailed(`connection ${reason}`),
    });
    if (typeof socket === "string") return this.#attemptFailed(socket);
    this.#socket = socket;
    this.#tell(backend, socket);
  }

  /** Nothing in the packets says which connection of the proxy's carries which client. */
  #tell({ name: backend }: Backend, { local, remote }: TcpSocket): void {
    const { stack, service } = this.#options;
    if (!stack.host.events.active) return;
    const { client, server } = this.#origin;
    const ends = (from: TcpEndpoint, to: TcpEndpoint): ConnectionEnds => ({
      source: from.address,
      sourcePort: from.port,
      destination: to.address,
      destinationPort: to.port,
    });
    const joined = { client: ends(client, server), own: ends(local, remote) };
    stack.host.emit(0, { kind: "proxied", protocol: "tcp", service, backend, ...joined });
  }

  #connected(backend: Backend): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    this.#socket = undefined;
    const leg = new ProxyLeg(socket);
    const { sendProxy, pool } = this.#options;
    pool.opened(backend);
    // The header goes out with the first data if there is some already, as HAProxy sends it with MSG_MORE.
    leg.cork();
    if (sendProxy !== undefined) leg.write(emitProxyHeader(sendProxy, this.#origin));
    this.#finish({ backend, leg });
    leg.uncork();
  }

  #attemptFailed(reason: string): void {
    const backend = this.#current;
    if (backend === undefined) return;
    this.#current = undefined;
    this.#lastReason = reason;
    this.#dropSocket();
    this.#options.pool.failed(backend);
    this.#events.failed(backend, reason);
    // Who was told may have cancelled.
    if (!this.#cancelled) this.#attempt();
  }

  #finish(result: Dialled | DialFailure): void {
    this.#timer.cancel();
    this.#events.done(result);
  }

  #dropSocket(): void {
    const socket = this.#socket;
    this.#socket = undefined;
    if (socket === undefined) return;
    socket.events = {};
    socket.destroy();
  }
}
