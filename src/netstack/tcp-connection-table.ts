import type { TcpConnection } from "./tcp/index.ts";
import type { TcpEndpoint, TcpSocket } from "./tcp-socket.ts";

/** A host's TCP sockets by their two endpoints, which are mixed into one word: a key that costs no object. */
export class TcpConnectionTable {
  /** Sockets whose endpoints give the same word; almost always one. */
  readonly #byFlow = new Map<number, TcpSocket[]>();
  readonly #byConnection = new Map<TcpConnection, TcpSocket>();

  find(local: TcpEndpoint, remote: TcpEndpoint): TcpSocket | undefined {
    const sockets = this.#byFlow.get(flowOf(local, remote));
    if (sockets === undefined) return undefined;
    for (let i = 0; i < sockets.length; i++) {
      const socket = sockets[i] as TcpSocket;
      if (isSame(socket.local, local) && isSame(socket.remote, remote)) return socket;
    }
    return undefined;
  }

  of(connection: TcpConnection): TcpSocket | undefined {
    return this.#byConnection.get(connection);
  }

  /** Takes the place of another socket with these endpoints. */
  add(socket: TcpSocket): void {
    const flow = flowOf(socket.local, socket.remote);
    const before = this.find(socket.local, socket.remote);
    const others = (this.#byFlow.get(flow) ?? []).filter((other) => other !== before);
    this.#byFlow.set(flow, [...others, socket]);
    this.#byConnection.set(socket.connection, socket);
  }

  /** Takes a socket out; false when it was not there, or another one has taken its place. */
  remove(socket: TcpSocket): boolean {
    const isOut = this.#byConnection.delete(socket.connection) && this.find(socket.local, socket.remote) === socket;
    const flow = flowOf(socket.local, socket.remote);
    const left = (this.#byFlow.get(flow) ?? []).filter((other) => other !== socket);
    if (left.length > 0) this.#byFlow.set(flow, left);
    else this.#byFlow.delete(flow);
    return isOut;
  }

  list(): TcpSocket[] {
    return [...this.#byConnection.values()];
  }
}

/** Both endpoints in one signed word, well mixed. */
export function flowOf(local: TcpEndpoint, remote: TcpEndpoint): number {
  let mixed = Math.imul(local.address ^ Math.imul(local.port, 0x9e3779b1), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13) ^ remote.address, 0xc2b2ae35);
  return Math.imul(mixed ^ (mixed >>> 16) ^ remote.port, 0x27d4eb2f);
}

function isSame(a: TcpEndpoint, b: TcpEndpoint): boolean {
  return a.port === b.port && a.address === b.address;
}
