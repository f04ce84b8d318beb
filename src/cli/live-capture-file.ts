import type { CaptureOptions } from "../pcap/index.ts";
import { ConfigError, type Scenario } from "../scenario/index.ts";
import { type CaptureFlags, captureOptions } from "./capture-file.ts";
import { counted } from "./counted.ts";
import { describeFileError } from "./file-error.ts";
import type { CommandIo } from "./io.ts";
import { type OutputThread, openOutputThread } from "./output-thread.ts";

/** Where the packets of a live network go: `--pcap` as for a run, but the network never waits for whoever takes them. */
export class LiveCaptureFile {
  readonly options: Omit<CaptureOptions, "now" | "startDate">;
  readonly #name: string;
  #output: OutputThread | undefined;

  /** @throws ConfigError when the file cannot be written, or the filter cannot be read. */
  constructor(scenario: Scenario, flags: CaptureFlags) {
    this.#name = flags.pcap ?? "";
    const options = captureOptions(scenario, flags, () => {
      const output = this.#open();
      this.#output = output;
      return (bytes) => output.write(bytes);
    });
    this.options = { ...options, isBehind: () => this.#output?.isBehind === true };
  }

  /** Whoever read the pipe has closed it. */
  get isLeft(): boolean {
    return this.#output?.failure?.code === "EPIPE";
  }

  /**
   * Waits until all is written, as long as that goes on, and says what the capture lacks; `missed` packets were not recorded.
   * @throws ConfigError when something could not be written.
   */
  async close(missed: number, io: CommandIo): Promise<void> {
    const output = this.#output;
    if (output === undefined) return;
    this.#output = undefined;
    const note = (lack: string): void => io.err(`note: --pcap ${this.#name}: ${lack}\n`);
    if (missed > 0) note(`${counted(missed, "packet")} left out: not taken in time`);
    if (!(await output.end())) note("its end is missing: nobody takes it");
    const { failure } = output;
    if (failure === undefined) return;
    if (failure.code !== "EPIPE") throw this.#fault(`not written to the end: ${describeFileError(failure)}`);
    note("nobody reads it any more");
  }

  #open(): OutputThread {
    try {
      return openOutputThread(this.#name);
    } catch (error) {
      throw this.#fault(`cannot be written: ${describeFileError(error)}`);
    }
  }

  #fault(message: string): ConfigError {
    return new ConfigError([{ file: `--pcap ${this.#name}`, message }]);
  }
}
