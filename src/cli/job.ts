import { explainFailure } from "./failure.ts";
import { type CommandIo, ExitCode } from "./io.ts";
import type { RunFlags } from "./run.ts";

/** One of several independent runs: as plain data, so that another thread can do it. */
export type Job =
  | { readonly kind: "run"; readonly scenario: string; readonly flags: RunFlags }
  | { readonly kind: "capture"; readonly scenario: string; readonly file: string };

/** What came of a job: what it would have printed, and its exit code. */
export interface JobResult {
  readonly code: ExitCode;
  readonly out: string;
  readonly err: string;
}

/** Does one job, and keeps what it prints. Never throws: what goes wrong is part of the result. */
export async function doJob(job: Job, isInterrupted: CommandIo["isInterrupted"]): Promise<JobResult> {
  const { io, printed } = collectingIo(isInterrupted);
  const code = await perform(job, io).catch((error: unknown) => explainFailure(error, io));
  return { code, ...printed() };
}

/** The result of a job whose thread ended without one. */
export function crashedJob(job: Job, why: string): JobResult {
  return { code: ExitCode.wrongUse, out: "", err: `${describeJob(job)}: natscope has a fault: ${why}\n` };
}

/** `nodeport, seed 3` */
export function describeJob(job: Job): string {
  return job.kind === "run" ? `${job.scenario}, seed ${job.flags.seed}` : job.scenario;
}

async function perform(job: Job, io: CommandIo): Promise<ExitCode> {
  if (job.kind === "run") return (await import("./run.ts")).run(job.scenario, job.flags, io);
  return (await import("./captures.ts")).writeCapture(job.scenario, job.file, io);
}

function collectingIo(isInterrupted: CommandIo["isInterrupted"]): {
  io: CommandIo;
  printed: () => Omit<JobResult, "code">;
} {
  const [out, err]: [string[], string[]] = [[], []];
  const io: CommandIo = {
    out: (output) => void out.push(String(output)),
    err: (output) => void err.push(output),
    readInput: () => new Uint8Array(0),
    readLine: async () => undefined,
    inputIsTerminal: false,
    showsProgress: false,
    colours: false,
    columns: undefined,
    now: () => performance.now(),
    isInterrupted,
  };
  return { io, printed: () => ({ out: out.join(""), err: err.join("") }) };
}
