import { writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { reportRun } from "../explain/index.ts";
import { ConfigError } from "../scenario/index.ts";
import { captureName } from "../wireshark/index.ts";
import { describeFileError } from "./file-error.ts";
import { stepNumber } from "./inspect-node.ts";
import { type CommandIo, ExitCode } from "./io.ts";
import { readScenario } from "./read-scenario.ts";
import { reportPage } from "./report-page.ts";
import { RunWatch } from "./watch-over.ts";

/** The options of `natscope report`. */
export interface ReportFlags {
  readonly seed: number;
  readonly set?: readonly string[];
  /** A file's name, or `-` for standard output. */
  readonly output?: string;
  /** The last step, by number or name. */
  readonly at?: string;
}

/** `natscope report SCENARIO|FILE`: runs the scenario and writes a page that shows the run. */
export async function report(given: string, flags: ReportFlags, io: CommandIo): Promise<ExitCode> {
  const scenario = readScenario(given, flags.set, io.err);
  const step = flags.at === undefined ? undefined : stepNumber(scenario, flags.at);
  const file = flags.output ?? `${captureName(scenario.name)}.html`;
  const watch = new RunWatch(io);
  try {
    const data = await reportRun(scenario, {
      seed: flags.seed,
      ...(step !== undefined && { step }),
      onStep: (begun) => {
        watch.doing = `step ${begun.number} of ${scenario.steps.length}`;
      },
      pause: (lab) => watch.pause(lab),
    });
    const page = reportPage(data);
    watch.clear();
    if (file === "-") io.out(page);
    else {
      write(file, page);
      const { packets } = data.leftOut;
      const rest = packets === 0 ? "" : `; ${packets} later packets are left out`;
      io.out(`written: ${file} (${Math.ceil(page.length / 1024)} kB, ${data.packets.length} packets${rest})\n`);
      io.out(`open it in a browser: ${pathToFileURL(resolve(file))}\n`);
    }
    return data.ok ? ExitCode.ok : ExitCode.unmet;
  } finally {
    watch.clear();
  }
}

function write(file: string, page: string): void {
  try {
    writeFileSync(file, page);
  } catch (error) {
    throw new ConfigError([{ file: `-o ${file}`, message: `cannot be written: ${describeFileError(error)}` }]);
  }
}
