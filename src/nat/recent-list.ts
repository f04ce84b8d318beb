import type { Time } from "../sim/index.ts";

/** `ip_list_tot`: entries of one list. */
const ENTRIES = 100;
/** `ip_pkt_list_tot`: sightings of one entry. */
const STAMPS = 20;

/** An address in a list: when it was seen, the latest last, and the TTL it had then. */
export interface RecentEntry {
  ttl: number;
  readonly stamps: Time[];
}

/** One list of xt_recent: addresses, each with its last sightings; the one that was touched longest ago makes room. */
export class RecentList {
  /** In the order in which they were touched. */
  readonly #entries = new Map<number, RecentEntry>();
  #stamps = STAMPS;

  /** A rule wants to count so many sightings. */
  reserve(hitcount: number): void {
    if (hitcount > this.#stamps) this.#stamps = hitcount;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(address: number): RecentEntry | undefined {
    return this.#entries.get(address);
  }

  add(address: number, ttl: number, now: Time): RecentEntry {
    if (this.#entries.size >= ENTRIES) this.#removeOldest();
    const entry = { ttl, stamps: [now] };
    this.#entries.set(address, entry);
    return entry;
  }

  /** Notes another sighting. */
  update(address: number, entry: RecentEntry, now: Time): void {
    entry.stamps.push(now);
    if (entry.stamps.length > this.#stamps) entry.stamps.shift();
    this.#entries.delete(address);
    this.#entries.set(address, entry);
  }

  delete(address: number): void {
    this.#entries.delete(address);
  }

  /** Removes the entry touched longest ago if that was before `time` and it is not `spared` (`recent_entry_reap`). */
  reap(time: Time, spared: RecentEntry | undefined): void {
    for (const [address, entry] of this.#entries) {
      if (entry !== spared && (entry.stamps.at(-1) ?? time) < time) this.#entries.delete(address);
      return;
    }
  }

  /** Address, then sightings, in the order of touching. */
  entries(): [number, RecentEntry][] {
    return [...this.#entries];
  }

  #removeOldest(): void {
    for (const address of this.#entries.keys()) {
      this.#entries.delete(address);
      return;
    }
  }
}

/** The lists of one host, by name: shared by all rules that name them. */
export class RecentLists {
  readonly #lists = new Map<string, RecentList>();

  get size(): number {
    return this.#lists.size;
  }

  /** Forgets all lists but those that are wanted. */
  keep(isWanted: (name: string) => boolean): void {
    for (const name of this.#lists.keys()) if (!isWanted(name)) this.#lists.delete(name);
  }

  list(name: string): RecentList {
    const known = this.#lists.get(name);
    if (known !== undefined) return known;
    const list = new RecentList();
    this.#lists.set(name, list);
    return list;
  }
}
