import { parentPort, workerData } from "node:worker_threads";
import { doJob, type Job } from "./job.ts";

/*
 * A thread that does jobs, one at a time: each message is one, and its answer the result. `workerData` is a word that is 1 when the user has pressed Ctrl-C.
 */

const interrupted = new Int32Array(workerData as SharedArrayBuffer);
const isInterrupted = async (): Promise<boolean> => Atomics.load(interrupted, 0) !== 0;

parentPort?.on("message", (job: Job) => {
  void doJob(job, isInterrupted).then((result) => parentPort?.postMessage(result));
});
