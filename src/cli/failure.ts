import { CommanderError } from "commander";
import { ConfigError } from "../scenario/index.ts";
import { type CommandIo, ExitCode } from "./io.ts";
import { Interrupted } from "./watch-over.ts";

/** Says on standard error what went wrong, in a line or two, and what to exit with. */
export function explainFailure(error: unknown, io: CommandIo): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.wrongUse;
  if (error instanceof Interrupted) return ExitCode.interrupted;
  io.err(`${error instanceof ConfigError ? error.message : describeOwnFault(error)}\n`);
  return ExitCode.wrongUse;
}

/** A fault in natscope: the place in its source is for who mends it, not for who meets it. */
function describeOwnFault(error: unknown): string {
  if (process.env.NATSCOPE_DEBUG && error instanceof Error && error.stack !== undefined) return error.stack;
  const message = error instanceof Error ? error.message : String(error);
  return `natscope has a fault: ${message}\nPlease report it, with what NATSCOPE_DEBUG=1 prints.`;
}
