import { getU8, sendThrough, tcpHeaderLength } from "../netstack/index.ts";
import type { Device, Frame, Simulator } from "../sim/index.ts";
import type { FramePort } from "./frame-pump.ts";
import type { FrameUser } from "./frame-ring.ts";
import type { RealTimeDriver } from "./real-time-driver.ts";

/** What went through an attachment. */
export interface AttachmentCounters {
  /** Frames of the real kernel. */
  readonly fromKernel: number;
  readonly toKernel: number;
  /** TCP connections that the kernel has begun, each SYN counted. */
  readonly connections: number;
  /** Frames for the kernel that found no room. */
  readonly lost: number;
}

/** A device of the emulated network and the interface of the kernel that stands behind it. */
export interface AttachedInterface {
  readonly device: Device;
  readonly port: FramePort;
}

/** One of them at work. */
interface Joint {
  readonly port: FramePort;
  /** Sends a frame of the kernel's by the device. */
  readonly inject: FrameUser;
}

/** Frames taken from one interface of the kernel before others have their turn. */
const FRAMES_IN_A_ROW = 512;

/** Joins the real kernel to devices of the emulated network: its frames leave by the devices, and what arrives there is the kernel's. */
export class Attachment {
  readonly #interfaces: readonly AttachedInterface[];
  readonly #joints: readonly Joint[];
  readonly #driver: RealTimeDriver;
  readonly #simulator: Simulator;
  #fromKernel = 0;
  #toKernel = 0;
  #connections = 0;
  #lost = 0;
  #goesOn = false;
  #isClosed = false;

  /** The devices' frames go to the kernel from now on; the driver has to be started by the caller. */
  constructor(options: {
    readonly interfaces: readonly AttachedInterface[];
    readonly driver: RealTimeDriver;
    readonly simulator: Simulator;
  }) {
    this.#interfaces = options.interfaces;
    this.#driver = options.driver;
    this.#simulator = options.simulator;
    this.#joints = options.interfaces.map((each) => this.#join(each));
    this.#driver.onTurn = () => {
      for (const { port } of this.#interfaces) port.flush();
    };
  }

  get counters(): AttachmentCounters {
    return { fromKernel: this.#fromKernel, toKernel: this.#toKernel, connections: this.#connections, lost: this.#lost };
  }

  /** Ends it. The devices are left without anybody behind them. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#driver.stop();
    for (const { device } of this.#interfaces) device.onFrame((frame) => frame.release());
    await Promise.all(this.#interfaces.map(({ port }) => port.close()));
  }

  #join({ device, port }: AttachedInterface): Joint {
    const inject: FrameUser = (bytes, start, end, segmentSize) =>
      sendThrough(device, this.#receive(bytes, start, end, segmentSize), this.#simulator.frames);
    device.onFrame(
      (frame) => this.#passToKernel(frame, port),
      () => port.takesTrains,
    );
    port.onReady = () => this.#onReady();
    return { port, inject };
  }

  #passToKernel(frame: Frame, port: FramePort): void {
    const { bytes, start, end, segments, segmentSize } = frame;
    if (port.send(bytes, start, end, segmentSize)) this.#toKernel += segments;
    else this.#lost += segments;
    frame.release();
    if (!port.hasRoom) this.#driver.held = true;
  }

  /** One interface has something, or room again: what the others have kept waiting is taken with it. */
  #onReady(): void {
    if (this.#isClosed) return;
    if (this.#driver.held && this.#joints.every(({ port }) => port.hasRoom)) this.#driver.held = false;
    // While the network stands still, frames wait where they are.
    if (this.#driver.held) return;
    this.#driver.act(() => {
      for (const joint of this.#joints) this.#takeSome(joint);
    });
  }

  #takeSome({ port, inject }: Joint): void {
    let left = FRAMES_IN_A_ROW;
    while (left > 0 && port.take(inject)) left -= 1;
    if (left > 0 || this.#goesOn) return;
    // No further message comes as long as there is something to take.
    this.#goesOn = true;
    setImmediate(() => {
      this.#goesOn = false;
      this.#onReady();
    });
  }

  /** The kernel's frame as one of the network's. */
  #receive(bytes: Uint8Array, start: number, end: number, segmentSize: number): Frame {
    const { frames } = this.#simulator;
    const length = end - start;
    const segments = segmentSize === 0 ? 1 : Math.ceil((length - tcpHeadersLength(bytes, start)) / segmentSize);
    const frame = segments === 1 ? frames.create(length) : frames.createTrain(length, segments, segmentSize);
    frame.bytes.set(bytes.subarray(start, end), frame.start);
    frame.at = this.#simulator.now();
    this.#fromKernel += segments;
    if (isFirstSyn(bytes, start, end)) this.#connections += 1;
    return frame;
  }
}

const ETHERNET_LENGTH = 14;
const SYN = 0x02;
const ACK = 0x10;

/** Ethernet, IPv4 and TCP headers together, of TCP segments in one piece. */
function tcpHeadersLength(bytes: Uint8Array, start: number): number {
  const transport = ETHERNET_LENGTH + (getU8(bytes, start + ETHERNET_LENGTH) & 15) * 4;
  return transport + tcpHeaderLength(bytes, start + transport);
}

/** True for a TCP segment with SYN and without ACK, in an IPv4 packet without options. */
function isFirstSyn(bytes: Uint8Array, start: number, end: number): boolean {
  const ip = start + ETHERNET_LENGTH;
  if (end < ip + 40 || bytes[start + 12] !== 8 || bytes[start + 13] !== 0) return false;
  return bytes[ip] === 0x45 && bytes[ip + 9] === 6 && ((bytes[ip + 33] ?? 0) & (SYN | ACK)) === SYN;
}
