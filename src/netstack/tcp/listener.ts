import type { Random, Time } from "../../sim/index.ts";
import { TcpFlag } from "../wire/tcp.ts";
import { type PassiveOpener, TcpConnection } from "./connection.ts";
import { has, resetFor, type Segment } from "./segment.ts";
import { type Seq, seqAdd } from "./seq.ts";
import type { TcpSettings } from "./settings.ts";
import { SynCookies } from "./syn-cookies.ts";

/** What a listener does with a segment: a new connection, to be entered in the owner's table and drained; a segment to send; or nothing. */
export type Heard =
  | { readonly kind: "connection"; readonly connection: TcpConnection }
  /** A connection that began with a SYN cookie: enter it, then give it the segment, which completes the handshake. */
  | { readonly kind: "resumed"; readonly connection: TcpConnection }
  /** A SYN-ACK of which nothing is kept. */
  | { readonly kind: "cookie"; readonly segment: Segment }
  | { readonly kind: "reset"; readonly segment: Segment }
  | { readonly kind: "dropped"; readonly reason: ListenerDrop };

export type ListenerDrop =
  | "tcp-bad-handshake"
  | "tcp-reset"
  | "tcp-without-ack"
  | "tcp-syn-queue-full"
  | "tcp-accept-queue-full";

/** What the owner knows of a segment's way. */
export interface SegmentPath {
  readonly mtu: number;
  /** Stands for both endpoints in SYN cookies. */
  readonly flow: number;
  /** From `reopenSequence`, when the SYN replaces a connection in TIME-WAIT. */
  readonly iss?: Seq | undefined;
}

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
  readonly #cookies: SynCookies;

  constructor(options: TcpListenerOptions) {
    this.#options = options;
    this.#cookies = new SynCookies(options);
  }

  /** A segment for which there is no connection. */
  receive(segment: Segment, now: Time, path: SegmentPath): Heard {
    if (has(segment, TcpFlag.rst)) return { kind: "dropped", reason: "tcp-reset" };
    if (has(segment, TcpFlag.ack)) return this.#resume(segment, now, path) ?? refuse(segment);
    if (!has(segment, TcpFlag.syn)) return { kind: "dropped", reason: "tcp-without-ack" };
    // No program sends SYN and FIN at once; scanners do (`tcp_rcv_state_process`).
    if (has(segment, TcpFlag.fin)) return { kind: "dropped", reason: "tcp-bad-handshake" };
    if (!this.admits()) return { kind: "dropped", reason: "tcp-accept-queue-full" };
    const { random, settings } = this.#options;
    if (this.#wantsCookie()) {
      if (settings.synCookies === "off" || path.iss !== undefined)
        return { kind: "dropped", reason: "tcp-syn-queue-full" };
      return { kind: "cookie", segment: this.#cookies.answer(segment, path, now) };
    }
    const connection = new TcpConnection({ random, settings, mtu: path.mtu, now });
    this.#underWay.add(connection);
    connection.answer(segment, now, this, path.iss);
    return { kind: "connection", connection };
  }

  /** No more handshakes are kept (`tcp_conn_request`, net/ipv4/tcp_input.c). */
  #wantsCookie(): boolean {
    const { settings, backlog } = this.#options;
    const { synCookies, mostHandshakes } = settings;
    if (synCookies === "always" || this.#underWay.size >= Math.max(1, backlog)) return true;
    return synCookies === "off" && mostHandshakes - this.#underWay.size < mostHandshakes >>> 2;
  }

  /** The connection whose SYN was answered with a cookie, if `ack` brings a right one (`cookie_v4_check`). */
  #resume(ack: Segment, now: Time, path: SegmentPath): Heard | undefined {
    if (has(ack, TcpFlag.syn)) return undefined;
    const syn = this.#cookies.synOf(ack, path.flow, now);
    if (syn === undefined) return undefined;
    if (!this.admits()) return { kind: "dropped", reason: "tcp-accept-queue-full" };
    const { random, settings } = this.#options;
    const timestampOffset = this.#cookies.timestampOffset(path.flow);
    const connection = new TcpConnection({ random, settings, mtu: path.mtu, now, timestampOffset });
    connection.resume(syn, now, this, seqAdd(ack.acknowledgment, -1));
    return { kind: "resumed", connection };
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

function refuse(segment: Segment): Heard {
  const reset = resetFor(segment);
  return reset === undefined ? { kind: "dropped", reason: "tcp-reset" } : { kind: "reset", segment: reset };
}
