import type { Random, Time } from "../../sim/index.ts";
import { TcpFlag } from "../wire/tcp.ts";
import { type PassiveOpener, TcpConnection } from "./connection.ts";
import { has, resetFor, type Segment } from "./segment.ts";
import type { Seq } from "./seq.ts";
import type { TcpSettings } from "./settings.ts";

/** What a listener does with a segment: a new connection, to be entered in the owner's table and drained; a RST to send; or nothing. */
export type Heard =
  | { readonly kind: "connection"; readonly connection: TcpConnection }
  | { readonly kind: "reset"; readonly segment: Segment }
  | { readonly kind: "dropped"; readonly reason: ListenerDrop };

export type ListenerDrop = "tcp-reset" | "tcp-without-ack" | "tcp-syn-queue-full" | "tcp-accept-queue-full";

export interface TcpListenerOptions {
  readonly random: Random;
  readonly settings: TcpSettings;
  /** Handshakes under way at most; complete connections that wait for `accept` at most, and one more (as in Linux). */
  readonly backlog: number;
  /** A connection waits for {@link TcpListener.accept}. */
  readonly onConnection?: () => void;
}

/** A passive opener (RFC 9293 §3.10.7.2): LISTEN itself, the handshakes under way and the connections that no program has accepted yet. */
export class TcpListener implements PassiveOpener {
  readonly #options: TcpListenerOptions;
  readonly #underWay = new Set<TcpConnection>();
  readonly #complete: TcpConnection[] = [];

  constructor(options: TcpListenerOptions) {
    this.#options = options;
  }

  /** A segment for which there is no connection. `iss` comes from `reopenSequence` when the SYN replaces a connection in TIME-WAIT. */
  receive(segment: Segment, now: Time, path: { readonly mtu: number; readonly iss?: Seq | undefined }): Heard {
    if (has(segment, TcpFlag.rst)) return { kind: "dropped", reason: "tcp-reset" };
    if (has(segment, TcpFlag.ack)) {
      const reset = resetFor(segment);
      return reset === undefined ? { kind: "dropped", reason: "tcp-reset" } : { kind: "reset", segment: reset };
    }
    if (!has(segment, TcpFlag.syn)) return { kind: "dropped", reason: "tcp-without-ack" };
    if (!this.admits()) return { kind: "dropped", reason: "tcp-accept-queue-full" };
    if (this.#underWay.size >= Math.max(1, this.#options.backlog))
      return { kind: "dropped", reason: "tcp-syn-queue-full" };
    const { random, settings } = this.#options;
    const connection = new TcpConnection({ random, settings, mtu: path.mtu, now });
    this.#underWay.add(connection);
    connection.answer(segment, now, this, path.iss);
    return { kind: "connection", connection };
  }

  /** The connection that has waited longest, for the program; it sets its upcalls and looks what there is to read. */
  accept(): TcpConnection | undefined {
    return this.#complete.shift();
  }

  /** Connections that wait for `accept`. */
  get waiting(): number {
    return this.#complete.length;
  }

  /** Stops listening. Returns the connections that nobody will accept, aborted: the owner drains and forgets them. */
  close(now: Time): readonly TcpConnection[] {
    const abandoned = [...this.#underWay, ...this.#complete];
    this.#underWay.clear();
    this.#complete.length = 0;
    for (const connection of abandoned) connection.abort(now);
    return abandoned;
  }

  /** Whether one more complete connection may wait (`sk_acceptq_is_full`). */
  admits(): boolean {
    return this.#complete.length <= this.#options.backlog;
  }

  completed(connection: TcpConnection): void {
    this.#underWay.delete(connection);
    this.#complete.push(connection);
    this.#options.onConnection?.();
  }

  failed(connection: TcpConnection): void {
    this.#underWay.delete(connection);
  }
}
