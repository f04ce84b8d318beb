import { after, type Clock, type FramePool, seconds, type Timer } from "../sim/index.ts";
import type { DropReason } from "./drop.ts";
import { join } from "./fragment.ts";
import type { Packet } from "./packet.ts";
import { readIpv4Header } from "./wire/ipv4.ts";

/** net.ipv4.ipfrag_time. */
const TIMEOUT = seconds(30);
/** net.ipv4.ipfrag_high_thresh: bytes of memory that incomplete datagrams may hold, the buffers counted whole (`skb->truesize`). */
const MEMORY_LIMIT = 4 * 1024 * 1024;
const LONGEST_DATAGRAM = 65535;

interface Incomplete {
  readonly key: string;
  readonly timer: Timer;
  /** Sorted by offset, without overlap. */
  pieces: { readonly packet: Packet; readonly offset: number; readonly length: number }[];
  /** Payload bytes of the whole datagram, once its last piece was seen. */
  total: number | undefined;
  /** Payload bytes that are here. */
  bytes: number;
  /** Bytes of the buffers they are in. */
  memory: number;
}

export interface ReassemblyEvents {
  drop(packet: Packet, reason: DropReason): void;
  /** A datagram whose first piece is `first` was not completed in time. Called before its pieces are dropped. */
  timedOut(first: Packet): void;
}

/**
 * Puts fragmented datagrams together (RFC 791 §3.2, RFC 815), as net/ipv4/ip_fragment.c does: a piece that overlaps another ends the whole datagram
 * (RFC 5722), one that repeats another is dropped, memory and time are bounded.
 */
export class Reassembler {
  readonly #clock: Clock;
  readonly #frames: FramePool;
  readonly #events: ReassemblyEvents;
  readonly #incomplete = new Map<string, Incomplete>();
  #memory = 0;

  constructor(clock: Clock, frames: FramePool, events: ReassemblyEvents) {
    this.#clock = clock;
    this.#frames = frames;
    this.#events = events;
  }

  /** Takes a fragment; returns the whole datagram when this one completed it. */
  add(packet: Packet): Packet | undefined {
    const header = readIpv4Header(packet.bytes, packet.ip);
    const key = `${header.source} ${header.destination} ${header.identification} ${header.protocol}`;
    if (this.#memory > MEMORY_LIMIT) {
      this.#events.drop(packet, "reassembly-queue-full");
      return undefined;
    }
    const datagram = this.#incomplete.get(key) ?? this.#begin(key);
    const length = packet.end - packet.transport;
    const fault = insert(datagram, { packet, offset: header.fragmentOffset, length }, header.moreFragments);
    if (fault === "duplicate") {
      this.#events.drop(packet, "reassembly-failed");
      return undefined;
    }
    if (fault === "broken") {
      this.#events.drop(packet, "reassembly-failed");
      this.#abandon(datagram, "reassembly-failed");
      return undefined;
    }
    datagram.bytes += length;
    datagram.memory += packet.bytes.length;
    this.#memory += packet.bytes.length;
    return this.#complete(datagram);
  }

  #begin(key: string): Incomplete {
    const timer = this.#clock.timer(() => this.#expire(datagram), "protocol");
    const datagram: Incomplete = { key, timer, pieces: [], total: undefined, bytes: 0, memory: 0 };
    timer.set(after(this.#clock.now(), TIMEOUT));
    this.#incomplete.set(key, datagram);
    return datagram;
  }

  #complete(datagram: Incomplete): Packet | undefined {
    if (datagram.total === undefined || datagram.bytes < datagram.total) return undefined;
    this.#forget(datagram);
    const pieces = datagram.pieces.map((piece) => piece.packet);
    const whole = join(pieces, datagram.total, this.#frames);
    for (const piece of pieces) piece.frame.release();
    return whole;
  }

  #expire(datagram: Incomplete): void {
    const first = datagram.pieces[0];
    if (first !== undefined && first.offset === 0) this.#events.timedOut(first.packet);
    this.#abandon(datagram, "reassembly-timeout");
  }

  #abandon(datagram: Incomplete, reason: DropReason): void {
    this.#forget(datagram);
    for (const piece of datagram.pieces) this.#events.drop(piece.packet, reason);
  }

  #forget(datagram: Incomplete): void {
    datagram.timer.cancel();
    this.#incomplete.delete(datagram.key);
    this.#memory -= datagram.memory;
  }
}

/** Puts `piece` in its place. "broken" when it contradicts the pieces that are there or makes the datagram too long. */
function insert(
  datagram: Incomplete,
  piece: Incomplete["pieces"][number],
  moreFollow: boolean,
): "duplicate" | "broken" | undefined {
  const end = piece.offset + piece.length;
  if (piece.length === 0 || (moreFollow && piece.length % 8 !== 0) || end > LONGEST_DATAGRAM) return "broken";
  if (datagram.total !== undefined && (end > datagram.total || (!moreFollow && end !== datagram.total)))
    return "broken";
  const place = datagram.pieces.findIndex((other) => other.offset >= piece.offset);
  const at = place < 0 ? datagram.pieces.length : place;
  const next = datagram.pieces[at];
  const previous = datagram.pieces[at - 1];
  if (next !== undefined && next.offset === piece.offset && next.length === piece.length) return "duplicate";
  if (next !== undefined && end > next.offset) return "broken";
  if (previous !== undefined && previous.offset + previous.length > piece.offset) return "broken";
  if (!moreFollow) datagram.total = end;
  if (!moreFollow && next !== undefined) return "broken";
  datagram.pieces.splice(at, 0, piece);
  return undefined;
}
