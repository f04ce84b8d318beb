import {
  type Explanation,
  explainRun,
  formatWhyMarkdown,
  formatWhyMermaid,
  formatWhyText,
  type TextStyle,
} from "../explain/index.ts";
import { ConfigError, type Scenario } from "../scenario/index.ts";
import { type CommandIo, ExitCode } from "./io.ts";
import { readScenario } from "./read-scenario.ts";
import { styleFor } from "./style.ts";
import { RunWatch } from "./watch-over.ts";

/** The options of `natscope why`. */
export interface WhyFlags {
  readonly seed: number;
  readonly set?: readonly string[];
  readonly json?: boolean;
  readonly markdown?: boolean;
  readonly mermaid?: boolean;
}

/** Columns where the output is no terminal. */
const PLAIN_WIDTH = 100;
/** Wider lines are hard to read, however wide the terminal is. */
const WIDEST = 140;

/** `natscope why SCENARIO|FILE [STEP]`: runs the scenario and says why each address and port changed. */
export async function why(given: string, step: string | undefined, flags: WhyFlags, io: CommandIo): Promise<ExitCode> {
  const scenario = readScenario(given, flags.set, io.err);
  const number = step === undefined ? undefined : findStep(scenario, step);
  const watch = new RunWatch(io);
  try {
    const explanation = await explainRun(scenario, {
      seed: flags.seed,
      ...(number !== undefined && { step: number }),
      onStep: (begun) => {
        watch.doing = `step ${begun.number} of ${scenario.steps.length}`;
      },
      pause: (lab) => watch.pause(lab),
    });
    watch.clear();
    io.out(format(explanation, flags, io));
    return ExitCode.ok;
  } finally {
    watch.clear();
  }
}

function format(explanation: Explanation, flags: WhyFlags, io: CommandIo): string {
  if (flags.json === true) return `${JSON.stringify(explanation, undefined, 2)}\n`;
  if (flags.markdown === true) return formatWhyMarkdown(explanation);
  if (flags.mermaid === true) return formatWhyMermaid(explanation);
  return formatWhyText(explanation, textStyle(io));
}

/** The terminal's width and colours. */
export function textStyle(io: CommandIo): TextStyle {
  const { prompt, aside, good, bad } = styleFor(io.colours);
  const width = Math.min(io.columns ?? PLAIN_WIDTH, WIDEST);
  return { width, strong: prompt, aside, good, bad };
}

function findStep({ steps }: Scenario, given: string): number {
  const found = steps.find((step) => step.name === given) ?? steps.find((step) => String(step.number) === given);
  if (found !== undefined) return found.number;
  const names = steps.flatMap(({ name }) => (name === undefined ? [] : [name]));
  const known = names.length === 0 ? "" : `, or one of ${names.join(", ")}`;
  const message = `there is no such step; expected a number from 1 to ${steps.length}${known}`;
  throw new ConfigError([{ file: `step ${given}`, message }]);
}
