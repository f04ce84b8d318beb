import type { TcpSocket } from "../../netstack/index.ts";
import type { CurlUrl } from "./url.ts";

/** A connection, kept or in use. */
export interface CurlConnection {
  /** The number in `#0`. */
  readonly id: number;
  readonly socket: TcpSocket;
  readonly host: string;
  readonly port: number;
}

/** Connections that may be used again. There is no more than one URL at work, so there are no more than URLs and redirects. */
export class ConnectionPool {
  readonly #info: (line: string) => void;
  readonly #kept: CurlConnection[] = [];
  #ids = 0;

  constructor(info: (line: string) => void) {
    this.#info = info;
  }

  /** The number of the connection last begun. */
  get lastId(): number {
    return this.#ids - 1;
  }

  newId(): number {
    return this.#ids++;
  }

  /** A kept connection to the URL's host that the server has not ended. */
  take(url: CurlUrl): CurlConnection | undefined {
    const index = this.#kept.findIndex((one) => one.host === url.host && one.port === url.port);
    const connection = index < 0 ? undefined : this.#kept.splice(index, 1)[0];
    if (connection === undefined) return undefined;
    this.#info(`Re-using existing connection #${connection.id} with host ${connection.host}`);
    return connection;
  }

  keep(connection: CurlConnection): void {
    this.#info(`Connection #${connection.id} to host ${connection.host} left intact`);
    // Whatever the server sends now, its FIN above all, means that the connection is over.
    const forget = (): void => {
      const index = this.#kept.indexOf(connection);
      if (index >= 0) this.#kept.splice(index, 1);
      connection.socket.close();
    };
    connection.socket.events = { onData: forget, onEnd: forget, onClose: forget };
    this.#kept.push(connection);
  }

  close(connection: CurlConnection): void {
    this.#info(`Closing connection ${connection.id}`);
    connection.socket.close();
  }
}
