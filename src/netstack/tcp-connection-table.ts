import type { TcpConnection } from "./tcp/index.ts";
import type { TcpEndpoint, TcpSocket } from "./tcp-socket.ts";

/** A host's TCP sockets by their two endpoints. An endpoint fits exactly into one number, which makes a fast key. */
export class TcpConnectionTable {
  readonly #byLocal = new Map<number, Map<number, TcpSocket>>();
  readonly #byConnection = new Map<TcpConnection, TcpSocket>();

  find(local: TcpEndpoint, remote: TcpEndpoint): TcpSocket | undefined {
    return this.#byLocal.get(key(local))?.get(key(remote));
  }

  of(connection: TcpConnection): TcpSocket | undefined {
    return this.#byConnection.get(connection);
  }

  add(socket: TcpSocket): void {
    const remotes = this.#byLocal.get(key(socket.local)) ?? new Map<number, TcpSocket>();
    remotes.set(key(socket.remote), socket);
    this.#byLocal.set(key(socket.local), remotes);
    this.#byConnection.set(socket.connection, socket);
  }

  /** Takes a socket out; no effect when another one has taken its place. */
  remove(socket: TcpSocket): void {
    this.#byConnection.delete(socket.connection);
    const remotes = this.#byLocal.get(key(socket.local));
    if (remotes?.get(key(socket.remote)) !== socket) return;
    remotes.delete(key(socket.remote));
    if (remotes.size === 0) this.#byLocal.delete(key(socket.local));
  }

  list(): TcpSocket[] {
    return [...this.#byConnection.values()];
  }
}

function key(endpoint: TcpEndpoint): number {
  return endpoint.address * 65536 + endpoint.port;
}
