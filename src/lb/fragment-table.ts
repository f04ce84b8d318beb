import type { Packet } from "../netstack/index.ts";
import { after, type Clock, seconds, type Time } from "../sim/index.ts";
import type { Backend } from "./backend-pool.ts";

/** net.ipv4.ipfrag_time: as long as the receiver waits for the other pieces. */
const LIFETIME = seconds(30);

interface Note {
  readonly backend: Backend;
  readonly destination: number;
  readonly protocol: number;
  readonly until: Time;
}

/**
 * Where first fragments went, so that the later ones, which have no ports, can follow: the fragment table of Maglev §4.3. The oldest note gives way
 * when it is full.
 */
export class FragmentTable {
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #notes = new Map<number, Note>();

  constructor(clock: Clock, limit = 4096) {
    this.#clock = clock;
    this.#limit = limit;
  }

  /** Notes where the first fragment of a datagram goes. */
  note(first: Packet, backend: Backend): void {
    const key = keyOf(first);
    this.#notes.delete(key);
    const until = after(this.#clock.now(), LIFETIME);
    this.#notes.set(key, { backend, destination: first.destination, protocol: first.protocol, until });
    if (this.#notes.size <= this.#limit) return;
    const [oldest] = this.#notes.keys();
    if (oldest !== undefined) this.#notes.delete(oldest);
  }

  /** The backend that got the first fragment of the same datagram. */
  find(later: Packet): Backend | undefined {
    const note = this.#notes.get(keyOf(later));
    if (note === undefined || note.until <= this.#clock.now()) return undefined;
    return note.destination === later.destination && note.protocol === later.protocol ? note.backend : undefined;
  }
}

/** Source and identification: 48 bits. Destination and protocol are compared in the note. */
function keyOf(packet: Packet): number {
  return packet.source * 0x10000 + packet.identification;
}
