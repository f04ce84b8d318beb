import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { basename } from "node:path";
import {
  asEthernet,
  type CaptureBytes,
  formatInspection,
  type InspectedFile,
  inspectCaptures,
  type Sighting,
} from "../explain/index.ts";
import { ConfigError, compileDisplayFilter } from "../scenario/index.ts";
import { describeFileError } from "./file-error.ts";
import { type CommandIo, ExitCode } from "./io.ts";
import { inputName } from "./text-file.ts";
import { textStyle } from "./why.ts";

/** The options of `natscope inspect`. */
export interface InspectFlags {
  readonly filter?: string;
  readonly json?: boolean;
}

/** Longest file that is read: all of it is kept in memory. */
const LONGEST_FILE = 512 * 1024 * 1024;

/** `natscope inspect FILE…`: pairs the records of each packet and prints what changed at each capture point. */
export function inspect(files: readonly string[], flags: InspectFlags, io: CommandIo): ExitCode {
  const filter = flags.filter === undefined ? undefined : readFilter(flags.filter);
  const captures = files.map((file) => readCaptureFile(file, io));
  const inspection = inspectCaptures(captures, filter && { filter });
  if (flags.json === true) io.out(`${JSON.stringify(inspection, undefined, 2)}\n`);
  else if (inspection.files.some(({ records }) => records > 0)) io.out(formatInspection(inspection, textStyle(io)));
  const faulty = inspection.files.filter(({ error }) => error !== undefined);
  for (const file of faulty) io.err(`${describeFault(file)}\n`);
  return faulty.length > 0 ? ExitCode.wrongUse : ExitCode.ok;
}

function describeFault({ name, records, error }: InspectedFile): string {
  const what = error?.kind === "truncated" ? "cut off" : "not as a capture file should be";
  const before = records === 0 ? "no record before it was whole" : `${records} records before it were whole`;
  return `${name}: ${what} at byte ${error?.offset}: ${error?.message}; ${before}`;
}

function readCaptureFile(file: string, io: CommandIo): CaptureBytes {
  const name = file === "-" ? inputName(file) : basename(file);
  try {
    const bytes = file === "-" ? io.readInput() : readBytes(file);
    if (bytes.length === 0) throw new ConfigError([{ file: name, message: "empty; expected a pcapng or pcap file" }]);
    return { name, bytes };
  } catch (error) {
    if (error instanceof ConfigError) throw error;
    throw new ConfigError([{ file: inputName(file), message: describeFileError(error) }]);
  }
}

function readBytes(file: string): Uint8Array {
  const descriptor = openSync(file, "r");
  try {
    const stat = fstatSync(descriptor);
    if (stat.isDirectory()) throw new ConfigError([{ file, message: "a directory; expected a capture file" }]);
    if (stat.size > LONGEST_FILE) {
      const message = `too large: ${stat.size} bytes, expected at most ${LONGEST_FILE}; editcap -c splits it`;
      throw new ConfigError([{ file, message }]);
    }
    return readFileSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** @throws ConfigError with the column at which the expression is not understood. */
function readFilter(text: string): (sighting: Sighting) => boolean {
  const compiled = compileDisplayFilter(text);
  if ("fault" in compiled) {
    const { column, message } = compiled.fault;
    throw new ConfigError([{ file: "--filter", message: `${message}\n  ${text}\n  ${" ".repeat(column - 1)}^` }]);
  }
  return ({ point, record }) => {
    const bytes = asEthernet(record);
    return compiled.filter.matches({ bytes, start: 0, end: bytes.length, point });
  };
}
