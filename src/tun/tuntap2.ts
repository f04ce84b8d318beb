import type { FramePort } from "./frame-pump.ts";
import type { FrameUser } from "./frame-ring.ts";

/** The part of the package `tuntap2` that is used here, as its README documents it: a duplex stream of one Ethernet frame a chunk. */
export interface Tap {
  readonly name: string;
  mtu: number;
  isUp: boolean;
  on(event: "data", handler: (frame: Uint8Array) => void): unknown;
  on(event: "drain", handler: () => void): unknown;
  on(event: "error", handler: (error: Error) => void): unknown;
  /** False when it wants to be waited for. */
  write(frame: Uint8Array): boolean;
  release(): void;
}

/** A TAP made by `tuntap2`. */
export interface Tuntap2Interface {
  readonly name: string;
  readonly port: FramePort;
}

/** Frames from the kernel that wait to be taken. */
const MOST_WAITING = 4096;

/**
 * A TAP made by the package `tuntap2`, where the user has installed it; `undefined` where not. It has no offloads: every frame is one of wire size, with its
 * checksum, and one system call.
 */
export async function openTuntap2(
  mtu: number,
  load: () => Promise<unknown> = loadTuntap2,
): Promise<Tuntap2Interface | undefined> {
  const module = (await load().catch(() => undefined)) as TuntapModule | { readonly default: TuntapModule } | undefined;
  if (module === undefined) return undefined;
  const { Tap } = "default" in module ? module.default : module;
  const tap = new Tap();
  tap.mtu = mtu;
  // Its properties can be read only once it is up.
  tap.isUp = true;
  return { name: tap.name, port: new TapPort(tap) };
}

interface TuntapModule {
  readonly Tap: new () => Tap;
}

async function loadTuntap2(): Promise<unknown> {
  // Not a dependency: named in a variable, so that the compiler does not look for it.
  const name = "tuntap2";
  return import(name);
}

class TapPort implements FramePort {
  onReady: () => void = () => {};
  hasRoom = true;
  readonly takesTrains = false;
  readonly #tap: Tap;
  readonly #waiting: Uint8Array[] = [];
  #noRoom = 0;
  #refused = 0;

  constructor(tap: Tap) {
    this.#tap = tap;
    tap.on("data", (frame) => {
      if (this.#waiting.length >= MOST_WAITING) this.#noRoom += 1;
      else this.#waiting.push(frame);
      if (this.#waiting.length === 1) this.onReady();
    });
    tap.on("drain", () => {
      this.hasRoom = true;
      this.onReady();
    });
    tap.on("error", () => {
      this.#refused += 1;
    });
  }

  get counters(): FramePort["counters"] {
    return { "no-room": this.#noRoom, "refused-by-kernel": this.#refused };
  }

  take(use: FrameUser): boolean {
    const frame = this.#waiting.shift();
    if (frame === undefined) return false;
    use(frame, 0, frame.length, 0);
    return true;
  }

  send(bytes: Uint8Array, start: number, end: number): boolean {
    this.hasRoom = this.#tap.write(bytes.slice(start, end));
    return true;
  }

  flush(): void {}

  async close(): Promise<void> {
    this.#tap.release();
  }
}
