import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CommandIo } from "../../src/cli/io.ts";
import { runProgram } from "../../src/cli/program.ts";

/** What a command line left behind. */
export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly outBytes: Uint8Array;
  readonly err: string;
}

/** Runs natscope in this process. */
export async function natscope(args: readonly string[], given: Partial<CommandIo> = {}): Promise<Outcome> {
  const out: Uint8Array[] = [];
  let err = "";
  const io: CommandIo = {
    out: (output) => void out.push(typeof output === "string" ? new TextEncoder().encode(output) : output),
    err: (output) => {
      err += output;
    },
    readInput: () => new Uint8Array(),
    readLine: async () => undefined,
    inputIsTerminal: false,
    showsProgress: false,
    colours: false,
    columns: undefined,
    now: () => 0,
    isInterrupted: async () => false,
    ...given,
  };
  const code = await runProgram(args, io);
  const outBytes = Buffer.concat(out);
  return { code, out: new TextDecoder().decode(outBytes), outBytes: new Uint8Array(outBytes), err };
}

/** Gives a test a directory of its own, and takes it away afterwards. */
export async function inDirectory<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), "natscope-test-"));
  try {
    return await work(directory);
  } finally {
    rmSync(directory, { recursive: true });
  }
}
