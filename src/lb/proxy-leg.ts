import type { CloseReason, TcpEndpoint, TcpSocket } from "../netstack/index.ts";

/** What one connection of a proxied session tells. */
export interface LegEvents {
  onData(bytes: Uint8Array): void;
  /** The peer will send no more, and all it sent was delivered. */
  onEnd(): void;
  /** There is room again after `write` returned false. */
  onDrain(): void;
  /** The connection broke: everything but an orderly end. */
  onBroken(reason: CloseReason): void;
}

/** One of the two connections of a proxied session: a socket whose end is told after its data also while it is paused. */
export class ProxyLeg {
  events: LegEvents | undefined;
  readonly #socket: TcpSocket;
  #peerEnded = false;
  #endTold = false;
  #ending = false;
  #gone = false;
  /** What was written while the leg is corked; `undefined` while it is not. */
  #held: Uint8Array[] | undefined;

  constructor(socket: TcpSocket) {
    this.#socket = socket;
    // Proxies do: what one side sent must not wait here for the other side's delayed ACK.
    socket.connection.noDelay = true;
    socket.events = {
      onData: (bytes) => this.events?.onData(bytes),
      onEnd: () => {
        this.#peerEnded = true;
        this.#tellEnd();
      },
      onDrain: () => this.events?.onDrain(),
      onClose: (reason) => {
        if (reason === "closed" || this.#gone) return;
        this.#gone = true;
        this.events?.onBroken(reason);
      },
    };
  }

  get local(): TcpEndpoint {
    return this.#socket.local;
  }

  get remote(): TcpEndpoint {
    return this.#socket.remote;
  }

  /** False: the send buffer is full, wait for `onDrain`. What cannot be sent any more is dropped. */
  write(bytes: Uint8Array): boolean {
    if (this.#ending || this.#gone) return true;
    if (this.#held === undefined) return this.#socket.write(bytes);
    this.#held.push(bytes);
    return true;
  }

  /** Holds what is written from now on, so that what belongs together leaves in one piece. */
  cork(): void {
    this.#held ??= [];
  }

  /** Writes what was held; the answer is that of {@link write}. */
  uncork(): boolean {
    const held = this.#held ?? [];
    this.#held = undefined;
    const [first] = held;
    if (first === undefined) return true;
    return this.write(held.length === 1 ? first : concatenated(held));
  }

  /** FIN after what was written; receiving goes on. */
  end(): void {
    if (this.#ending || this.#gone) return;
    this.uncork();
    this.#ending = true;
    this.#socket.end();
  }

  /** Lets go of the connection, as close(2): what was written is still delivered. Tells nothing more. */
  close(): void {
    if (this.#gone) return;
    this.uncork();
    this.#gone = true;
    this.events = undefined;
    this.#socket.close();
  }

  /** RST. Tells nothing more. */
  destroy(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.events = undefined;
    this.#socket.destroy();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    if (this.#gone) return;
    this.#socket.resume();
    this.#tellEnd();
  }

  #tellEnd(): void {
    if (!this.#peerEnded || this.#endTold || this.#gone || this.#socket.connection.readable > 0) return;
    this.#endTold = true;
    this.events?.onEnd();
  }
}

function concatenated(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
