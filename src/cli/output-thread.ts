import { closeSync, openSync, statSync } from "node:fs";
import { Worker } from "node:worker_threads";
import {
  type OutputWorkerData,
  type OutputWorkerFailure,
  type OutputWorkerMessage,
  STOP,
  TAKEN,
} from "./output-worker.ts";

/** Bytes that wait to be written, or to be read by somebody: who has left more is behind. */
export const MOST_UNTAKEN: number = 4 * 1024 * 1024;
/** At the end who takes nothing for so long is waited for no longer. */
const PATIENCE_MS = 2000;

/** A file, or standard output, that is written by a thread of its own. */
export interface OutputThread {
  /** Keeps a copy of the bytes, and does not wait until they are written. To be asked before, so that they do not fill memory: {@link isBehind}. */
  write(bytes: Uint8Array): void;
  readonly isBehind: boolean;
  /** What has gone wrong; EPIPE when nobody reads a pipe any more. What is written afterwards is lost. */
  readonly failure: NodeJS.ErrnoException | undefined;
  /** Waits until all is written, as long as that goes on; false when something is left. */
  end(): Promise<boolean>;
}

/** Opens a file to write; `-` is standard output, and a named pipe is opened once somebody reads it. @throws Error of the system when it cannot be opened. */
export function openOutputThread(name: string): OutputThread {
  if (name === "-") return new WritingThread(STANDARD_OUTPUT, () => {});
  const isPipe = statSync(name, { throwIfNoEntry: false })?.isFIFO() === true;
  if (isPipe) return new WritingThread(name, () => {});
  const descriptor = openSync(name, "w");
  return new WritingThread(descriptor, () => closeSync(descriptor));
}

const STANDARD_OUTPUT = 1;

class WritingThread implements OutputThread {
  failure: NodeJS.ErrnoException | undefined;
  readonly #worker: Worker;
  readonly #control = new Int32Array(new SharedArrayBuffer(8));
  readonly #ended: Promise<void>;
  /** Modulo 2^32, as what is taken is. */
  #sent = 0;

  constructor(to: OutputWorkerData["to"], close: () => void) {
    const workerData: OutputWorkerData = { to, control: this.#control.buffer as SharedArrayBuffer };
    this.#worker = new Worker(new URL("./output-worker.js", import.meta.url), { workerData });
    const fail = ({ code, message }: OutputWorkerFailure): void => {
      this.failure ??= Object.assign(new Error(message), code !== undefined && { code });
    };
    this.#worker.on("message", fail).on("error", fail);
    this.#ended = new Promise<void>((resolve) => this.#worker.once("exit", () => resolve())).then(close);
  }

  write(bytes: Uint8Array): void {
    const copy = bytes.slice();
    this.#sent = (this.#sent + copy.length) | 0;
    this.#worker.postMessage(copy satisfies OutputWorkerMessage, [copy.buffer]);
  }

  get isBehind(): boolean {
    return this.#untaken > MOST_UNTAKEN;
  }

  async end(): Promise<boolean> {
    this.#worker.postMessage("end" satisfies OutputWorkerMessage);
    let before = this.#untaken;
    let isWhole = true;
    const watch = setInterval(() => {
      const left = this.#untaken;
      if (left === before && left > 0) {
        isWhole = false;
        Atomics.store(this.#control, STOP, 1);
        Atomics.notify(this.#control, STOP);
      }
      before = left;
    }, PATIENCE_MS);
    await this.#ended;
    clearInterval(watch);
    return isWhole;
  }

  get #untaken(): number {
    return (this.#sent - Atomics.load(this.#control, TAKEN)) | 0;
  }
}
