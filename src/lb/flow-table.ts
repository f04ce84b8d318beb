import { IpProtocol } from "../netstack/index.ts";
import { after, type Clock, type Duration, seconds, type Time, type Timer } from "../sim/index.ts";
import type { Backend } from "./backend-pool.ts";
import type { Flow } from "./flow.ts";

export interface FlowTableLimits {
  /** Flows kept; beyond it the one not seen for longest gives way. 65536 unless told. */
  readonly limit?: number;
  /** A flow without a packet for so long is forgotten. 15 minutes unless told, as IPVS keeps an established connection. */
  readonly idle?: Duration;
  /** The same for a TCP flow that has shown a FIN or RST: 2 minutes unless told, as IPVS's FIN_WAIT. */
  readonly closing?: Duration;
}

/** Why a flow left the table. */
export type FlowEnd = "idle" | "evicted" | "replaced";

/** One flow, the service it belongs to and the backend it is bound to. */
export interface FlowEntry<S> {
  readonly flow: Flow;
  readonly service: S;
  readonly backend: Backend;
  /** Where DNAT sends it; `undefined` when the destination is left alone, and the way back need not be found. */
  readonly backendPort: number | undefined;
  /** It was counted as ended: a FIN or RST was seen. */
  readonly isClosing: boolean;
  readonly lastSeen: Time;
}

interface Entry<S> extends FlowEntry<S> {
  isClosing: boolean;
  lastSeen: Time;
  older: Entry<S> | undefined;
  newer: Entry<S> | undefined;
}

/** The two-level maps' keys: 32 bits of address, 16 of port, 2 of protocol stay an exact integer. */
type TupleMap<S> = Map<number, Map<number, Entry<S>>>;

/** A balancer's connection tracking: which backend a flow has, found by the client's direction and by the backend's. Bounded in size and time. */
export class FlowTable<S> {
  readonly #clock: Clock;
  readonly #limit: number;
  readonly #open: FlowQueue<S>;
  readonly #closing: FlowQueue<S>;
  readonly #original: TupleMap<S> = new Map();
  readonly #reply: TupleMap<S> = new Map();
  readonly #timer: Timer;
  readonly #ended: (entry: FlowEntry<S>, why: FlowEnd) => void;
  #size = 0;

  /** `ended` is told of each flow that leaves the table. */
  constructor(clock: Clock, limits: FlowTableLimits, ended: (entry: FlowEntry<S>, why: FlowEnd) => void) {
    this.#clock = clock;
    this.#limit = limits.limit ?? 65536;
    if (this.#limit < 1)
      throw new RangeError(`Cannot make a flow table for ${this.#limit} flows: at least 1 is needed`);
    this.#open = new FlowQueue(limits.idle ?? seconds(900));
    this.#closing = new FlowQueue(limits.closing ?? seconds(120));
    this.#timer = clock.timer(() => this.#expire(), "protocol");
    this.#ended = ended;
  }

  get size(): number {
    return this.#size;
  }

  /** The entry of a packet that goes from a client to a virtual address. */
  find(flow: Flow): FlowEntry<S> | undefined {
    return this.findTuple(
      flow.protocol,
      endpoint(flow.destination, flow.destinationPort),
      endpoint(flow.source, flow.sourcePort),
    );
  }

  /** {@link find} without a flow object: endpoints are `address * 65536 + port`. */
  findTuple(protocol: number, virtual: number, client: number): FlowEntry<S> | undefined {
    return this.#original.get(outerKey(protocol, virtual))?.get(client);
  }

  /** The entry of a packet that goes from a backend back to a client. */
  findReply(protocol: number, backend: number, client: number): FlowEntry<S> | undefined {
    return this.#reply.get(outerKey(protocol, backend))?.get(client);
  }

  /** Binds a flow to a backend; `undefined` when another flow has the same way back. A flow that is there is replaced. */
  add(flow: Flow, service: S, backend: Backend, backendPort?: number): FlowEntry<S> | undefined {
    const known = this.find(flow);
    if (known !== undefined) this.#remove(known as Entry<S>, "replaced");
    const client = endpoint(flow.source, flow.sourcePort);
    const back = backendPort === undefined ? undefined : endpoint(backend.address, backendPort);
    if (back !== undefined && this.findReply(flow.protocol, back, client) !== undefined) return undefined;
    if (this.#size >= this.#limit) this.#evict();
    const lastSeen = this.#clock.now();
    const entry: Entry<S> = {
      flow,
      service,
      backend,
      backendPort,
      isClosing: false,
      lastSeen,
      older: undefined,
      newer: undefined,
    };
    put(this.#original, outerKey(flow.protocol, endpoint(flow.destination, flow.destinationPort)), client, entry);
    if (back !== undefined) put(this.#reply, outerKey(flow.protocol, back), client, entry);
    this.#open.append(entry);
    this.#size += 1;
    this.#arm();
    return entry;
  }

  /** A packet of the flow was seen. */
  touch(entry: FlowEntry<S>): void {
    const own = entry as Entry<S>;
    own.lastSeen = this.#clock.now();
    this.#queueOf(own).moveToEnd(own);
  }

  /** A packet was seen that ends the connection: it will be forgotten sooner. */
  close(entry: FlowEntry<S>): void {
    const own = entry as Entry<S>;
    if (own.isClosing) return this.touch(entry);
    own.lastSeen = this.#clock.now();
    this.#open.unlink(own);
    own.isClosing = true;
    this.#closing.append(own);
    this.#arm();
  }

  /** All flows: open ones first, each kind by when it was last seen. */
  list(): readonly FlowEntry<S>[] {
    return [...this.#open.entries(), ...this.#closing.entries()];
  }

  #queueOf(entry: Entry<S>): FlowQueue<S> {
    return entry.isClosing ? this.#closing : this.#open;
  }

  #evict(): void {
    const victim = this.#closing.oldest ?? this.#open.oldest;
    if (victim !== undefined) this.#remove(victim, "evicted");
  }

  #remove(entry: Entry<S>, why: FlowEnd): void {
    this.#queueOf(entry).unlink(entry);
    const { protocol, destination, destinationPort, source, sourcePort } = entry.flow;
    const client = endpoint(source, sourcePort);
    take(this.#original, outerKey(protocol, endpoint(destination, destinationPort)), client);
    const { backend, backendPort } = entry;
    if (backendPort !== undefined)
      take(this.#reply, outerKey(protocol, endpoint(backend.address, backendPort)), client);
    this.#size -= 1;
    this.#ended(entry, why);
  }

  #expire(): void {
    const now = this.#clock.now();
    for (const queue of [this.#open, this.#closing]) {
      for (let first = queue.oldest; first !== undefined && queue.deadline(first) <= now; first = queue.oldest)
        this.#remove(first, "idle");
    }
    this.#arm();
  }

  /** The timer stands at the earliest deadline as it was when it was armed; a flow seen since then only makes it fire in vain. */
  #arm(): void {
    for (const queue of [this.#open, this.#closing]) {
      const { oldest } = queue;
      if (oldest === undefined) continue;
      const deadline = queue.deadline(oldest);
      if (this.#timer.deadline === undefined || deadline < this.#timer.deadline) this.#timer.set(deadline);
    }
  }
}

/** An endpoint as one exact integer. */
export function endpoint(address: number, port: number): number {
  return address * 0x10000 + port;
}

function outerKey(protocol: number, endpointKey: number): number {
  return (
    endpointKey * 4 +
    (protocol === IpProtocol.tcp ? 0 : protocol === IpProtocol.udp ? 1 : protocol === IpProtocol.sctp ? 2 : 3)
  );
}

function put<S>(map: TupleMap<S>, outer: number, inner: number, entry: Entry<S>): void {
  const entries = map.get(outer);
  if (entries === undefined) map.set(outer, new Map([[inner, entry]]));
  else entries.set(inner, entry);
}

function take<S>(map: TupleMap<S>, outer: number, inner: number): void {
  const entries = map.get(outer);
  entries?.delete(inner);
  if (entries?.size === 0) map.delete(outer);
}

/** Entries by when they were last seen, as a list through the entries themselves: moving one costs no allocation. */
class FlowQueue<S> {
  oldest: Entry<S> | undefined;
  #newest: Entry<S> | undefined;
  readonly #lifetime: Duration;

  constructor(lifetime: Duration) {
    this.#lifetime = lifetime;
  }

  deadline(entry: Entry<S>): Time {
    return after(entry.lastSeen, this.#lifetime);
  }

  append(entry: Entry<S>): void {
    entry.older = this.#newest;
    entry.newer = undefined;
    if (this.#newest === undefined) this.oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
  }

  unlink(entry: Entry<S>): void {
    if (entry.older === undefined) this.oldest = entry.newer;
    else entry.older.newer = entry.newer;
    if (entry.newer === undefined) this.#newest = entry.older;
    else entry.newer.older = entry.older;
    entry.older = undefined;
    entry.newer = undefined;
  }

  moveToEnd(entry: Entry<S>): void {
    if (this.#newest === entry) return;
    this.unlink(entry);
    this.append(entry);
  }

  *entries(): Generator<FlowEntry<S>> {
    for (let entry = this.oldest; entry !== undefined; entry = entry.newer) yield entry;
  }
}
