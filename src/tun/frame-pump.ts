import { Worker } from "node:worker_threads";
import { FrameRing, type FrameUser, ringMemory } from "./frame-ring.ts";
import {
  COUNTERS,
  type FrameCounter,
  type FrameWorkerData,
  type FrameWorkerMessage,
  LEAST_RECORD,
  STOP,
} from "./frame-worker.ts";
import { CLOEXEC, type Linux, NONBLOCK, succeed } from "./linux.ts";

/** Where Ethernet frames come from and go to: the real kernel behind a TAP, a packet socket, or another way. */
export interface FramePort {
  /** Told that there is something to take, or room again after {@link send} had none. */
  onReady: () => void;
  /** Hands over the next frame from the kernel; false when there is none. */
  take(use: FrameUser): boolean;
  /** Queues a frame for the kernel; false when there is no room, and `onReady` will be called. A `segmentSize` needs {@link takesTrains}. */
  send(bytes: Uint8Array, start: number, end: number, segmentSize: number): boolean;
  /** Whether TCP segments may be sent several in one piece. */
  readonly takesTrains: boolean;
  /** Whether the next {@link send} will find room. */
  readonly hasRoom: boolean;
  /** To be called after a number of sends: waking another thread costs as much as a dozen packets. */
  flush(): void;
  /** Ends it; the kernel's interface is gone, or without a carrier. */
  close(): Promise<void>;
  /** What was not passed on, and why. */
  readonly counters: Readonly<Partial<Record<FrameCounter, number>>>;
}

const FROM_KERNEL_BYTES = 8 * 1024 * 1024;
const TO_KERNEL_BYTES = 8 * 1024 * 1024;
/** More than any frame of the emulated network. */
const ROOM_FOR_A_FRAME = 2 * 65_536;

/** Frames to and from a descriptor, by a thread of its own: see frame-worker.ts. */
export class FramePump implements FramePort {
  onReady: () => void = () => {};
  readonly takesTrains = true;
  readonly #linux: Linux;
  readonly #descriptor: number;
  readonly #wake: number;
  readonly #fromKernel: FrameRing;
  readonly #toKernel: FrameRing;
  readonly #counters: Int32Array;
  readonly #worker: Worker;
  readonly #ended: Promise<void>;
  #hasSent = false;

  /** Takes `descriptor` over. */
  constructor(linux: Linux, descriptor: number, mtu: number) {
    this.#linux = linux;
    this.#descriptor = descriptor;
    this.#wake = succeed(linux, linux.eventfd(0, NONBLOCK | CLOEXEC), "an eventfd cannot be made");
    const data: FrameWorkerData = {
      descriptor,
      mtu,
      wake: this.#wake,
      fromKernel: ringMemory(FROM_KERNEL_BYTES),
      toKernel: ringMemory(TO_KERNEL_BYTES),
      counters: new SharedArrayBuffer((COUNTERS.length + 1) * 4),
    };
    this.#fromKernel = new FrameRing(data.fromKernel, LEAST_RECORD);
    this.#toKernel = new FrameRing(data.toKernel);
    this.#counters = new Int32Array(data.counters);
    // Until the first time there is nothing left to take.
    this.#fromKernel.readerSleeps();
    this.#worker = new Worker(new URL("./frame-worker.js", import.meta.url), { workerData: data });
    this.#worker.on("message", (_: FrameWorkerMessage) => this.onReady());
    this.#ended = new Promise((resolve) => {
      this.#worker.once("exit", () => resolve());
    });
  }

  get hasRoom(): boolean {
    return this.#toKernel.free >= ROOM_FOR_A_FRAME || !this.#toKernel.writerWaits(ROOM_FOR_A_FRAME);
  }

  get counters(): FramePort["counters"] {
    return Object.fromEntries(COUNTERS.map((name, index) => [name, Atomics.load(this.#counters, index)]));
  }

  take(use: FrameUser): boolean {
    if (!this.#fromKernel.take(use)) return false;
    if (this.#fromKernel.mustWakeWriter()) this.#wakeWorker();
    return true;
  }

  send(bytes: Uint8Array, start: number, end: number, segmentSize: number): boolean {
    const at = this.#toKernel.reserve(end - start, segmentSize);
    if (at < 0) return false;
    this.#toKernel.bytes.set(bytes.subarray(start, end), at);
    this.#toKernel.commit();
    this.#hasSent = true;
    return true;
  }

  /** Only now the worker is asked to tell of frames (NAPI does so with the card's interrupt): what has come during the turn needs no message. */
  flush(): void {
    // A worker with nothing to write is left asleep.
    if (this.#hasSent && this.#toKernel.mustWakeReader()) this.#wakeWorker();
    this.#hasSent = false;
    if (!this.#fromKernel.readerSleeps()) this.onReady();
  }

  async close(): Promise<void> {
    Atomics.store(this.#counters, STOP, 1);
    this.#wakeWorker();
    await this.#ended;
    this.#linux.close(this.#wake);
    this.#linux.close(this.#descriptor);
  }

  #wakeWorker(): void {
    this.#linux.write(this.#wake, ONE, 8);
  }
}

/** What is added to an eventfd. */
const ONE = new Uint8Array(BigUint64Array.of(1n).buffer);
