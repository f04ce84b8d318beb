import { writeFileSync } from "node:fs";
import { parseTypedLine, type Stage } from "../lesson/index.ts";
import { ConfigError } from "../scenario/index.ts";
import type { CommandIo } from "./io.ts";

/** Columns that outputs in lessons are printed for. */
const LESSON_COLUMNS = 100;

/** Runs a command line of a lesson in this process, in the current directory; gives what it printed on both outputs. */
export async function runTypedLine(line: string, io: Pick<CommandIo, "now" | "isInterrupted">): Promise<string> {
  const typed = parseTypedLine(line);
  if (typeof typed === "string") throw new ConfigError([{ file: line, message: typed }]);
  let output: Uint8Array = new Uint8Array();
  let complaints = "";
  for (const stage of typed.stages) {
    const result = await runStage(stage, output, io);
    output = result.output;
    complaints += result.complaints;
  }
  if (typed.into === undefined) return complaints + new TextDecoder().decode(output);
  writeFileSync(typed.into, output);
  return complaints;
}

async function runStage(
  stage: Stage,
  input: Uint8Array,
  { now, isInterrupted }: Pick<CommandIo, "now" | "isInterrupted">,
): Promise<{ output: Uint8Array; complaints: string }> {
  if (stage.kind === "filter") {
    const output = new TextEncoder().encode(stage.filter.apply(new TextDecoder().decode(input)));
    return { output, complaints: "" };
  }
  const { runProgram } = await import("./program.ts");
  const parts: Uint8Array[] = [];
  let complaints = "";
  await runProgram(stage.args, {
    out: (part) => void parts.push(typeof part === "string" ? new TextEncoder().encode(part) : part),
    err: (text) => {
      complaints += text;
    },
    readInput: () => input,
    readLine: async () => undefined,
    inputIsTerminal: false,
    showsProgress: false,
    colours: false,
    columns: LESSON_COLUMNS,
    now,
    isInterrupted,
  });
  return { output: new Uint8Array(Buffer.concat(parts)), complaints };
}
