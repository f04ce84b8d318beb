import { existsSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import {
  ConfigError,
  formatProblem,
  loadScenario,
  parseOverride,
  type Scenario,
  suggestion,
} from "../scenario/index.ts";
import { builtinScenarioFile } from "./builtin-scenarios.ts";
import { readContents } from "./contents.ts";
import { readTextFile } from "./text-file.ts";

/**
 * Reads what a command was given as SCENARIO|FILE: the name of a built-in scenario, or a file. A name goes before a file of the same name;
 * `./nodeport` means the file. What was left aside goes to `note`. @throws ConfigError when there is no such thing, or it is wrong.
 */
export function readScenario(given: string, sets: readonly string[] = [], note?: (text: string) => void): Scenario {
  const file = builtinScenarioFile(given) ?? given;
  if (file === given && !existsSync(file) && !/[./\\]/.test(given)) throw unknownScenario(given);
  const overrides = sets.map(parseOverride);
  const text = readTextFile(file);
  const scenario = loadScenario({ file, text, readFile: (name) => readBeside(file, name), overrides });
  for (const each of scenario.notes) note?.(`note: ${formatProblem(each)}\n`);
  return scenario;
}

function readBeside(file: string, name: string): string {
  return readTextFile(isAbsolute(name) ? name : join(dirname(file), name));
}

function unknownScenario(given: string): ConfigError {
  const names = readContents().flatMap(({ scenarios }) => scenarios.map(({ name }) => name));
  const message = `there is no built-in scenario and no file of this name${suggestion(given, names)}`;
  return new ConfigError([{ file: given, message }]);
}
