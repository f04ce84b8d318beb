import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { ConfigError, ScenarioRun } from "../scenario/index.ts";
import { captureName, PROFILE_NAME } from "../wireshark/index.ts";
import { openCapture } from "./capture-file.ts";
import { describeFileError } from "./file-error.ts";
import type { CommandIo } from "./io.ts";
import { readScenario } from "./read-scenario.ts";
import { RunWatch } from "./watch-over.ts";
import { ownFiles, stateOf, wiresharkProgram, writeOwnFile } from "./wireshark-files.ts";

export interface WiresharkOpenFlags {
  readonly seed: number;
  readonly set?: readonly string[];
  readonly only?: readonly string[];
  readonly filter?: string;
  /** What is started instead of Wireshark. */
  readonly program?: string;
}

/** `natscope wireshark open SCENARIO|FILE|CAPTURE`: runs a scenario and shows its packets in Wireshark, with natscope's profile. Returns Wireshark's exit code. */
export async function openInWireshark(
  given: string,
  words: readonly string[],
  flags: WiresharkOpenFlags,
  io: CommandIo,
): Promise<number> {
  const program = flags.program ?? (process.env.NATSCOPE_WIRESHARK || wiresharkProgram("wireshark"));
  if (/\.pcap(ng)?$/.test(given) && existsSync(given)) {
    refuseRunFlags(given, flags);
    installProfile(io);
    return show(program, given, words);
  }
  const directory = mkdtempSync(join(tmpdir(), "natscope-wireshark-"));
  try {
    const file = await runToFile(given, directory, flags, io);
    installProfile(io);
    return await show(program, file, words);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A capture is there already: nothing of it can be asked for differently. */
function refuseRunFlags(given: string, flags: WiresharkOpenFlags): void {
  const name = (["only", "filter", "set"] as const).find((each) => flags[each] !== undefined);
  if (name === undefined) return;
  const message = `is for scenarios, and ${given} is a capture; for a display filter, end with: -- -Y FILTER`;
  throw new ConfigError([{ file: `--${name}`, message }]);
}

/** Wireshark starts with a profile only if it is there, and as this natscope has it; one that somebody has changed is theirs. */
function installProfile(io: CommandIo): void {
  for (const file of ownFiles().filter(({ part }) => part === "profile")) {
    const state = stateOf(file);
    if (state === "current" || state === "changed") continue;
    writeOwnFile(file);
    io.err(`written: ${file.path}\n`);
  }
}

async function runToFile(given: string, directory: string, flags: WiresharkOpenFlags, io: CommandIo): Promise<string> {
  const scenario = readScenario(given, flags.set, io.err);
  const file = join(directory, `${captureName(scenario.name)}.pcapng`);
  const files = openCapture(scenario, { ...flags, pcap: file }, io);
  const watch = new RunWatch(io);
  watch.doing = scenario.name;
  try {
    const run = new ScenarioRun(scenario, {
      seed: flags.seed,
      capture: files.options,
      pause: (lab) => watch.pause(lab),
    });
    const { ok } = await run.run();
    watch.clear();
    for (const pattern of run.lab.network.capture?.unusedPatterns ?? [])
      io.err(`note: --only ${pattern}: there is no such capture point\n`);
    if (!ok) io.err("note: an expectation of the scenario was not met: natscope run shows it\n");
  } finally {
    watch.clear();
    files.close();
  }
  return file;
}

/** Waits for the program's end: the capture is temporary. */
function show(program: string, file: string, words: readonly string[]): Promise<number> {
  const child = spawn(program, ["-C", PROFILE_NAME, "-r", file, ...words], { stdio: "inherit" });
  return new Promise((resolve, reject) => {
    child.once("error", (error) => reject(notStarted(program, error)));
    child.once("close", (code, signal) => resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])));
  });
}

function notStarted(program: string, error: Error): ConfigError {
  const remedy =
    "get it from your system's packages (apt-get install wireshark, brew install --cask wireshark) or wireshark.org; " +
    "natscope run SCENARIO --pcap FILE writes the capture without it";
  return new ConfigError([{ file: program, message: `cannot be started: ${describeFileError(error)}; ${remedy}` }]);
}
