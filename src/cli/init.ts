import { writeFileSync } from "node:fs";
import { ConfigError } from "../scenario/index.ts";
import { builtinScenarioFile } from "./builtin-scenarios.ts";
import { describeFileError } from "./file-error.ts";
import { type CommandIo, ExitCode } from "./io.ts";
import { readTextFile } from "./text-file.ts";

/** `natscope init [FILE]`: writes a commented scenario to start from; never over a file that is there. */
export async function init(file: string, options: { readonly force?: boolean }, io: CommandIo): Promise<ExitCode> {
  const template = builtinScenarioFile("template");
  if (template === undefined) throw new ConfigError([{ file: "template.yaml", message: "missing from the package" }]);
  try {
    writeFileSync(file, readTextFile(template), { flag: options.force === true ? "w" : "wx" });
  } catch (error) {
    const remedy =
      describeFileError(error) === "there already" ? "; choose another name, or --force to overwrite it" : "";
    throw new ConfigError([{ file, message: `${describeFileError(error)}${remedy}` }]);
  }
  io.out(`${file}: written; run it with: natscope run ${/[./\\]/.test(file) ? file : `./${file}`}\n`);
  return ExitCode.ok;
}
