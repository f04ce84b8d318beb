import type { PacketEvent } from "../netstack/index.ts";
import { ConfigError, type Lab, type Scenario, ScenarioRun, suggestion } from "../scenario/index.ts";
import type { CommandIo } from "./io.ts";
import { readScenario } from "./read-scenario.ts";
import { RunWatch } from "./watch-over.ts";

/** The options of commands that look at a node after a run. */
export interface NodeFlags {
  readonly node: string;
  /** A step's number or name; the last step when left out. */
  readonly at?: string;
  readonly seed: number;
  readonly set?: readonly string[];
}

/** Runs a scenario in virtual time up to a step, and finds a node in it. */
export async function runToStep(
  given: string,
  flags: NodeFlags,
  io: CommandIo,
  onEvent?: (event: PacketEvent) => void,
): Promise<ReturnType<typeof findHost>> {
  const scenario = readScenario(given, flags.set, io.err);
  const until = flags.at === undefined ? undefined : stepNumber(scenario, flags.at);
  const watch = new RunWatch(io);
  const run = new ScenarioRun(scenario, {
    seed: flags.seed,
    ...(until !== undefined && { until }),
    ...(onEvent !== undefined && { onEvent }),
    onStep: (step) => {
      watch.doing = `step ${step.number}`;
    },
    pause: (lab) => watch.pause(lab),
  });
  try {
    await run.run();
  } finally {
    watch.clear();
  }
  return findHost(run.lab, flags.node);
}

function findHost(lab: Lab, name: string): NonNullable<ReturnType<Lab["find"]>> {
  const host = lab.find(name);
  if (host !== undefined) return host;
  const known = [...lab.network.hosts.keys()];
  throw new ConfigError([{ file: `--node ${name}`, message: `there is no such node${suggestion(name, known)}` }]);
}

/** The number of the step that `--at` names. @throws ConfigError when there is none. */
export function stepNumber(scenario: Scenario, at: string): number {
  const { steps } = scenario;
  if (at === "0") return 0;
  const found = steps.find((step) => step.name === at) ?? steps.find((step) => String(step.number) === at);
  if (found !== undefined) return found.number;
  const names = steps.flatMap(({ name }) => (name === undefined ? [] : [name]));
  const message = `there is no such step; expected a number from 0 to ${steps.length}${names.length > 0 ? `, or one of ${names.join(", ")}` : ""}`;
  throw new ConfigError([{ file: `--at ${at}`, message }]);
}
