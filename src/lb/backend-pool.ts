import { formatIpv4, type Ipv4Address } from "../netstack/index.ts";
import { after, type Clock, type Duration, type Timer } from "../sim/index.ts";

/**
 * "healthy" ones get new flows. "unhealthy" ones failed their checks. "draining" ones finish what they have until their deadline; "removed" ones are
 * gone.
 */
export type BackendState = "healthy" | "unhealthy" | "draining" | "removed";

export interface BackendOptions {
  readonly name: string;
  readonly address: Ipv4Address;
  /** Where a proxy or DNAT sends to; the port the client called when left out. */
  readonly port?: number | undefined;
  /** 1 unless told. */
  readonly weight?: number | undefined;
}

/** Counts since the backend was added. */
export interface BackendCounters {
  /** Flows or connections given to it. */
  connections: number;
  /** Connections it did not take. */
  failures: number;
  packets: number;
  bytes: number;
}

/** One server behind a balancer. Changed through its {@link BackendPool} only. */
export interface Backend {
  readonly name: string;
  readonly address: Ipv4Address;
  readonly port: number | undefined;
  readonly weight: number;
  readonly state: BackendState;
  /** What put it into its state, for people. */
  readonly reason: string;
  /** Flows or connections it has now. */
  readonly active: number;
  /** Packets and bytes are written by who sends them, the others by the pool. */
  readonly counters: BackendCounters;
}

/** A change of who is in the pool, in the order of the changes. */
export interface PoolChange {
  readonly backend: Backend;
  /** `undefined` when it was added. */
  readonly from: BackendState | undefined;
  readonly to: BackendState;
  readonly reason: string;
}

export type PoolObserver = (change: PoolChange) => void;

export interface BackendPoolOptions {
  readonly clock: Clock;
  /** What a new backend is until its first checks are done: "healthy" unless told. */
  readonly startsAs?: "healthy" | "unhealthy";
  /**
   * Who gets new flows when every backend is unhealthy: nobody, or all of them, as Google's and Amazon's network balancers do when there is
   * nothing left to choose from. "none" unless told.
   */
  readonly whenAllUnhealthy?: "none" | "all";
}

interface Entry extends Backend {
  state: BackendState;
  reason: string;
  active: number;
  drain: Timer | undefined;
}

/** The servers behind a balancer: who gets new flows, who finishes, and who has how many. */
export class BackendPool {
  readonly #clock: Clock;
  readonly #startsAs: "healthy" | "unhealthy";
  readonly #failsOpen: boolean;
  readonly #entries = new Map<string, Entry>();
  readonly #observers = new Set<PoolObserver>();
  #eligible: readonly Backend[] | undefined;

  constructor(options: BackendPoolOptions) {
    this.#clock = options.clock;
    this.#startsAs = options.startsAs ?? "healthy";
    this.#failsOpen = options.whenAllUnhealthy === "all";
  }

  /** All but the removed ones, in the order in which they were added. */
  get backends(): readonly Backend[] {
    return [...this.#entries.values()];
  }

  /** Those that may get a new flow. The same array until something changes. */
  get eligible(): readonly Backend[] {
    this.#eligible ??= this.#chooseEligible();
    return this.#eligible;
  }

  find(name: string): Backend | undefined {
    return this.#entries.get(name);
  }

  /** Adds a backend; one that drains under the same name and address comes back. @throws RangeError when the name is taken. */
  add(options: BackendOptions): Backend {
    const known = this.#entries.get(options.name);
    if (known !== undefined) {
      if (known.state !== "draining" || known.address !== options.address || known.port !== options.port) {
        throw new RangeError(`Cannot add backend ${options.name}: the pool has one of this name`);
      }
      known.drain?.cancel();
      this.#change(known, this.#startsAs, "added again");
      return known;
    }
    const entry: Entry = {
      name: options.name,
      address: options.address,
      port: options.port,
      weight: options.weight ?? 1,
      state: this.#startsAs,
      reason: "added",
      active: 0,
      counters: { connections: 0, failures: 0, packets: 0, bytes: 0 },
      drain: undefined,
    };
    this.#entries.set(entry.name, entry);
    this.#eligible = undefined;
    this.#tell({ backend: entry, from: undefined, to: entry.state, reason: entry.reason });
    return entry;
  }

  /** Takes a backend out: at once, or when its connections have ended, at the latest after `drain`. */
  remove(name: string, drain?: Duration): void {
    const entry = this.#entries.get(name);
    if (entry === undefined) return;
    if (drain === undefined || drain <= 0 || entry.active === 0) return this.#drop(entry, "removed");
    entry.drain ??= this.#clock.timer(() => this.#drop(entry, "drained: the deadline passed"));
    entry.drain.set(after(this.#clock.now(), drain));
    if (entry.state !== "draining") this.#change(entry, "draining", "removed, finishing its connections");
  }

  /** What the health checks found. No effect on a backend that drains or has left. */
  setHealth(name: string, health: "healthy" | "unhealthy", reason: string): void {
    const entry = this.#entries.get(name);
    if (entry === undefined || entry.state === health || entry.state === "draining") return;
    this.#change(entry, health, reason);
  }

  /** Notes that a flow or connection was given to the backend. */
  opened(backend: Backend): void {
    const entry = this.#entries.get(backend.name);
    if (entry === undefined || entry !== backend) return;
    entry.active += 1;
    entry.counters.connections += 1;
  }

  /** Notes that one of them ended. The last one of a draining backend ends the draining. */
  closed(backend: Backend): void {
    const entry = this.#entries.get(backend.name);
    if (entry === undefined || entry !== backend || entry.active === 0) return;
    entry.active -= 1;
    if (entry.active === 0 && entry.state === "draining") this.#drop(entry, "drained: no connection is left");
  }

  /** Notes that the backend did not take a connection. */
  failed(backend: Backend): void {
    const entry = this.#entries.get(backend.name);
    if (entry === backend) entry.counters.failures += 1;
  }

  /** Tells of every change until the returned function is called. */
  observe(observer: PoolObserver): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  #chooseEligible(): readonly Backend[] {
    const present = this.backends;
    const healthy = present.filter((backend) => backend.state === "healthy");
    if (healthy.length > 0 || !this.#failsOpen) return healthy;
    return present.filter((backend) => backend.state === "unhealthy");
  }

  #drop(entry: Entry, reason: string): void {
    entry.drain?.cancel();
    this.#entries.delete(entry.name);
    this.#change(entry, "removed", reason);
  }

  #change(entry: Entry, to: BackendState, reason: string): void {
    const from = entry.state;
    entry.state = to;
    entry.reason = reason;
    this.#eligible = undefined;
    this.#tell({ backend: entry, from, to, reason });
  }

  #tell(change: PoolChange): void {
    for (const observer of [...this.#observers]) observer(change);
  }
}

/** One line: `kubernetes-node-cx31 10.240.0.5 healthy (added), 2 active, 17 in all`. */
export function describeBackend(backend: Backend): string {
  const where = formatIpv4(backend.address) + (backend.port === undefined ? "" : `:${backend.port}`);
  const failures = backend.counters.failures === 0 ? "" : `, ${backend.counters.failures} failed`;
  const counts = `${backend.active} active, ${backend.counters.connections} in all${failures}`;
  return `${backend.name} ${where} ${backend.state} (${backend.reason}), ${counts}`;
}
