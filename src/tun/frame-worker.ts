import { parentPort, workerData } from "node:worker_threads";
import { Coalescer } from "./coalescing.ts";
import { FrameRing, type FrameUser } from "./frame-ring.ts";
import { type Linux, loadLinux } from "./linux.ts";
import { type HandedOver, handOver } from "./segmentation.ts";

/*
 * The thread that talks to the kernel: it waits for frames on either side, reads and writes in batches, completes checksums on the way in
 * and joins segments on the way out. The emulation never waits for a system call.
 */

/** What the thread is started with. */
export interface FrameWorkerData {
  /** Of the TAP or the packet socket. */
  readonly descriptor: number;
  /** An eventfd, by which the other thread ends the wait. */
  readonly wake: number;
  readonly mtu: number;
  readonly fromKernel: SharedArrayBuffer;
  readonly toKernel: SharedArrayBuffer;
  /** Counters by the names in {@link COUNTERS}, and at the end one word that is 1 when the thread is to end. */
  readonly counters: SharedArrayBuffer;
}

/**
 * Frames that wait for the emulation are few even when they are short: what a flood fills a longer queue with would keep everybody behind it waiting. The
 * rest waits, or is lost, in the kernel.
 */
export const LEAST_RECORD = 2048;

/** What is counted, in this order. */
export const COUNTERS = [
  "not-ipv4",
  "malformed",
  "unsupported-offload",
  "no-room",
  "refused-by-kernel",
  "reads",
  "writes",
] as const;
export type FrameCounter = (typeof COUNTERS)[number];
const PLACES = Object.fromEntries(COUNTERS.map((name, place) => [name, place])) as Record<FrameCounter, number>;
/** The word behind the counters. */
export const STOP: number = COUNTERS.length;

/** What is posted: frames have come, or there is room again. */
export type FrameWorkerMessage = "frames" | "room";

/** The longest packet there is, its headers, and something for the kernel's padding. */
const READ_BYTES = 70_000;
/** Datagrams of one super-packet, each with its own headers, and one ring's wrap. */
const ROOM_FOR_ONE = 4 * READ_BYTES;
const READS_IN_A_ROW = 64;
const FRAMES_IN_A_ROW = 512;
const POLLIN = 1;
const POLLOUT = 4;
/** asm-generic/errno.h. */
const EBADFD = 77;
/** A wait is cut short now and then, should the other thread have died. */
const LONGEST_WAIT_MS = 250;

class FrameWorker {
  readonly #linux: Linux;
  readonly #data: FrameWorkerData;
  readonly #fromKernel: FrameRing;
  readonly #toKernel: FrameRing;
  readonly #counters: Int32Array;
  readonly #buffer = new Uint8Array(READ_BYTES);
  readonly #coalescer: Coalescer;
  /** pollfd: descriptor, events, revents; for the kernel's side, then for the eventfd. */
  readonly #poll = new DataView(new ArrayBuffer(16));
  readonly #pollBytes = new Uint8Array(this.#poll.buffer);
  #isGone = false;

  constructor(linux: Linux, data: FrameWorkerData) {
    this.#linux = linux;
    this.#data = data;
    this.#fromKernel = new FrameRing(data.fromKernel, LEAST_RECORD);
    this.#toKernel = new FrameRing(data.toKernel);
    this.#counters = new Int32Array(data.counters);
    this.#coalescer = new Coalescer((packet, length) => this.#write(packet, length));
  }

  run(): void {
    while (Atomics.load(this.#counters, STOP) === 0) {
      const wrote = this.#writeSome();
      const hasRoom = this.#fromKernel.free >= ROOM_FOR_ONE;
      const read = hasRoom && this.#readSome();
      if (wrote || read) continue;
      const waitsForRoom = !hasRoom && this.#fromKernel.writerWaits(ROOM_FOR_ONE);
      // Told to look again before sleeping: something has come between.
      if (!hasRoom && !waitsForRoom) continue;
      if (!this.#toKernel.readerSleeps()) continue;
      this.#wait(hasRoom ? POLLIN : 0);
    }
  }

  /** Sleeps until the kernel has something, or the other thread. */
  #wait(events: number): void {
    const poll = this.#poll;
    // poll(2) passes over what is negative.
    poll.setInt32(0, this.#isGone ? -1 : this.#data.descriptor, true);
    poll.setInt16(4, events, true);
    poll.setInt32(8, this.#data.wake, true);
    poll.setInt16(12, POLLIN, true);
    if (this.#linux.poll(this.#pollBytes, 2, LONGEST_WAIT_MS) > 0 && poll.getInt16(14, true) !== 0) {
      this.#linux.read(this.#data.wake, this.#buffer, 8);
    }
  }

  #readSome(): boolean {
    let reads = 0;
    for (; reads < READS_IN_A_ROW && this.#fromKernel.free >= ROOM_FOR_ONE; reads++) {
      const length = this.#linux.read(this.#data.descriptor, this.#buffer, READ_BYTES);
      if (length <= 0) {
        // Somebody has deleted the interface: nothing will ever come, and poll(2) would not sleep.
        this.#isGone = length < 0 && this.#linux.errno() === EBADFD;
        break;
      }
      this.#count("reads");
      const became = handOver(this.#buffer, length, this.#data.mtu, this.#fromKernel);
      if (became !== "passed") this.#count(became);
    }
    if (reads > 0 && this.#fromKernel.mustWakeReader()) post("frames");
    return reads > 0;
  }

  #writeSome(): boolean {
    let frames = 0;
    while (frames < FRAMES_IN_A_ROW && this.#toKernel.take(this.#add)) frames += 1;
    this.#coalescer.flush();
    if (frames > 0 && this.#toKernel.mustWakeWriter()) post("room");
    return frames > 0;
  }

  readonly #add: FrameUser = (bytes, start, end, segmentSize) => this.#coalescer.add(bytes, start, end, segmentSize);

  #write(packet: Uint8Array, length: number): void {
    this.#count("writes");
    const { descriptor } = this.#data;
    if (this.#linux.write(descriptor, packet, length) >= 0) return;
    // Its queue is full: once more when it has room. What is wrong with the packet itself will be so again.
    this.#poll.setInt32(0, descriptor, true);
    this.#poll.setInt16(4, POLLOUT, true);
    this.#linux.poll(this.#pollBytes, 1, 100);
    if (this.#linux.write(descriptor, packet, length) < 0) this.#count("refused-by-kernel");
  }

  #count(what: FrameCounter | Exclude<HandedOver, "passed">): void {
    Atomics.add(this.#counters, PLACES[what], 1);
  }
}

function post(message: FrameWorkerMessage): void {
  parentPort?.postMessage(message);
}

if (parentPort !== null) new FrameWorker(await loadLinux(), workerData as FrameWorkerData).run();
