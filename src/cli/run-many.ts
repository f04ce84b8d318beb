import { ConfigError } from "../scenario/index.ts";
import { type CommandIo, ExitCode } from "./io.ts";
import { describeJob, type Job, type JobResult } from "./job.ts";
import { doJobs, type JobThread, jobThreads } from "./job-threads.ts";
import { type RunFlags, run } from "./run.ts";

/** The options of `natscope run` with several runs. */
export interface RunManyFlags extends RunFlags {
  /** In place of one seed. */
  readonly seeds?: readonly number[];
  readonly jobs: number;
}

/**
 * `natscope run SCENARIO|FILE …`: one run prints as it goes; of several, each is printed when it is done, in the order given. Runs with several seeds are a line each,
 * unless something was not as expected.
 */
export async function runMany(
  given: readonly string[],
  { seeds, jobs: count, ...flags }: RunManyFlags,
  io: CommandIo,
  threads: (count: number, io: CommandIo) => readonly JobThread[] = jobThreads,
): Promise<ExitCode> {
  const [first] = given;
  if (first !== undefined && given.length === 1 && seeds === undefined) return run(first, flags, io);
  refuseOneFile(flags);
  const jobs = given.flatMap((scenario) =>
    (seeds ?? [flags.seed]).map((seed): Job => ({ kind: "run", scenario, flags: { ...flags, seed } })),
  );
  const printing = new ManyPrinting(io, { json: flags.json === true, brief: seeds !== undefined });
  const workers = threads(Math.min(count, jobs.length), io);
  await doJobs(jobs, workers, (job, result) => printing.tell(job, result), io.isInterrupted);
  return printing.end(jobs.length);
}

function refuseOneFile({ pcap }: RunFlags): void {
  if (pcap === undefined) return;
  const message =
    "there are several runs, and one file for all; run them one by one, or write natscope captures DIRECTORY";
  throw new ConfigError([{ file: `--pcap ${pcap}`, message }]);
}

class ManyPrinting {
  readonly #io: CommandIo;
  readonly #how: { readonly json: boolean; readonly brief: boolean };
  readonly #values: unknown[] = [];
  readonly #counts = new Map<ExitCode, number>();

  constructor(io: CommandIo, how: { readonly json: boolean; readonly brief: boolean }) {
    this.#io = io;
    this.#how = how;
  }

  tell(job: Job, { code, out, err }: JobResult): void {
    this.#counts.set(code, (this.#counts.get(code) ?? 0) + 1);
    if (this.#how.json) {
      this.#io.err(err);
      if (code === ExitCode.ok || code === ExitCode.unmet) this.#values.push(JSON.parse(out));
      return;
    }
    const isBrief = this.#how.brief && code === ExitCode.ok;
    this.#io.out(isBrief ? `${describeJob(job)}: ${lastLines(out)}\n` : `== ${describeJob(job)}\n${out}`);
    this.#io.err(err);
    if (!isBrief) this.#io.out("\n");
  }

  /** The exit code of all: the worst. */
  end(jobs: number): ExitCode {
    if (this.#how.json) this.#io.out(`${JSON.stringify(this.#values, undefined, 2)}\n`);
    else this.#io.out(`${jobs} runs: ${this.#summary()}\n`);
    const told = [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
    if (told < jobs || this.#counts.has(ExitCode.interrupted)) return ExitCode.interrupted;
    if (this.#counts.has(ExitCode.wrongUse)) return ExitCode.wrongUse;
    return this.#counts.has(ExitCode.unmet) ? ExitCode.unmet : ExitCode.ok;
  }

  #summary(): string {
    const failed = this.#count(ExitCode.wrongUse);
    const parts = [`${this.#count(ExitCode.ok)} as expected`, `${this.#count(ExitCode.unmet)} not`];
    return [...parts, ...(failed === 0 ? [] : [`${failed} could not be done`])].join(", ");
  }

  #count(code: ExitCode): number {
    return this.#counts.get(code) ?? 0;
  }
}

/** What a run says at its end. */
function lastLines(out: string): string {
  const end = out.slice(out.trimEnd().lastIndexOf("\n\n") + 1).trim();
  return end.split("\n").join(", ");
}
