import { closeSync, constants, openSync, writeSync } from "node:fs";
import { parentPort, workerData } from "node:worker_threads";

/*
 * A thread that writes what it is sent: who sends never waits for a slow disk or a reader that does not read. Each message is bytes; `end` is the last.
 */

/** What the thread is started with. */
export interface OutputWorkerData {
  /** An open file, or the path of a pipe, which is opened as soon as somebody reads it. */
  readonly to: number | string;
  /** See {@link TAKEN} and {@link STOP}. */
  readonly control: SharedArrayBuffer;
}

export type OutputWorkerMessage = Uint8Array | "end";

/** What the thread answers when it cannot write any more: a thread's message does not carry an Error's code. */
export interface OutputWorkerFailure {
  readonly code: string | undefined;
  readonly message: string;
}

/** Words of the control memory: bytes that have been taken, modulo 2^32, and 1 when the thread is not to wait for a reader any more. */
export const TAKEN = 0;
export const STOP = 1;

/** How soon a pipe that is full, or that nobody reads yet, is tried again. */
const FULL_MS = 2;
const UNREAD_MS = 50;

class Writer {
  readonly #to: number | string;
  readonly #control: Int32Array;
  #descriptor: number | undefined;
  #hasFailed = false;

  constructor({ to, control }: OutputWorkerData) {
    this.#to = to;
    this.#control = new Int32Array(control);
    if (typeof to === "number") this.#descriptor = to;
  }

  write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      // What nobody will have is taken, too: it makes room.
      const count = this.#hasFailed || this.#isStopped ? bytes.length - at : this.#writeSome(bytes, at);
      Atomics.add(this.#control, TAKEN, count);
      at += count;
    }
  }

  /** What was opened elsewhere is closed there. */
  close(): void {
    if (typeof this.#to === "string" && this.#descriptor !== undefined) closeSync(this.#descriptor);
  }

  get #isStopped(): boolean {
    return Atomics.load(this.#control, STOP) === 1;
  }

  #writeSome(bytes: Uint8Array, at: number): number {
    try {
      this.#descriptor ??= openSync(String(this.#to), constants.O_WRONLY | constants.O_NONBLOCK);
      return writeSync(this.#descriptor, bytes, at);
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === "EAGAIN") return this.#wait(FULL_MS);
      if (code === "ENXIO") return this.#wait(UNREAD_MS);
      this.#hasFailed = true;
      parentPort?.postMessage({ code, message } satisfies OutputWorkerFailure);
      return 0;
    }
  }

  #wait(milliseconds: number): number {
    Atomics.wait(this.#control, STOP, 0, milliseconds);
    return 0;
  }
}

if (parentPort !== null) {
  const writer = new Writer(workerData as OutputWorkerData);
  parentPort.on("message", (message: OutputWorkerMessage) => {
    if (message !== "end") return writer.write(message);
    writer.close();
    parentPort?.close();
  });
}
