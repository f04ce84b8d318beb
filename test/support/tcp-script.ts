import { expect } from "vitest";
import {
  type CloseReason,
  LINUX_TCP,
  type Segment,
  type Seq,
  seq,
  TcpConnection,
  type TcpConnectionOptions,
  TcpListener,
  type TcpSettings,
} from "../../src/netstack/tcp/index.ts";
import { describeTcpFlags, TcpFlag } from "../../src/netstack/wire/tcp.ts";
import type { TcpOptions } from "../../src/netstack/wire/tcp-options.ts";
import { type Duration, after as later, Random, START, type Time, toMs } from "../../src/sim/index.ts";
import { pattern } from "./tcp-pipe.ts";

/**
 * A conversation with one connection, line by line, as a packet trace reads. The connection under test is `host`, what it talks to is `peer`.
 * Sequence numbers count from each side's SYN, which is 0; timestamps of the host count from its first one.
 */
export interface Line {
  /** As tcpdump writes them: `S`, `S.`, `P.`, `F.`, `R`. */
  readonly flags: string;
  readonly seq?: number;
  readonly ack?: number;
  /** Bytes of payload. */
  readonly length?: number;
  readonly window?: number;
  readonly options?: TcpOptions;
  /** ECN's bits of the IP header. */
  readonly codepoint?: number;
  /** Milliseconds since the start at which the host is to send it. */
  readonly at?: number;
}

/** Where the peer starts counting. */
const PEER_START = 1_000_000;

/** Settings with which scripts stay short: no timestamps, no scaling, Reno. Tests of those switch them on. */
export const PLAIN: TcpSettings = {
  ...LINUX_TCP,
  timestamps: false,
  windowScaling: false,
  congestion: "reno",
};

export interface ScriptOptions {
  readonly settings?: Partial<TcpSettings>;
  readonly mtu?: number;
  readonly noDelay?: boolean;
  readonly seed?: number;
}

export class TcpScript {
  now: Time = START;
  readonly host: Host;
  readonly peer: Peer;
  readonly upcalls: string[] = [];
  connection: TcpConnection;
  closed: CloseReason | undefined;
  hostStart: Seq | undefined;
  readonly #sent: { segment: Segment; at: Time }[] = [];
  readonly #trace: string[] = [];

  constructor(connection: TcpConnection) {
    this.connection = connection;
    this.host = new Host(this);
    this.peer = new Peer(this);
    this.attach(connection);
  }

  attach(connection: TcpConnection): void {
    this.connection = connection;
    connection.upcalls = {
      onEstablished: () => this.upcalls.push("established"),
      onReadable: () => this.upcalls.push("readable"),
      onWritable: () => this.upcalls.push("writable"),
      onPeerClosed: () => this.upcalls.push("peer-closed"),
      onClosed: (reason) => {
        this.closed = reason;
        this.upcalls.push(`closed: ${reason}`);
      },
    };
  }

  /** Lets time pass; timers fire at their moment. */
  after(duration: Duration): void {
    const end = later(this.now, duration);
    for (let due = this.connection.deadline(); due !== undefined && due <= end; due = this.connection.deadline()) {
      this.now = Math.max(due, this.now) as Time;
      this.drain();
    }
    this.now = end;
    this.drain();
  }

  drain(): void {
    for (;;) {
      const segment = this.connection.poll(this.now);
      if (segment === undefined) return;
      this.hostStart ??= segment.sequence;
      // The payload points into the send buffer and is valid now only.
      const bytes = segment.bytes.slice(segment.at, segment.at + segment.length);
      this.#sent.push({ segment: { ...segment, bytes, at: 0 }, at: this.now });
      this.#trace.push(`${toMs(this.now)} host ${this.describe(segment, "host")}`);
    }
  }

  deliver(segment: Segment): string | undefined {
    this.#trace.push(`${toMs(this.now)} peer ${this.describe(segment, "peer")}`);
    const discard = this.connection.receive(segment, this.now);
    this.drain();
    return discard;
  }

  /** What the host sent and no line has asked for yet. */
  take(): { segment: Segment; at: Time } | undefined {
    return this.#sent.shift();
  }

  get unasked(): readonly string[] {
    return this.#sent.map(({ segment, at }) => `${toMs(at)} ${this.describe(segment, "host")}`);
  }

  get trace(): string {
    return this.#trace.join("\n");
  }

  describe(segment: Segment, from: "host" | "peer"): string {
    const sequence = this.relative(segment.sequence, from);
    const ack = this.relative(segment.acknowledgment, from === "host" ? "peer" : "host");
    const acknowledges = (segment.flags & TcpFlag.ack) !== 0 ? ` ack ${ack}` : "";
    return `[${describeTcpFlags(segment.flags)}] seq ${sequence}${acknowledges} length ${segment.length} win ${segment.window}`;
  }

  relative(value: number, whose: "host" | "peer"): number {
    return (value - (whose === "host" ? (this.hostStart ?? 0) : PEER_START)) | 0;
  }

  absolute(value: number, whose: "host" | "peer"): Seq {
    return seq(value + (whose === "host" ? (this.hostStart ?? 0) : PEER_START));
  }
}

/** The connection under test: what it is expected to send, and what its program does. */
export class Host {
  readonly #script: TcpScript;
  #written = 0;

  constructor(script: TcpScript) {
    this.#script = script;
  }

  /** The next segment is this one; what a line leaves out is not looked at, except that a length left out is 0. */
  sends(line: Line): Segment {
    const script = this.#script;
    const next = script.take();
    expect(
      next === undefined ? "nothing" : "a segment",
      `expected ${JSON.stringify(line)} after\n${script.trace}`,
    ).toBe("a segment");
    const { segment, at } = next as { segment: Segment; at: Time };
    const actual = {
      flags: describeTcpFlags(segment.flags),
      ...(line.seq === undefined ? {} : { seq: script.relative(segment.sequence, "host") }),
      ...(line.ack === undefined ? {} : { ack: script.relative(segment.acknowledgment, "peer") }),
      length: segment.length,
      ...(line.window === undefined ? {} : { window: segment.window }),
      ...(line.options === undefined ? {} : { options: this.#relativeOptions(segment.options) }),
      ...(line.codepoint === undefined ? {} : { codepoint: segment.codepoint ?? 0 }),
      ...(line.at === undefined ? {} : { at: toMs(at) }),
    };
    expect(actual, script.trace).toEqual({ length: 0, ...line });
    return segment;
  }

  /** Nothing was sent that no line has asked for. */
  isSilent(): void {
    expect(this.#script.unasked, this.#script.trace).toEqual([]);
  }

  /** The program writes `count` more bytes of a pattern; returns how many were taken. */
  writes(count: number): number {
    const bytes = pattern(this.#written + count).subarray(this.#written);
    const taken = this.#script.connection.write(bytes, this.#script.now);
    this.#written += taken;
    this.#script.drain();
    return taken;
  }

  reads(most: number): Uint8Array {
    const bytes = this.#script.connection.read(most, this.#script.now);
    this.#script.drain();
    return bytes;
  }

  closes(): void {
    this.#script.connection.close(this.#script.now);
    this.#script.drain();
  }

  releases(): void {
    this.#script.connection.release(this.#script.now);
    this.#script.drain();
  }

  aborts(): void {
    this.#script.connection.abort(this.#script.now);
    this.#script.drain();
  }

  get state(): string {
    return this.#script.connection.state;
  }

  #relativeOptions(options: TcpOptions): TcpOptions {
    if (options.sack === undefined) return options;
    const relative = (value: number): number => this.#script.relative(value, "peer");
    return {
      ...options,
      sack: options.sack.map((block) => ({ start: relative(block.start), end: relative(block.end) })),
    };
  }
}

/** The other end: sends what the script says and expects nothing. */
export class Peer {
  readonly #script: TcpScript;
  /** Window of lines that do not say. */
  window = 65_535;

  constructor(script: TcpScript) {
    this.#script = script;
  }

  /** Returns why the host discarded it, if it did. */
  sends(line: Omit<Line, "at">): string | undefined {
    const script = this.#script;
    const length = line.length ?? 0;
    return script.deliver({
      sequence: script.absolute(line.seq ?? 0, "peer"),
      acknowledgment: line.ack === undefined ? seq(0) : script.absolute(line.ack, "host"),
      flags: flagsOf(line.flags),
      window: line.window ?? this.window,
      options: this.#absoluteOptions(line.options ?? {}),
      bytes: payloadAt(line.seq ?? 0, length),
      at: 0,
      length,
      codepoint: line.codepoint ?? 0,
    });
  }

  #absoluteOptions(options: TcpOptions): TcpOptions {
    if (options.sack === undefined) return options;
    const absolute = (value: number): number => this.#script.absolute(value, "host");
    return {
      ...options,
      sack: options.sack.map((block) => ({ start: absolute(block.start), end: absolute(block.end) })),
    };
  }
}

/** What the peer says at this place of its stream: the same each time it is sent. */
function payloadAt(start: number, length: number): Uint8Array {
  return start < 0 ? pattern(length) : pattern(start + length).subarray(start);
}

const LETTERS: Readonly<Record<string, number>> = {
  S: TcpFlag.syn,
  F: TcpFlag.fin,
  P: TcpFlag.psh,
  R: TcpFlag.rst,
  U: TcpFlag.urg,
  E: TcpFlag.ece,
  W: TcpFlag.cwr,
  ".": TcpFlag.ack,
};

function flagsOf(letters: string): number {
  let flags = 0;
  for (const letter of letters) flags |= LETTERS[letter] ?? 0;
  return flags;
}

function connectionOptions(options: ScriptOptions): TcpConnectionOptions {
  return {
    random: new Random(options.seed ?? 1),
    settings: { ...PLAIN, ...options.settings },
    mtu: options.mtu ?? 1500,
    now: START,
    noDelay: options.noDelay ?? false,
  };
}

/** A host that opens: its SYN is on the way. */
export function opening(options: ScriptOptions = {}): TcpScript {
  const script = new TcpScript(new TcpConnection(connectionOptions(options)));
  script.connection.open(script.now);
  script.drain();
  return script;
}

/** A host whose active open is complete, 10 ms after the start. */
export function established(
  options: ScriptOptions = {},
  answer: TcpOptions = { mss: 1460, sackPermitted: true },
): TcpScript {
  const script = opening(options);
  script.host.sends({ flags: "S" });
  script.after(10e6 as Duration);
  script.peer.sends({ flags: "S.", seq: 0, ack: 1, options: answer });
  script.host.sends({ flags: ".", seq: 1, ack: 1 });
  return script;
}

/** A host that listened and has answered a SYN with these options. */
export function answering(
  options: ScriptOptions = {},
  syn: TcpOptions = { mss: 1460, sackPermitted: true },
  flags = "S",
): TcpScript {
  const { random, settings, mtu } = connectionOptions(options);
  const listener = new TcpListener({ random, settings, backlog: 1 });
  const heard = listener.receive(
    {
      sequence: seq(PEER_START),
      acknowledgment: seq(0),
      flags: flagsOf(flags),
      window: 65_535,
      options: syn,
      bytes: new Uint8Array(0),
      at: 0,
      length: 0,
    },
    START,
    { mtu, flow: 0 },
  );
  if (heard.kind !== "connection") throw new TypeError("Cannot start the script: the listener took no connection");
  const script = new TcpScript(heard.connection);
  script.drain();
  return script;
}

/** A host whose passive open is complete, 10 ms after the start. */
export function accepted(options: ScriptOptions = {}, syn: TcpOptions = { mss: 1460, sackPermitted: true }): TcpScript {
  const script = answering(options, syn);
  script.host.sends({ flags: "S." });
  script.after(10e6 as Duration);
  script.peer.sends({ flags: ".", seq: 1, ack: 1 });
  script.host.isSilent();
  return script;
}
