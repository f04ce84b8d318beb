import { describe, expect, it } from "vitest";
import { sendThrough } from "../../src/netstack/index.ts";
import { type Frame, Link, ms, Simulator } from "../../src/sim/index.ts";
import type { FrameUser } from "../../src/tun/frame-ring.ts";
import { Attachment, type FramePort, RealTimeDriver } from "../../src/tun/index.ts";
import { ScriptedWallClock } from "../support/scripted-wall-clock.ts";
import { pattern, tcpFrame } from "./kernel-packets.ts";

/** A kernel that sends and takes what the test says. */
class ScriptedPort implements FramePort {
  onReady: () => void = () => {};
  hasRoom = true;
  takesTrains = true;
  /** Of what it sends. */
  segmentSize = 0;
  readonly counters = {};
  readonly received: number[][] = [];
  readonly segmentSizes: number[] = [];
  isClosed = false;
  readonly #waiting: Uint8Array[] = [];

  sends(...frames: Uint8Array[]): void {
    this.#waiting.push(...frames);
    this.onReady();
  }

  take(use: FrameUser): boolean {
    const frame = this.#waiting.shift();
    if (frame !== undefined) use(frame, 0, frame.length, this.segmentSize);
    return frame !== undefined;
  }

  send(bytes: Uint8Array, start: number, end: number, segmentSize: number): boolean {
    this.received.push([...bytes.subarray(start, end)]);
    this.segmentSizes.push(segmentSize);
    return true;
  }

  flush(): void {}

  async close(): Promise<void> {
    this.isClosed = true;
  }
}

interface Attached {
  readonly port: ScriptedPort;
  readonly other: ScriptedPort;
  readonly wall: ScriptedWallClock;
  readonly attachment: Attachment;
  readonly driver: RealTimeDriver;
}

/** Two wires whose ends `a` are the kernel's; what arrives at `b` is sent back, 10 ms after the kernel has sent it. */
function attach(): Attached {
  const simulator = new Simulator({ seed: 1 });
  const wall = new ScriptedWallClock();
  const driver = new RealTimeDriver(simulator, wall);
  const impairments = { delay: ms(5) };
  const { frames, random } = simulator;
  const [port, other] = [new ScriptedPort(), new ScriptedPort()];
  const interfaces = [port, other].map((each) => {
    const link = new Link({ queue: simulator, frames, random, aToB: impairments, bToA: impairments });
    const echo = (frame: Frame): void => sendThrough(link.b, frame, frames);
    link.b.onFrame(echo, () => true);
    return { device: link.a, port: each };
  });
  const attachment = new Attachment({ interfaces, driver, simulator });
  driver.start();
  return { port, other, wall, attachment, driver };
}

describe("Attachment", () => {
  it("carries the kernel's frames into the network and the network's to the kernel, in real time", () => {
    const { port, wall, attachment } = attach();
    port.sends(Uint8Array.of(1, 2), Uint8Array.of(3));
    wall.pass(ms(8));
    expect(port.received).toEqual([]);
    wall.pass(ms(2));
    expect(port.received).toEqual([[1, 2], [3]]);
    expect(attachment.counters).toEqual({ fromKernel: 2, toKernel: 2, connections: 0, lost: 0 });
  });

  it("lets the network stand still while the kernel takes nothing", () => {
    const { port, wall, driver } = attach();
    port.hasRoom = false;
    port.sends(Uint8Array.of(1), Uint8Array.of(2));
    wall.pass(ms(50));
    expect(port.received).toEqual([[1]]);
    expect(driver.held).toBe(true);
    port.hasRoom = true;
    port.onReady();
    wall.pass(ms(1));
    expect(port.received).toEqual([[1], [2]]);
  });

  it("keeps what comes by one interface apart from what comes by another", () => {
    const { port, other, wall, attachment } = attach();
    port.sends(Uint8Array.of(1));
    other.sends(Uint8Array.of(2));
    wall.pass(ms(10));
    expect([port.received, other.received]).toEqual([[[1]], [[2]]]);
    expect(attachment.counters).toEqual({ fromKernel: 2, toKernel: 2, connections: 0, lost: 0 });
  });

  it("goes on once all interfaces have room, with what each has kept waiting", () => {
    const { port, other, wall, driver } = attach();
    port.hasRoom = false;
    other.hasRoom = false;
    port.sends(Uint8Array.of(1));
    wall.pass(ms(50));
    expect([port.received, driver.held]).toEqual([[[1]], true]);
    other.sends(Uint8Array.of(2));
    port.hasRoom = true;
    port.onReady();
    wall.pass(ms(50));
    expect([other.received, driver.held]).toEqual([[], true]);
    other.hasRoom = true;
    port.onReady();
    wall.pass(ms(10));
    expect([other.received, driver.held]).toEqual([[[2]], false]);
  });

  it("counts the TCP connections that the kernel begins", () => {
    const { port, attachment } = attach();
    const flags = [0x02, 0x10, 0x12, 0x02];
    port.sends(...flags.map((each) => tcpFrame({ payload: new Uint8Array(), flags: each })));
    expect(attachment.counters.connections).toBe(2);
  });

  it("carries segments in one piece, counts each, and cuts them for a kernel's end that has no offloads", () => {
    const whole = tcpFrame({ payload: pattern(250) });
    const { port, wall, attachment } = attach();
    port.segmentSize = 100;
    port.sends(whole);
    wall.pass(ms(10));
    expect(port.received).toEqual([[...whole]]);
    expect(port.segmentSizes).toEqual([100]);
    expect(attachment.counters).toEqual({ fromKernel: 3, toKernel: 3, connections: 0, lost: 0 });
    port.takesTrains = false;
    port.sends(whole);
    wall.pass(ms(10));
    expect(port.segmentSizes).toEqual([100, 0, 0, 0]);
    expect(port.received.slice(1)).toEqual(
      [0, 100, 200].map((from, number) => [
        ...tcpFrame({
          payload: pattern(250).slice(from, from + 100),
          sequence: 1000 + from,
          identification: 7 + number,
        }),
      ]),
    );
  });

  it("carries nothing after it was closed", async () => {
    const { port, other, wall, attachment } = attach();
    port.sends(Uint8Array.of(1));
    await attachment.close();
    wall.pass(ms(50));
    port.sends(Uint8Array.of(2));
    expect(port.received).toEqual([]);
    expect([port.isClosed, other.isClosed]).toEqual([true, true]);
  });
});
