import { expect } from "vitest";
import {
  type CloseReason,
  LINUX_TCP,
  resetFor,
  type Segment,
  segmentFromWire,
  segmentLength,
  TcpConnection,
  TcpListener,
  type TcpSettings,
  writeSegment,
} from "../../src/netstack/tcp/index.ts";
import { after, type Duration, ms, Random, START, type Time } from "../../src/sim/index.ts";

/** What happens to segments on the way. */
export interface PipeOptions {
  readonly seed: number;
  /** One way. */
  readonly delay: Duration;
  readonly loss?: number;
  readonly duplicate?: number;
  /** Share of segments that take `reorderDelay` longer. */
  readonly reorder?: number;
  readonly reorderDelay?: Duration;
  /** Time a full segment occupies the wire; without it the wire has no limit. */
  readonly serialization?: Duration;
  /** Segments that may wait for the wire. */
  readonly queue?: number;
  readonly mtu?: number;
  readonly settings?: Partial<TcpSettings>;
  readonly serverSettings?: Partial<TcpSettings>;
}

/** One end of the pipe, with a program that writes a text and reads everything. */
export interface PipeEnd {
  readonly name: "client" | "server";
  readonly connection: TcpConnection;
  readonly received: Uint8Array[];
  receivedBytes: number;
  peerClosed: boolean;
  closed: CloseReason | undefined;
  /** Bytes read at once; 0 leaves everything in the buffer. */
  appetite: number;
  toWrite: Uint8Array;
  written: number;
  closesWhenWritten: boolean;
}

interface Travelling {
  readonly at: Time;
  readonly order: number;
  readonly to: "client" | "server";
  readonly bytes: Uint8Array;
}

/** Two connections with a bad network between them, in virtual time. */
export class TcpPipe {
  now: Time = START;
  readonly client: PipeEnd;
  server: PipeEnd | undefined;
  readonly listener: TcpListener;
  readonly #options: PipeOptions;
  readonly #random: Random;
  #travelling: Travelling[] = [];
  #order = 0;
  readonly #wireFree: Record<"client" | "server", number> = { client: 0, server: 0 };
  segments = 0;
  lost = 0;
  /** The server's end exists: what will its program do? */
  onServer: ((server: PipeEnd) => void) | undefined;
  /** Each segment as it is sent, for tests that look at them. */
  onSegment: ((from: "client" | "server", segment: Segment, now: Time) => void) | undefined;

  constructor(options: PipeOptions) {
    this.#options = options;
    this.#random = new Random(options.seed);
    const settings = { ...LINUX_TCP, ...options.settings };
    const serverSettings = { ...settings, ...options.serverSettings };
    const mtu = options.mtu ?? 1500;
    this.listener = new TcpListener({ random: this.#random.fork("server"), settings: serverSettings, backlog: 8 });
    const connection = new TcpConnection({ random: this.#random.fork("client"), settings, mtu, now: this.now });
    this.client = newEnd("client", connection);
    this.#attach(this.client);
  }

  open(): void {
    this.client.connection.open(this.now);
    this.#drain(this.client);
  }

  /** Runs until `until` holds or `limit` has passed. Returns whether it held. */
  run(until: () => boolean, limit: Duration): boolean {
    const end = after(this.now, limit);
    while (!until()) {
      const next = this.#nextEvent();
      if (next === undefined || next > end) {
        this.now = end;
        return until();
      }
      this.now = next;
      this.#step();
    }
    return true;
  }

  /** Writes more, as if the program had just decided to. */
  pump(end: PipeEnd): void {
    while (end.written < end.toWrite.length) {
      const taken = end.connection.write(end.toWrite.subarray(end.written), this.now);
      if (taken === 0) break;
      end.written += taken;
    }
    if (end.written === end.toWrite.length && end.closesWhenWritten) end.connection.close(this.now);
    this.#drain(end);
  }

  /** Reads up to `most` bytes, as if the program had just decided to. */
  read(end: PipeEnd, most: number): void {
    const bytes = end.connection.read(most, this.now);
    if (bytes.length > 0) end.received.push(bytes);
    end.receivedBytes += bytes.length;
    this.#drain(end);
  }

  #nextEvent(): Time | undefined {
    let next = this.#travelling[0]?.at;
    for (const end of [this.client, this.server]) {
      const deadline = end?.connection.deadline();
      if (deadline !== undefined && (next === undefined || deadline < next)) next = deadline;
    }
    return next === undefined || next >= this.now ? next : this.now;
  }

  #step(): void {
    const due = this.#travelling[0];
    if (due !== undefined && due.at <= this.now) {
      this.#travelling.shift();
      this.#deliver(due);
      return;
    }
    for (const end of [this.client, this.server]) {
      const deadline = end?.connection.deadline();
      if (end !== undefined && deadline !== undefined && deadline <= this.now) this.#drain(end);
    }
  }

  #deliver(travelling: Travelling): void {
    const segment = segmentFromWire(travelling.bytes, 0, travelling.bytes.length);
    expect(segment).toBeDefined();
    if (segment === undefined) return;
    const end = travelling.to === "client" ? this.client : this.server;
    if (end === undefined) return this.#listen(segment);
    if (end.connection.state === "closed") {
      const reset = resetFor(segment);
      if (reset !== undefined) this.#send(end.name, reset);
      return;
    }
    end.connection.receive(segment, this.now);
    this.#drain(end);
  }

  #listen(segment: Segment): void {
    const heard = this.listener.receive(segment, this.now, { mtu: this.#options.mtu ?? 1500, flow: 0 });
    if (heard.kind !== "connection") return;
    this.server = newEnd("server", heard.connection);
    this.onServer?.(this.server);
    this.#attach(this.server);
    this.#drain(this.server);
  }

  #attach(end: PipeEnd): void {
    end.connection.upcalls = {
      onEstablished: () => this.#write(end),
      onWritable: () => this.#write(end),
      onReadable: () => {
        while (end.appetite > 0 && end.connection.readable > 0) {
          const bytes = end.connection.read(end.appetite, this.now);
          end.received.push(bytes);
          end.receivedBytes += bytes.length;
        }
      },
      onPeerClosed: () => {
        end.peerClosed = true;
      },
      onClosed: (reason) => {
        end.closed = reason;
      },
    };
  }

  #write(end: PipeEnd): void {
    while (end.written < end.toWrite.length) {
      const taken = end.connection.write(end.toWrite.subarray(end.written), this.now);
      if (taken === 0) return;
      end.written += taken;
    }
    if (end.closesWhenWritten) end.connection.close(this.now);
  }

  #drain(end: PipeEnd): void {
    for (let segment = end.connection.poll(this.now); segment !== undefined; segment = end.connection.poll(this.now)) {
      this.#send(end.name, segment);
    }
  }

  #send(from: "client" | "server", segment: Segment): void {
    this.segments++;
    this.onSegment?.(from, segment, this.now);
    const bytes = new Uint8Array(segmentLength(segment));
    writeSegment(segment, { sourcePort: 1, destinationPort: 2 }, bytes, 0);
    const { loss = 0, duplicate = 0 } = this.#options;
    if (this.#random.chance(loss)) {
      this.lost++;
      return;
    }
    this.#travel(from, bytes);
    if (this.#random.chance(duplicate)) this.#travel(from, bytes);
  }

  #travel(from: "client" | "server", bytes: Uint8Array): void {
    const { delay, reorder = 0, reorderDelay = ms(0), serialization, queue = Number.POSITIVE_INFINITY } = this.#options;
    let start: number = this.now;
    if (serialization !== undefined) {
      start = Math.max(start, this.#wireFree[from]);
      if (start - this.now > serialization * queue) {
        this.lost++;
        return;
      }
      start += Math.ceil((serialization * bytes.length) / 1500);
      this.#wireFree[from] = start;
    }
    const extra = this.#random.chance(reorder) ? reorderDelay : 0;
    const at = (start + delay + extra) as Time;
    const entry: Travelling = { at, order: this.#order++, to: from === "client" ? "server" : "client", bytes };
    let low = 0;
    let high = this.#travelling.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#travelling[middle] as Travelling).at <= at) low = middle + 1;
      else high = middle;
    }
    this.#travelling.splice(low, 0, entry);
  }
}

function newEnd(name: "client" | "server", connection: TcpConnection): PipeEnd {
  return {
    name,
    connection,
    received: [],
    receivedBytes: 0,
    peerClosed: false,
    closed: undefined,
    appetite: 65_536,
    toWrite: new Uint8Array(0),
    written: 0,
    closesWhenWritten: true,
  };
}

/** Bytes in which every position tells where it is. */
export function pattern(length: number, seed = 0): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + (i >>> 8) * 17 + (i >>> 16) * 7 + seed) & 0xff;
  return bytes;
}

/** All pieces in one. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** Index of the first byte in which two texts differ, −1 when they are equal; quick for large ones. */
export function firstDifference(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return i;
  return a.length === b.length ? -1 : length;
}
