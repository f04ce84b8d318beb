import { readYaml } from "../scenario/index.ts";
import { builtinScenarioFile, CONTENTS_FILE } from "./builtin-scenarios.ts";
import { readTextFile } from "./text-file.ts";

/** A chapter of the list of built-in scenarios. */
export interface Chapter {
  readonly title: string;
  readonly scenarios: readonly { readonly name: string; readonly title: string }[];
}

/** The built-in scenarios by chapter. */
export function readContents(): readonly Chapter[] {
  const [document] = readYaml(CONTENTS_FILE, readTextFile(CONTENTS_FILE)).documents;
  // Part of natscope itself, and held to this form by a test.
  const chapters = (document?.value ?? []) as readonly { chapter: string; scenarios: readonly string[] }[];
  return chapters.map(({ chapter, scenarios }) => ({
    title: chapter,
    scenarios: scenarios.map((name) => ({ name, title: titleOf(name) })),
  }));
}

function titleOf(name: string): string {
  const file = builtinScenarioFile(name) ?? "";
  const [document] = readYaml(file, readTextFile(file)).documents;
  return ((document?.value ?? { title: "" }) as { readonly title: string }).title;
}
