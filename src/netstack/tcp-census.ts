import type { TcpSettings } from "./tcp/index.ts";
import type { TcpSocket } from "./tcp-socket.ts";

/** What becomes of a connection that no program holds: its peer has not let go yet, or nothing but old segments can still come. */
type Afterlife = "orphan" | "waiting";

/** Counts a host's connections that outlive their programs, so that a peer cannot make them as many as it likes. */
export class TcpCensus {
  readonly #counts: Record<Afterlife, number> = { orphan: 0, waiting: 0 };
  readonly #known = new Map<TcpSocket, Afterlife>();

  /** Looks at a connection whose state may have changed. True when there are more like it than Linux would keep (`tcp_check_oom`, `tcp_time_wait`). */
  isOneTooMany(socket: TcpSocket, settings: TcpSettings): boolean {
    const { connection } = socket;
    const now = connection.isOrphan ? "orphan" : connection.isWaiting ? "waiting" : undefined;
    if (now === this.#known.get(socket)) return false;
    this.forget(socket);
    if (now === undefined) return false;
    this.#known.set(socket, now);
    this.#counts[now] += 1;
    return this.#counts[now] > (now === "orphan" ? settings.mostOrphans : settings.mostTimeWaits);
  }

  forget(socket: TcpSocket): void {
    const before = this.#known.get(socket);
    if (before === undefined) return;
    this.#known.delete(socket);
    this.#counts[before] -= 1;
  }
}
