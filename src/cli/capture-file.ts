import { closeSync, openSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { CaptureOptions, PacketFilter } from "../pcap/index.ts";
import { ConfigError, compileDisplayFilter, realPoint, type Scenario } from "../scenario/index.ts";
import { describeFileError } from "./file-error.ts";
import type { CommandIo } from "./io.ts";
import { packetFilter } from "./packet-filter.ts";
import { VERSION } from "./version.ts";

/** The options of `run` that are about the capture. */
export interface CaptureFlags {
  /** A file's name, or `-` for standard output. */
  readonly pcap?: string;
  readonly format?: "pcapng" | "pcap";
  readonly only?: readonly string[];
  readonly filter?: string;
  readonly seed: number;
}

/** Where the packets of a run go. */
export interface CaptureFiles {
  readonly options: Omit<CaptureOptions, "now" | "startDate">;
  /** The files that have been begun, by name. */
  readonly files: readonly string[];
  /** Closes the files. @throws ConfigError when something could not be written. */
  close(): void;
}

/** Opens what `--pcap` names before the run begins, so that a path that cannot be written is known at once. */
export function openCapture(scenario: Scenario, flags: CaptureFlags, io: CommandIo): CaptureFiles {
  const files = new OpenFiles(io);
  const options = captureOptions(scenario, flags, (name) => files.open(name));
  return { options, files: files.names, close: () => files.close() };
}

/** What the options say is captured, and where to: `open` opens a file. @throws ConfigError */
export function captureOptions(
  scenario: Scenario,
  flags: CaptureFlags,
  open: (name: string) => (bytes: Uint8Array) => void,
): CaptureFiles["options"] {
  const { pcap, format = "pcapng" } = flags;
  if (format === "pcap" && pcap === "-") {
    throw wrong(
      "--pcap -",
      "classic pcap is one file for each capture point; expected a file's name, or --format pcapng",
    );
  }
  const filter = flags.filter === undefined ? undefined : readFilter(flags.filter);
  const section = { application: `natscope ${VERSION}`, comment: `scenario ${scenario.name}, seed ${flags.seed}` };
  const target: CaptureOptions["target"] =
    pcap === undefined
      ? { format: "count" }
      : format === "pcap"
        ? { format, sinkFor: (point) => open(fileForPoint(pcap, point)) }
        : { format, sink: open(pcap), section };
  return {
    target,
    ...(flags.only !== undefined && { only: flags.only.map((pattern) => realPoint(scenario, pattern)) }),
    ...(filter !== undefined && { filter }),
  };
}

/** `lab.pcap` and the point `node2/eth0` make `lab-node2-eth0.pcap`. */
function fileForPoint(pcap: string, point: string): string {
  const name = basename(pcap).replace(/\.pcap$/, "");
  return join(dirname(pcap), `${name}-${point.replaceAll(/[^\w.-]/g, "-")}.pcap`);
}

function readFilter(text: string): PacketFilter {
  const compiled = compileDisplayFilter(text);
  if ("filter" in compiled) return packetFilter(compiled.filter);
  const { column, message } = compiled.fault;
  throw wrong("--filter", `${message}\n  ${text}\n  ${" ".repeat(column - 1)}^`);
}

/** Files being written. A failure to write is kept until the end: it must not break the run in the middle of an event. */
class OpenFiles {
  readonly names: string[] = [];
  readonly #io: CommandIo;
  readonly #descriptors = new Map<string, number>();
  #failure: ConfigError | undefined;

  constructor(io: CommandIo) {
    this.#io = io;
  }

  open(name: string): (bytes: Uint8Array) => void {
    if (name === "-") return (bytes) => this.#io.out(bytes.slice());
    const descriptor = this.#create(name);
    this.#descriptors.set(name, descriptor);
    this.names.push(name);
    return (bytes) => this.#write(name, descriptor, bytes);
  }

  close(): void {
    for (const descriptor of this.#descriptors.values()) closeSync(descriptor);
    this.#descriptors.clear();
    if (this.#failure !== undefined) throw this.#failure;
  }

  #create(name: string): number {
    try {
      return openSync(name, "w");
    } catch (error) {
      throw wrong(`--pcap ${name}`, `cannot be written: ${describeFileError(error)}`);
    }
  }

  #write(name: string, descriptor: number, bytes: Uint8Array): void {
    if (this.#failure !== undefined) return;
    try {
      for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
    } catch (error) {
      this.#failure = wrong(`--pcap ${name}`, `not written to the end: ${describeFileError(error)}`);
    }
  }
}

function wrong(file: string, message: string): ConfigError {
  return new ConfigError([{ file, message }]);
}
