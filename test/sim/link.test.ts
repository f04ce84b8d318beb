import { describe, expect, it } from "vitest";
import {
  after,
  type Frame,
  type Impairments,
  Link,
  Loopback,
  ms,
  nanoseconds,
  Simulator,
  us,
} from "../../src/sim/index.ts";

interface Arrival {
  readonly id: number;
  readonly at: number;
}

/** A link whose a-to-b direction is impaired; `send` gives it frames of three bytes that carry a number. */
function wire(impairments: Partial<Impairments>, seed = 1) {
  const simulator = new Simulator({ seed });
  const link = new Link({
    queue: simulator,
    frames: simulator.frames,
    random: simulator.random.fork("wire"),
    aToB: impairments,
  });
  const arrivals: Arrival[] = [];
  const drops: [number, string][] = [];
  link.b.onFrame((frame) => {
    arrivals.push({ id: numberIn(frame), at: simulator.now() });
    expect(frame.at).toBe(simulator.now());
    frame.release();
  });
  link.onDrop((frame, reason) => drops.push([numberIn(frame), reason]));
  const send = (id: number, length = 3): void => {
    const frame = simulator.frames.create(length);
    frame.at = simulator.now();
    frame.bytes.set([id >> 16, id >> 8, id], frame.start);
    link.a.send(frame);
  };
  return { simulator, link, arrivals, drops, send };
}

function numberIn(frame: Frame): number {
  const [a = 0, b = 0, c = 0] = frame.view();
  return (a << 16) | (b << 8) | c;
}

describe("Link", () => {
  it("delivers in order after its delay", () => {
    const { simulator, arrivals, send } = wire({ delay: ms(5) });
    for (let i = 0; i < 100; i++) send(i);
    simulator.runUntilQuiet();
    expect(arrivals.map(({ id }) => id)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(new Set(arrivals.map(({ at }) => at))).toEqual(new Set([ms(5)]));
  });

  it("takes at least a microsecond", () => {
    const { simulator, arrivals, send } = wire({ delay: nanoseconds(0) });
    send(1);
    simulator.runUntilQuiet();
    expect(arrivals).toEqual([{ id: 1, at: us(1) }]);
  });

  it("spreads arrivals by jitter and keeps their order", () => {
    const { simulator, arrivals, send } = wire({ delay: ms(5), jitter: ms(4) });
    for (let i = 0; i < 200; i++) {
      send(i);
      simulator.runTo(after(simulator.now(), us(100)));
    }
    simulator.runUntilQuiet();
    expect(arrivals.map(({ id }) => id)).toEqual(Array.from({ length: 200 }, (_, i) => i));
    const delays = arrivals.map(({ id, at }) => at - id * us(100));
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(ms(5));
    expect(new Set(delays).size).toBeGreaterThan(10);
  });

  it("loses about as many as told, and tells of each", () => {
    const { simulator, arrivals, drops, send } = wire({ loss: 0.2 });
    for (let i = 0; i < 5000; i++) send(i);
    simulator.runUntilQuiet();
    expect(arrivals.length + drops.length).toBe(5000);
    expect(Math.abs(drops.length - 1000)).toBeLessThan(120);
    expect(new Set(drops.map(([, reason]) => reason))).toEqual(new Set(["link-loss"]));
  });

  it("loses others with another seed, the same with the same", () => {
    const lost = (seed: number): number[] => {
      const { simulator, drops, send } = wire({ loss: 0.2 }, seed);
      for (let i = 0; i < 200; i++) send(i);
      simulator.runUntilQuiet();
      return drops.map(([id]) => id);
    };
    expect(lost(1)).toEqual(lost(1));
    expect(lost(1)).not.toEqual(lost(2));
  });

  it("duplicates with the lineage of the original, a microsecond behind", () => {
    const simulator = new Simulator({ seed: 1 });
    const link = new Link({
      queue: simulator,
      frames: simulator.frames,
      random: simulator.random,
      aToB: { duplicate: 1 },
    });
    const seen: [number, number][] = [];
    link.b.onFrame((frame) => seen.push([frame.lineage, simulator.now()]));
    link.a.send(simulator.frames.create(3));
    simulator.runUntilQuiet();
    expect(seen).toEqual([
      [1, us(50)],
      [1, us(51)],
    ]);
  });

  it("holds back reordered frames so that later ones overtake them", () => {
    const { simulator, arrivals, send } = wire({ delay: ms(1), reorder: 0.3, reorderDelay: ms(2) });
    for (let i = 0; i < 300; i++) send(i);
    simulator.runUntilQuiet();
    expect(arrivals.length).toBe(300);
    const held = arrivals.filter(({ at }) => at === ms(3));
    expect(Math.abs(held.length - 90)).toBeLessThan(35);
    expect(arrivals.slice(0, -held.length).every(({ at }) => at === ms(1))).toBe(true);
  });

  it("sends at its rate, queues what must wait and drops what the queue has no room for", () => {
    // 1000 bytes at 8 Mbit/s take 1 ms each.
    const { simulator, arrivals, drops, send } = wire({ delay: ms(1), rate: 8e6, queue: 2 });
    for (let i = 0; i < 5; i++) send(i, 1000);
    simulator.runUntilQuiet();
    expect(arrivals).toEqual([
      { id: 0, at: ms(2) },
      { id: 1, at: ms(3) },
      { id: 2, at: ms(4) },
    ]);
    expect(drops).toEqual([
      [3, "link-queue-full"],
      [4, "link-queue-full"],
    ]);
  });

  it("carries nothing while down, and frames already on the wire still arrive", () => {
    const { simulator, link, arrivals, drops, send } = wire({ delay: ms(1) });
    send(1);
    link.impair("both", { up: false });
    send(2);
    simulator.runUntilQuiet();
    expect(arrivals.map(({ id }) => id)).toEqual([1]);
    expect(drops).toEqual([[2, "link-down"]]);
  });

  it("impairs one direction and not the other", () => {
    const { simulator, link } = wire({ loss: 1 });
    let back = 0;
    link.a.onFrame((frame) => {
      back += 1;
      frame.release();
    });
    link.b.send(simulator.frames.create(3));
    simulator.runUntilQuiet();
    expect(back).toBe(1);
  });

  it("grows beyond its first ring without losing order", () => {
    const { simulator, arrivals, send } = wire({ delay: ms(1) });
    for (let i = 0; i < 10; i++) send(i);
    simulator.runUntilQuiet();
    for (let i = 10; i < 1010; i++) send(i);
    simulator.runUntilQuiet();
    expect(arrivals.map(({ id }) => id)).toEqual(Array.from({ length: 1010 }, (_, i) => i));
  });
});

describe("Loopback", () => {
  it("gives frames back to its own handler with what was kept with them", () => {
    const simulator = new Simulator({ seed: 1 });
    const random = simulator.random.fork("lo");
    const loopback = new Loopback({ queue: simulator, frames: simulator.frames, random, mtu: 65536 });
    const seen: unknown[] = [];
    loopback.onFrame((frame) => seen.push(frame.context));
    const frame = simulator.frames.create(3);
    frame.context = "mine";
    loopback.send(frame);
    simulator.runUntilQuiet();
    expect(seen).toEqual(["mine"]);
  });
});

describe("FramePool", () => {
  it("numbers lineages and keeps them on copies and derived frames", () => {
    const { frames } = new Simulator({ seed: 1 });
    const first = frames.create(10);
    const second = frames.create(10);
    expect([first.lineage, second.lineage, frames.copy(first).lineage, frames.derive(second, 4).lineage]).toEqual([
      1, 2, 1, 2,
    ]);
  });

  it("uses a released frame's buffer again, once", () => {
    const { frames } = new Simulator({ seed: 1 });
    const first = frames.create(10);
    const { bytes } = first;
    first.release();
    first.release();
    const second = frames.create(20);
    const third = frames.create(20);
    expect(second.bytes).toBe(bytes);
    expect(third.bytes).not.toBe(bytes);
    expect(second.length).toBe(20);
  });

  it("makes frames as long as a whole datagram", () => {
    const { frames } = new Simulator({ seed: 1 });
    expect(frames.create(65549).length).toBe(65549);
  });
});
