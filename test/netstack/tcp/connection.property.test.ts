import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { LINUX_TCP, type Segment, seq, TcpConnection, type TcpSettings } from "../../../src/netstack/tcp/index.ts";
import { ms, Random, START, seconds, type Time } from "../../../src/sim/index.ts";
import { firstDifference, joined, type PipeEnd, type PipeOptions, pattern, TcpPipe } from "../../support/tcp-pipe.ts";

const settings = fc.record({
  congestion: fc.constantFrom("cubic" as const, "reno" as const),
  timestamps: fc.boolean(),
  selectiveAcks: fc.boolean(),
  windowScaling: fc.boolean(),
  receiveBuffer: fc.constantFrom(
    LINUX_TCP.receiveBuffer,
    { initial: 8192, most: 8192 },
    { initial: 1000, most: 1000 },
    { initial: 131_072, most: 262_144 },
  ),
  sendBuffer: fc.constantFrom(LINUX_TCP.sendBuffer, { initial: 700, most: 700 }, { initial: 10_000, most: 50_000 }),
}) satisfies fc.Arbitrary<Partial<TcpSettings>>;

const network = fc.record({
  seed: fc.integer(),
  loss: fc.constantFrom(0, 0.02, 0.2),
  duplicate: fc.constantFrom(0, 0.1),
  reorder: fc.constantFrom(0, 0.1, 0.5),
  delay: fc.constantFrom(ms(0), ms(1), ms(40)),
  mtu: fc.constantFrom(576, 1460, 1500, 9000),
});

function transfer(options: PipeOptions, sizes: { up: number; down: number; appetite: number }): TcpPipe {
  const pipe = new TcpPipe({ ...options, reorderDelay: ms(7) });
  pipe.client.toWrite = pattern(sizes.up);
  pipe.onServer = (server) => {
    server.toWrite = pattern(sizes.down, 99);
    server.appetite = sizes.appetite;
  };
  pipe.open();
  const done = (): boolean => pipe.client.closed !== undefined && pipe.server?.closed !== undefined;
  pipe.run(done, seconds(3000));
  return pipe;
}

function carried(end: PipeEnd | undefined, other: PipeEnd | undefined): number {
  return firstDifference(joined(end?.received ?? []), other?.toWrite ?? new Uint8Array(1));
}

describe("two connections over a network that loses, duplicates and reorders", () => {
  it("deliver exactly what was written, both ways, whatever the options and buffers", () => {
    fc.assert(
      fc.property(
        network,
        settings,
        settings,
        fc.record({ up: fc.nat(60_000), down: fc.nat(60_000), appetite: fc.constantFrom(65_536, 100, 1460) }),
        (path, client, server, sizes) => {
          const pipe = transfer({ ...path, settings: client, serverSettings: server }, sizes);
          expect([carried(pipe.server, pipe.client), carried(pipe.client, pipe.server)]).toEqual([-1, -1]);
          // The last ACK may get lost until the other end is gone; then a RST tells.
          const orderly = path.loss === 0 ? ["closed"] : ["closed", "reset"];
          expect(orderly).toContain(pipe.client.closed);
          expect(orderly).toContain(pipe.server?.closed);
        },
      ),
      { numRuns: 100 },
    );
  });
});

const anySegment: fc.Arbitrary<Segment> = fc.record({
  sequence: fc.oneof(fc.integer({ min: -70_000, max: 70_000 }), fc.integer()).map(seq),
  acknowledgment: fc.oneof(fc.integer({ min: -70_000, max: 70_000 }), fc.integer()).map(seq),
  flags: fc.nat(255),
  window: fc.nat(65_535),
  options: fc.record(
    {
      mss: fc.nat(65_535),
      windowScale: fc.nat(255),
      sackPermitted: fc.constant(true),
      timestamps: fc.record({ value: fc.nat(2 ** 32 - 1), echo: fc.nat(2 ** 32 - 1) }),
      sack: fc.array(fc.record({ start: fc.nat(2 ** 32 - 1), end: fc.nat(2 ** 32 - 1) }), { maxLength: 4 }),
    },
    { requiredKeys: [] },
  ),
  bytes: fc.constant(pattern(2000)),
  at: fc.constant(0),
  length: fc.constantFrom(0, 1, 100, 1460),
});

type Deed =
  | { kind: "segment"; segment: Segment }
  | { kind: "wait" | "write" | "read" | "close" | "release"; by: number };

const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 6, arbitrary: anySegment.map((segment) => ({ kind: "segment" as const, segment })) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom("wait" as const, "write" as const, "read" as const, "close" as const, "release" as const),
      by: fc.nat(100_000),
    }),
  },
);

/** Numbers drawn near 0 are put near what the connection really uses, so that many segments are acceptable. */
function placed(segment: Segment, peer: number, host: number): Segment {
  const sack = segment.options.sack?.map((block) => ({
    start: ((block.start % 5000) + host) >>> 0,
    end: ((block.end % 5000) + host) >>> 0,
  }));
  return {
    ...segment,
    sequence: seq(segment.sequence + peer),
    acknowledgment: seq(segment.acknowledgment + host),
    options: sack === undefined ? segment.options : { ...segment.options, sack },
  };
}

describe("a connection that gets arbitrary segments", () => {
  it("never throws, never sends beyond the window or the MTU, and its deadline is in the future once it was drained", () => {
    fc.assert(
      fc.property(fc.array(deed, { maxLength: 60 }), fc.integer(), fc.boolean(), (deeds, seed, connected) => {
        const connection = new TcpConnection({ random: new Random(seed), settings: LINUX_TCP, mtu: 1500, now: START });
        const run = new FuzzRun(connection, connected);
        for (const each of deeds) run.does(each);
      }),
      { numRuns: 400 },
    );
  });
});

class FuzzRun {
  now: Time = START;
  #host = 0;
  #end = 0;
  readonly #connection: TcpConnection;

  constructor(connection: TcpConnection, connected: boolean) {
    this.#connection = connection;
    connection.open(this.now);
    this.#drain();
    if (!connected) return;
    const synAck = { sequence: seq(0), acknowledgment: seq(this.#host + 1), flags: 0x12, window: 65_535, options: {} };
    connection.receive({ ...synAck, bytes: new Uint8Array(0), at: 0, length: 0 }, this.now);
    this.#drain();
  }

  does(each: Deed): void {
    const connection = this.#connection;
    switch (each.kind) {
      case "segment":
        connection.receive(placed(each.segment, 1, this.#end), this.now);
        break;
      case "wait":
        this.now = (this.now + each.by * 1e6) as Time;
        break;
      case "write":
        connection.write(pattern(each.by), this.now);
        break;
      case "read":
        connection.read(each.by, this.now);
        break;
      case "close":
        connection.close(this.now);
        break;
      case "release":
        if (each.by % 5 === 0) connection.release(this.now);
    }
    this.#drain();
  }

  #drain(): void {
    const connection = this.#connection;
    let count = 0;
    for (let segment = connection.poll(this.now); segment !== undefined; segment = connection.poll(this.now)) {
      if (count === 0 && this.#host === 0) this.#host = segment.sequence;
      expect(segment.length).toBeLessThanOrEqual(1460);
      expect(segment.window).toBeLessThanOrEqual(65_535);
      expect(segment.at + segment.length).toBeLessThanOrEqual(segment.bytes.length);
      this.#end = (segment.sequence + segment.length) >>> 0;
      count++;
      expect(count).toBeLessThan(100_000);
    }
    const { unacknowledged, unsent, congestionWindow, segmentsInFlight } = connection.info;
    expect(unacknowledged).toBeGreaterThanOrEqual(0);
    expect(unsent).toBeGreaterThanOrEqual(0);
    expect(segmentsInFlight).toBeGreaterThanOrEqual(0);
    expect(congestionWindow).toBeGreaterThanOrEqual(1);
    const deadline = connection.deadline();
    if (deadline !== undefined) expect(deadline).toBeGreaterThan(this.now);
  }
}
