import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** `scenarios/` beside `src/` or `dist/`. */
const DIRECTORY = fileURLToPath(new URL("../../scenarios/", import.meta.url));

/** Where the list of built-in scenarios is, in the order in which they are taught. */
export const CONTENTS_FILE: string = `${DIRECTORY}contents.yaml`;

/** The file of a built-in scenario; `undefined` when there is none of this name. */
export function builtinScenarioFile(name: string): string | undefined {
  if (!/^[a-z0-9-]+$/.test(name)) return undefined;
  const file = `${DIRECTORY}${name}.yaml`;
  return existsSync(file) ? file : undefined;
}
