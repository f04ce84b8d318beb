import { readFileSync } from "node:fs";
import { isatty } from "node:tty";
import { describeFileError } from "./file-error.ts";
import { type CommandIo, ExitCode } from "./io.ts";
import { takesColours } from "./style.ts";

/** The real process as a {@link CommandIo}. */
export function processIo(): CommandIo {
  let interrupted = false;
  // The first Ctrl-C lets the command finish its files; a second one finds no handler.
  process.once("SIGINT", () => {
    interrupted = true;
  });
  process.stdout.on("error", endOnUnwritableOutput);
  // Where complaints cannot be written there is nobody to complain to.
  process.stderr.on("error", () => process.exit(ExitCode.wrongUse));
  return {
    out: (output) => void process.stdout.write(output),
    err: (output) => void process.stderr.write(output),
    readInput: () => readFileSync(0),
    readLine: lineReader(),
    // process.stdin.isTTY would do, but would also make a pipe at standard input one that readFileSync cannot wait for.
    inputIsTerminal: isatty(0),
    showsProgress: process.stderr.isTTY === true,
    colours: takesColours(process.stdout.isTTY === true, process.env),
    // Some terminals say 0 for what they do not know.
    columns: process.stdout.columns || undefined,
    now: () => performance.now(),
    isInterrupted: () => new Promise((resolve) => setImmediate(() => resolve(interrupted))),
  };
}

/** Lines of standard input, one after another. Nothing is read before the first is asked for. */
function lineReader(): CommandIo["readLine"] {
  let lines: AsyncIterator<string> | undefined;
  return async () => {
    if (lines === undefined) {
      const { createInterface } = await import("node:readline");
      const reader = createInterface({ input: process.stdin });
      // Ctrl-C at a prompt is meant for whoever asks.
      reader.on("SIGINT", () => process.kill(process.pid, "SIGINT"));
      lines = reader[Symbol.asyncIterator]();
    }
    const { value, done } = await lines.next();
    return done === true ? undefined : value;
  };
}

/** EPIPE: whoever reads has enough, as `head` does, and nothing is left to say. Else there is nowhere to say it but standard error. */
function endOnUnwritableOutput(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") process.exit();
  process.stderr.write(`standard output: ${describeFileError(error)}\n`);
  process.exit(ExitCode.wrongUse);
}
