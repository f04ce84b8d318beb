import type { Time, Timer } from "../sim/index.ts";
import type { Ipv4Address } from "./ipv4-address.ts";
import {
  type CloseReason,
  type KeepAlive,
  SendQueue,
  type State,
  type TcpConnection,
  type TcpInfo,
} from "./tcp/index.ts";

/** An address and a port. */
export interface TcpEndpoint {
  readonly address: Ipv4Address;
  readonly port: number;
}

/** What a socket tells its program. */
export interface TcpSocketEvents {
  /** The handshake is complete. */
  onConnect?(): void;
  /** Bytes arrived, in order. A view: valid during the call only. */
  onData?(bytes: Uint8Array): void;
  /** The peer will send no more. */
  onEnd?(): void;
  /** What was written has gone into the send buffer, after `write` had returned false. */
  onDrain?(): void;
  /** Nothing further will happen. Called once. */
  onClose?(reason: CloseReason): void;
}

/** What a socket needs of its layer: to have the connection's segments sent and its timer set after each call. */
export interface TcpSocketOwner {
  now(): Time;
  flush(socket: TcpSocket): void;
}

/** Bytes read from a connection at a time. */
const READ_SIZE = 65536;

/** One end of a TCP connection, as a program sees it. */
export class TcpSocket {
  readonly local: TcpEndpoint;
  readonly remote: TcpEndpoint;
  events: TcpSocketEvents;
  /** For the layer. */
  readonly connection: TcpConnection;
  readonly timer: Timer;
  /** The next segment's IP identification: a counter of its own for each connection (`inet_id`). */
  identification: number;
  readonly #owner: TcpSocketOwner;
  /** Written by the program and not yet in the send buffer. */
  readonly #waiting = new SendQueue();
  #ending = false;
  #closing = false;
  #paused = false;

  constructor(options: {
    readonly owner: TcpSocketOwner;
    readonly connection: TcpConnection;
    readonly timer: (socket: TcpSocket) => Timer;
    readonly local: TcpEndpoint;
    readonly remote: TcpEndpoint;
    readonly identification: number;
    readonly events: TcpSocketEvents;
  }) {
    this.#owner = options.owner;
    this.connection = options.connection;
    this.local = options.local;
    this.remote = options.remote;
    this.identification = options.identification;
    this.events = options.events;
    this.timer = options.timer(this);
    this.connection.upcalls = {
      onEstablished: () => this.events.onConnect?.(),
      onReadable: () => this.#read(),
      onWritable: () => this.#refill(),
      onPeerClosed: () => this.events.onEnd?.(),
      onClosed: (reason) => this.events.onClose?.(reason),
    };
  }

  get state(): State {
    return this.connection.state;
  }

  get info(): TcpInfo {
    return this.connection.info;
  }

  /** Sends `bytes`; the socket keeps what does not fit into the send buffer. False: wait for `onDrain` before writing more. */
  write(bytes: Uint8Array): boolean {
    if (this.#ending) throw new TypeError("Cannot write to a TCP socket: it was ended");
    if (bytes.length === 0) return this.#waiting.length === 0;
    const taken = this.#waiting.length === 0 ? this.connection.write(bytes, this.#owner.now()) : 0;
    if (taken < bytes.length) this.#waiting.append(bytes.subarray(taken));
    this.#owner.flush(this);
    return this.#waiting.length === 0;
  }

  /** Ends this direction, after what was written: FIN. Receiving goes on. */
  end(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#push();
    this.#owner.flush(this);
  }

  /** The program is done with the socket, as by close(2): what was written is delivered, what arrives from now on is answered with RST. */
  close(): void {
    this.#ending = true;
    this.#closing = true;
    this.events = {};
    this.#push();
    this.#owner.flush(this);
  }

  /** Ends the connection at once: RST. */
  destroy(): void {
    this.#ending = true;
    this.#waiting.clear();
    this.connection.abort(this.#owner.now());
    this.#owner.flush(this);
  }

  /** Probes an idle peer, as SO_KEEPALIVE does; TCP_KEEPIDLE, TCP_KEEPINTVL and TCP_KEEPCNT where they are given. */
  setKeepAlive(wanted: Partial<KeepAlive> | "off" = {}): void {
    this.connection.setKeepAlive(wanted, this.#owner.now());
    this.#owner.flush(this);
  }

  /** Acknowledges as behind a network card with receive offload: one ACK for many segments, and one whenever {@link endBatch} is called. */
  mergeReceived(): void {
    this.connection.mergeReceived();
  }

  /** What came together has all been received: it is acknowledged now. */
  endBatch(): void {
    this.connection.endBatch(this.#owner.now());
    this.#owner.flush(this);
  }

  /** Stops taking data: the receive buffer fills and the peer is told to wait. */
  pause(): void {
    this.#paused = true;
  }

  /** Goes on delivering after a pause. */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#read();
    this.#owner.flush(this);
  }

  #read(): void {
    while (!this.#paused && this.connection.readable > 0) {
      const bytes = this.connection.readView(READ_SIZE, this.#owner.now());
      if (bytes.length === 0) return;
      this.events.onData?.(bytes);
    }
  }

  #refill(): void {
    const waited = this.#waiting.length > 0;
    this.#push();
    if (waited && this.#waiting.length === 0 && !this.#ending) this.events.onDrain?.();
  }

  /** Moves what waits into the send buffer; behind the last of it the FIN. */
  #push(): void {
    const waiting = this.#waiting;
    if (waiting.length > 0) {
      const at = waiting.indexOf(waiting.first);
      waiting.drop(this.connection.write(waiting.store.subarray(at, at + waiting.length), this.#owner.now()));
      if (waiting.length > 0) return;
    }
    if (this.#closing) this.connection.release(this.#owner.now());
    else if (this.#ending) this.connection.close(this.#owner.now());
  }
}
