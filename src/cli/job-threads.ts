import { Worker } from "node:worker_threads";
import type { CommandIo } from "./io.ts";
import { crashedJob, doJob, type Job, type JobResult } from "./job.ts";

/** Somebody who does one job at a time. */
export interface JobThread {
  do(job: Job): Promise<JobResult>;
  end(): void;
}

/** How often it is looked whether the user has pressed Ctrl-C. */
const BREATH_MS = 50;

/**
 * Does jobs on as many threads, and tells of their results in the jobs' order, each as soon as those before it are told. On Ctrl-C the jobs under way end
 * and leave their files in order; no other is begun. With one thread it is this one.
 */
export async function doJobs(
  jobs: readonly Job[],
  threads: readonly JobThread[],
  tell: (job: Job, result: JobResult) => void,
  isInterrupted: CommandIo["isInterrupted"],
): Promise<void> {
  const results = new Map<number, JobResult>();
  let next = 0;
  let told = 0;
  const work = async (thread: JobThread): Promise<void> => {
    while (next < jobs.length && !(await isInterrupted())) {
      const number = next;
      next += 1;
      const job = jobs[number];
      if (job === undefined) return;
      results.set(number, await thread.do(job));
      for (let result = results.get(told); result !== undefined; result = results.get(told)) {
        tell(jobs[told] as Job, result);
        results.delete(told);
        told += 1;
      }
    }
  };
  try {
    await Promise.all(threads.map(work));
  } finally {
    for (const thread of threads) thread.end();
  }
}

/** This many threads; this one itself where one is enough. */
export function jobThreads(count: number, io: CommandIo): readonly JobThread[] {
  if (count <= 1) return [{ do: (job) => doJob(job, io.isInterrupted), end: () => {} }];
  const interrupted = new SharedArrayBuffer(4);
  const timer = setInterval(() => {
    void io.isInterrupted().then((is) => is && Atomics.store(new Int32Array(interrupted), 0, 1));
  }, BREATH_MS);
  return Array.from({ length: count }, () => workerThread(interrupted, () => clearInterval(timer)));
}

function workerThread(interrupted: SharedArrayBuffer, ended: () => void): JobThread {
  const start = (): Worker => new Worker(new URL("./job-worker.js", import.meta.url), { workerData: interrupted });
  let worker: Worker | undefined;
  const ask = (job: Job): Promise<JobResult> =>
    new Promise((resolve) => {
      const asked = worker ?? start();
      worker = asked;
      asked.removeAllListeners();
      const crash = (why: string): void => {
        worker = undefined;
        resolve(crashedJob(job, why));
      };
      asked.once("message", (result: JobResult) => resolve(result));
      asked.once("error", (error) => crash(error.message));
      asked.once("exit", (code) => crash(`its thread ended with ${code}`));
      asked.postMessage(job);
    });
  const end = (): void => {
    ended();
    worker?.removeAllListeners();
    void worker?.terminate();
  };
  return { do: ask, end };
}
