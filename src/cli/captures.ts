import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ConfigError, ScenarioRun } from "../scenario/index.ts";
import { openCapture } from "./capture-file.ts";
import { readContents } from "./contents.ts";
import { describeFileError } from "./file-error.ts";
import { type CommandIo, ExitCode } from "./io.ts";
import type { Job, JobResult } from "./job.ts";
import { doJobs, jobThreads } from "./job-threads.ts";
import { readScenario } from "./read-scenario.ts";

import { RunWatch } from "./watch-over.ts";

/** The seed of the captures that come with natscope. */
const SEED = 1;

/** `natscope captures DIR`: one pcapng of every built-in scenario. */
export async function writeCaptures(
  directory: string,
  { jobs: count }: { readonly jobs: number },
  io: CommandIo,
): Promise<ExitCode> {
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw new ConfigError([{ file: directory, message: describeFileError(error) }]);
  }
  const names = readContents().flatMap((chapter) => chapter.scenarios.map(({ name }) => name));
  const jobs = names.map(
    (scenario): Job => ({ kind: "capture", scenario, file: join(directory, `${scenario}.pcapng`) }),
  );
  const codes = new Set<ExitCode>();
  const tell = (_job: Job, { code, out, err }: JobResult): void => {
    codes.add(code);
    io.out(out);
    io.err(err);
  };
  await doJobs(jobs, jobThreads(Math.min(count, jobs.length), io), tell, io.isInterrupted);
  if (await io.isInterrupted()) return ExitCode.interrupted;
  if (codes.has(ExitCode.wrongUse)) return ExitCode.wrongUse;
  return codes.has(ExitCode.unmet) ? ExitCode.unmet : ExitCode.ok;
}

/** Writes the capture of one built-in scenario. */
export async function writeCapture(name: string, file: string, io: CommandIo): Promise<ExitCode> {
  const scenario = readScenario(name);
  const files = openCapture(scenario, { pcap: file, seed: SEED }, io);
  const watch = new RunWatch(io);
  watch.doing = name;
  try {
    const run = new ScenarioRun(scenario, { seed: SEED, capture: files.options, pause: (lab) => watch.pause(lab) });
    const { ok, packets } = await run.run();
    io.out(`${file}: ${packets} packets${ok ? "" : ", an expectation was not met"}\n`);
    return ok ? ExitCode.ok : ExitCode.unmet;
  } finally {
    files.close();
  }
}
