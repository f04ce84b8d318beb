import { scenarioJsonSchema } from "../scenario/index.ts";
import { type CommandIo, ExitCode } from "./io.ts";

/** `natscope schema`: the JSON Schema of scenario files, for editors. */
export async function printSchema(io: CommandIo): Promise<ExitCode> {
  io.out(`${JSON.stringify(scenarioJsonSchema(), undefined, 2)}\n`);
  return ExitCode.ok;
}
