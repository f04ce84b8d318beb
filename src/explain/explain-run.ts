import type { EventStream } from "../netstack/index.ts";
import {
  type Lab,
  type RunOptions,
  type RunResult,
  type Scenario,
  ScenarioRun,
  type StepResult,
} from "../scenario/index.ts";
import { addressNames } from "./address-names.ts";
import { buildConnection } from "./build-connection.ts";
import { Explainer } from "./explainer.ts";
import type { Connection, Explanation, StepExplanation } from "./explanation.ts";
import { RuleReader } from "./rule-text.ts";

/** What {@link explainRun} is told besides the scenario. */
export interface ExplainOptions extends Pick<RunOptions, "seed" | "capture" | "pause" | "onStep"> {
  /** The only step that is wanted; all of them when left out. */
  readonly step?: number;
}

/** Runs a scenario, as far as the step that is wanted, and explains what happened to its packets. */
export async function explainRun(scenario: Scenario, options: ExplainOptions): Promise<Explanation> {
  const names = new Map<string, string>();
  const { step, onStep, ...others } = options;
  const explainer = new Explainer();
  const run = new ScenarioRun(scenario, {
    ...others,
    ...(step !== undefined && { until: step }),
    onStep: (begun) => {
      explainer.beginStep(begun.number);
      onStep?.(begun);
    },
    onResult: () => learnNames(names, run.lab),
  });
  learnNames(names, run.lab);
  run.lab.network.events.read((event) => explainer.read(event), { everyRule: true });
  const result = await run.run();
  explainer.finish();
  const steps = explainSteps(explainer, result).filter(({ number }) => step === undefined || number === step);
  return { scenario: result.scenario, seed: result.seed, names: Object.fromEntries(names), steps };
}

/** Listens to a network that somebody else runs. */
export interface NetworkExplainer {
  /** Stops listening and gives the connections in the order in which they began, the first thousand. */
  finish(): readonly Connection[];
}

/** Explains what happens in a network from now on, for one that is built by hand. */
export function explainNetwork(network: { readonly events: EventStream }): NetworkExplainer {
  const explainer = new Explainer();
  const stop = network.events.read((event) => explainer.read(event), { everyRule: true });
  return {
    finish: () => {
      stop();
      explainer.finish();
      return buildConnections(explainer, 0, new RuleReader());
    },
  };
}

function learnNames(names: Map<string, string>, lab: Lab): void {
  for (const [address, name] of addressNames(lab)) names.set(address, name);
}

function explainSteps(explainer: Explainer, { steps }: RunResult): StepExplanation[] {
  const rules = new RuleReader();
  return [...new Set(steps.map(({ number }) => number))].map((number) => ({
    number,
    name: steps.find((each) => each.number === number)?.name ?? "",
    commands: steps.filter((each) => each.number === number).map(command),
    connections: buildConnections(explainer, number, rules),
    ...(explainer.further(number) > 0 && { further: explainer.further(number) }),
  }));
}

function buildConnections({ connections }: Explainer, step: number, rules: RuleReader): Connection[] {
  const own = connections.filter((each) => each.step === step);
  return own.map((connection, index) => buildConnection(connection, index + 1, rules));
}

function command({ from, run, node, exitCode }: StepResult): StepExplanation["commands"][number] {
  return { from, run, ...(node !== undefined && { node }), exitCode };
}
