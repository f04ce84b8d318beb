/**
 * Scenario files: a network, a cluster and steps, in YAML; their checks; the run in virtual time, and what was expected of it.
 *
 * {@link loadScenario} turns a file's text into a {@link Scenario}, or refuses it with everything that is wrong and where. {@link ScenarioRun} builds the
 * network and does the steps. Neither reads files nor prints: the caller gives the text, a reader for files named in it, and takes results.
 * A run is a function of scenario and seed.
 *
 * ```ts
 * const scenario = loadScenario({ file: "lab.yaml", text, readFile });
 * const run = new ScenarioRun(scenario, { seed: 1 });
 * const { ok, steps } = await run.run();
 * ```
 */

export { realPoint } from "./aliases.ts";
export { ConfigError, closest, formatProblem, listed, type Problem, suggestion } from "./config-error.ts";
export { compileDisplayFilter, type DisplayFilter } from "./display-filter.ts";
export type { SeenFrame } from "./filter-frame.ts";
export type { FilterFault } from "./filter-lexer.ts";
export { Lab } from "./lab.ts";
export { loadScenario, type ScenarioSource } from "./load.ts";
export type * from "./model.ts";
export { type Override, parseOverride } from "./override.ts";
export { formatDuration } from "./quantity.ts";
export type { FileReader } from "./read-manifests.ts";
export type { RunResult, StepResult, Unmet } from "./result.ts";
export { type RunOptions, ScenarioRun } from "./runner.ts";
export { scenarioJsonSchema } from "./schema.ts";
export { outsideAddress, stepVariables } from "./step-variables.ts";
export { readYaml, type YamlDocument } from "./yaml-source.ts";
