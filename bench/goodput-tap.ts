import type { Device, Simulator } from "../src/sim/index.ts";
import type { Linux } from "../src/tun/index.ts";

/** linux/if_tun.h, fcntl(2). */
const TUNSETIFF = 0x400454ca;
const IFF_TAP_NO_PI = 0x1002;
const NONBLOCKING = 0o2 | 0o4000 | 0o2000000;
const LONGEST_FRAME = 1600;
const FRAMES_AT_A_LOOK = 512;

/**
 * A TAP interface of the kernel joined to a device, one frame a call and without any offload: what the kernel sends is cut and summed by the kernel, and what it
 * gets are single segments, as natscope's own stack does and gets. (`natscope shell` joins segments before it hands them over, which saves ACKs.)
 */
export class GoodputTap {
  readonly #linux: Linux;
  readonly #descriptor: number;
  readonly #device: Device;
  readonly #simulator: Simulator;

  /** Makes the interface `name` in this process' network namespace. */
  constructor(linux: Linux, name: string, at: { readonly device: Device; readonly simulator: Simulator }) {
    this.#linux = linux;
    this.#device = at.device;
    this.#simulator = at.simulator;
    this.#descriptor = linux.open("/dev/net/tun", NONBLOCKING);
    const request = new Uint8Array(40);
    new TextEncoder().encodeInto(name, request);
    new DataView(request.buffer).setInt16(16, IFF_TAP_NO_PI, true);
    if (linux.ioctl(this.#descriptor, TUNSETIFF, request) < 0) throw new Error(`the TAP ${name} cannot be made`);
    this.#device.onFrame((frame) => {
      linux.write(this.#descriptor, frame.bytes.subarray(frame.start, frame.end), frame.end - frame.start);
      frame.release();
    });
  }

  /** Sends on what the kernel has sent since the last look. */
  take(): void {
    for (let left = FRAMES_AT_A_LOOK; left > 0; left--) {
      const frame = this.#simulator.frames.create(LONGEST_FRAME);
      const room = frame.bytes.subarray(frame.start, frame.start + LONGEST_FRAME);
      const length = this.#linux.read(this.#descriptor, room, LONGEST_FRAME);
      if (length <= 0) return frame.release();
      frame.end = frame.start + length;
      frame.at = this.#simulator.now();
      this.#device.send(frame);
    }
  }

  close(): void {
    this.#linux.close(this.#descriptor);
  }
}
