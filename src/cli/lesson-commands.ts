import { writeFileSync } from "node:fs";
import { parseTypedLine, type Stage } from "../lesson/index.ts";
import { ConfigError } from "../scenario/index.ts";
import { describeFileError } from "./file-error.ts";
import { type CommandIo, ExitCode } from "./io.ts";
import { Interrupted } from "./watch-over.ts";

/** Columns that outputs in lessons are printed for. */
const LESSON_COLUMNS = 100;

/** What lessons need of the process they run in: with it, natscope itself, which is what they type. */
export interface LessonIo extends CommandIo {
  readonly runProgram: (args: readonly string[], io: CommandIo) => Promise<number>;
}

type TypingIo = Pick<LessonIo, "now" | "isInterrupted" | "runProgram">;

/** Runs a command line of a lesson in this process, in the current directory; gives what it printed on both outputs. */
export async function runTypedLine(line: string, io: TypingIo): Promise<string> {
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
  try {
    writeFileSync(typed.into, output);
  } catch (error) {
    throw new ConfigError([{ file: typed.into, message: `cannot be written: ${describeFileError(error)}` }]);
  }
  return complaints;
}

async function runStage(
  stage: Stage,
  input: Uint8Array,
  { now, isInterrupted, runProgram }: TypingIo,
): Promise<{ output: Uint8Array; complaints: string }> {
  if (stage.kind === "filter") {
    const output = new TextEncoder().encode(stage.filter.apply(new TextDecoder().decode(input)));
    return { output, complaints: "" };
  }
  const parts: Uint8Array[] = [];
  let complaints = "";
  const code = await runProgram(stage.args, {
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
  if (code === ExitCode.interrupted) throw new Interrupted();
  return { output: new Uint8Array(Buffer.concat(parts)), complaints };
}
