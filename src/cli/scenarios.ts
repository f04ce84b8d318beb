import { readContents } from "./contents.ts";
import { type CommandIo, ExitCode } from "./io.ts";

/** `natscope scenarios`: the built-in scenarios, one line each. */
export async function listScenarios(options: { readonly json?: boolean }, io: CommandIo): Promise<ExitCode> {
  const chapters = readContents();
  if (options.json === true) {
    io.out(`${JSON.stringify(chapters, undefined, 2)}\n`);
    return ExitCode.ok;
  }
  const width = Math.max(...chapters.flatMap(({ scenarios }) => scenarios.map(({ name }) => name.length)));
  for (const [index, { title, scenarios }] of chapters.entries()) {
    io.out(`${index === 0 ? "" : "\n"}${title}\n`);
    for (const scenario of scenarios) io.out(`  ${scenario.name.padEnd(width)}  ${scenario.title}\n`);
  }
  return ExitCode.ok;
}
