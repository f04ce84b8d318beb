import { type RunResult, type Scenario, ScenarioRun, type Step, type StepResult } from "../scenario/index.ts";
import { type CaptureFiles, type CaptureFlags, openCapture } from "./capture-file.ts";
import { type CommandIo, ExitCode } from "./io.ts";
import { readScenario } from "./read-scenario.ts";
import { countExpectations, describeOutcome, describeResult, describeStep, isAnnouncedAtOnce } from "./run-text.ts";
import { type Style, styleFor } from "./style.ts";
import { Interrupted, RunWatch } from "./watch-over.ts";

/** The options of `natscope run`. */
export interface RunFlags extends CaptureFlags {
  readonly trace?: boolean;
  readonly json?: boolean;
  readonly set?: readonly string[];
}

/** `natscope run SCENARIO|FILE`: does the steps and prints what came of them. */
export async function run(given: string, flags: RunFlags, io: CommandIo): Promise<ExitCode> {
  const scenario = readScenario(given, flags.set, io.err);
  const files = openCapture(scenario, flags, io);
  const watch = new RunWatch(io);
  // Standard output belongs to the capture or to the JSON where either was asked for.
  const say = flags.pcap === "-" || flags.json === true ? io.err : (text: string) => io.out(text);
  const printing = new RunPrinting(say, styleFor(io.colours && say !== io.err), watch);
  const describeEvent = flags.trace === true ? (await import("../explain/index.ts")).describeEvent : undefined;
  const scenarioRun = new ScenarioRun(scenario, {
    seed: flags.seed,
    capture: files.options,
    onStep: (step) => {
      watch.doing = `step ${step.number} of ${scenario.steps.length}`;
      if (flags.json !== true) printing.step(step);
    },
    onRepeat: (_, done, times) => watch.repeated(done, times),
    onResult: (step, result) => {
      if (flags.json !== true) printing.result(step, result);
    },
    pause: (network) => watch.pause(network),
    ...(describeEvent && { onEvent: (event) => say(`${describeEvent(event)}\n`) }),
  });
  try {
    const result = await scenarioRun.run();
    files.close();
    if (flags.json === true) io.out(`${JSON.stringify({ ...result, captures: files.files }, undefined, 2)}\n`);
    else printing.end(result, { scenario, files, unused: scenarioRun.lab.network.capture?.unusedPatterns ?? [] });
    return result.ok ? ExitCode.ok : ExitCode.unmet;
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    say(`interrupted at ${watch.doing}\n`);
    return ExitCode.interrupted;
  } finally {
    watch.clear();
    files.close();
  }
}

/** Prints a run as it goes. */
class RunPrinting {
  readonly #say: (text: string) => void;
  readonly #style: Style;
  readonly #watch: RunWatch;
  #begun = false;

  constructor(say: (text: string) => void, style: Style, watch: RunWatch) {
    this.#say = say;
    this.#style = style;
    this.#watch = watch;
  }

  step(step: Step): void {
    this.#watch.clear();
    if (this.#begun) this.#say("\n");
    this.#begun = true;
    if (isAnnouncedAtOnce(step)) this.#say(`${describeStep(step, this.#style)}\n`);
  }

  result(step: Step, result: StepResult): void {
    this.#watch.clear();
    this.#say(describeResult(step, result, this.#style));
  }

  end(result: RunResult, about: { scenario: Scenario; files: CaptureFiles; unused: readonly string[] }): void {
    this.#watch.clear();
    this.#say(`\n${describeOutcome(result, countExpectations(about.scenario), this.#style)}`);
    for (const name of about.files.files) this.#say(`written: ${name}\n`);
    for (const pattern of about.unused) this.#say(`--only ${pattern}: there is no such capture point\n`);
  }
}
