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

/** Frames taken from the kernel before the network's events run. */
const FRAMES_IN_A_ROW = 512;

/** Joins the real kernel to a device of the emulated network: its frames leave by the device, and what arrives there is the kernel's. */
export class Attachment {
  readonly #device: Device;
  readonly #port: FramePort;
  readonly #driver: RealTimeDriver;
  readonly #simulator: Simulator;
  #fromKernel = 0;
  #toKernel = 0;
  #connections = 0;
  #lost = 0;
  #isClosed = false;

  /** The device's frames go to the kernel from now on; the driver has to be started by the caller. */
  constructor(options: {
    readonly device: Device;
    readonly port: FramePort;
    readonly driver: RealTimeDriver;
    readonly simulator: Simulator;
  }) {
    this.#device = options.device;
    this.#port = options.port;
    this.#driver = options.driver;
    this.#simulator = options.simulator;
    this.#device.onFrame(
      (frame) => this.#passToKernel(frame),
      () => this.#port.takesTrains,
    );
    this.#driver.onTurn = () => this.#port.flush();
    this.#port.onReady = () => this.#onReady();
  }

  get counters(): AttachmentCounters {
    return { fromKernel: this.#fromKernel, toKernel: this.#toKernel, connections: this.#connections, lost: this.#lost };
  }

  /** Ends it. The device is left without anybody behind it. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#driver.stop();
    this.#device.onFrame((frame) => frame.release());
    await this.#port.close();
  }

  #onReady(): void {
    if (this.#isClosed) return;
    if (this.#driver.held && this.#port.hasRoom) this.#driver.held = false;
    // While the network stands still, frames wait where they are.
    if (this.#driver.held) return;
    let left = FRAMES_IN_A_ROW;
    this.#driver.act(() => {
      while (left > 0 && this.#port.take(this.#inject)) left -= 1;
    });
    // No further message comes as long as there is something to take.
    if (left === 0) setImmediate(() => this.#onReady());
  }

  #passToKernel(frame: Frame): void {
    const { bytes, start, end, segments, segmentSize } = frame;
    if (this.#port.send(bytes, start, end, segmentSize)) this.#toKernel += segments;
    else this.#lost += segments;
    frame.release();
    if (!this.#port.hasRoom) this.#driver.held = true;
  }

  readonly #inject: FrameUser = (bytes, start, end, segmentSize) => {
    const { frames } = this.#simulator;
    const length = end - start;
    const segments = segmentSize === 0 ? 1 : Math.ceil((length - tcpHeadersLength(bytes, start)) / segmentSize);
    const frame = segments === 1 ? frames.create(length) : frames.createTrain(length, segments, segmentSize);
    frame.bytes.set(bytes.subarray(start, end), frame.start);
    frame.at = this.#simulator.now();
    this.#fromKernel += segments;
    if (isFirstSyn(bytes, start, end)) this.#connections += 1;
    sendThrough(this.#device, frame, frames);
  };
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
