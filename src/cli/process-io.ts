import { readFileSync } from "node:fs";
import { describeFileError } from "./file-error.ts";
import { type CommandIo, ExitCode } from "./io.ts";

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
    showsProgress: process.stderr.isTTY === true,
    colours: process.stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== "dumb",
    now: () => performance.now(),
    isInterrupted: () => new Promise((resolve) => setImmediate(() => resolve(interrupted))),
  };
}

/** EPIPE: whoever reads has enough, as `head` does, and nothing is left to say. Else there is nowhere to say it but standard error. */
function endOnUnwritableOutput(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") process.exit();
  process.stderr.write(`standard output: ${describeFileError(error)}\n`);
  process.exit(ExitCode.wrongUse);
}
