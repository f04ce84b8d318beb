import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { ConfigError, ScenarioRun } from "../scenario/index.ts";
import { openCapture } from "./capture-file.ts";
import { readContents } from "./contents.ts";
import { describeFileError } from "./file-error.ts";
import { type CommandIo, ExitCode } from "./io.ts";
import { readScenario } from "./read-scenario.ts";

import { RunWatch } from "./watch-over.ts";

/** The seed of the captures that come with natscope. */
const SEED = 1;

/** `natscope captures DIR`: one pcapng of every built-in scenario. */
export async function writeCaptures(directory: string, io: CommandIo): Promise<ExitCode> {
  try {
    mkdirSync(directory, { recursive: true });
  } catch (error) {
    throw new ConfigError([{ file: directory, message: describeFileError(error) }]);
  }
  let allOk = true;
  for (const { name } of readContents().flatMap((chapter) => chapter.scenarios)) {
    const scenario = readScenario(name);
    const file = join(directory, `${name}.pcapng`);
    const files = openCapture(scenario, { pcap: file, seed: SEED }, io);
    const watch = new RunWatch(io);
    watch.doing = name;
    try {
      const run = new ScenarioRun(scenario, { seed: SEED, capture: files.options, pause: (lab) => watch.pause(lab) });
      const { ok, packets } = await run.run();
      allOk &&= ok;
      watch.clear();
      io.out(`${file}: ${packets} packets${ok ? "" : ", an expectation was not met"}\n`);
    } finally {
      watch.clear();
      files.close();
    }
  }
  return allOk ? ExitCode.ok : ExitCode.unmet;
}
