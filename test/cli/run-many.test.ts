import { describe, expect, it } from "vitest";
import { crashedJob, type Job, type JobResult } from "../../src/cli/job.ts";
import { doJobs, type JobThread } from "../../src/cli/job-threads.ts";
import { natscope } from "./command-line.ts";

const JOBS: readonly Job[] = ["a", "b", "c", "d"].map((scenario) => ({ kind: "capture", scenario, file: scenario }));

/** A thread that needs as many turns of the event loop for a job as `turns` says. */
function thread(turns: Readonly<Record<string, number>>): JobThread {
  return {
    do: async ({ scenario }) => {
      for (let left = turns[scenario] ?? 0; left > 0; left--) await Promise.resolve();
      return { code: 0, out: scenario, err: "" };
    },
    end: () => {},
  };
}

describe("doJobs()", () => {
  it("tells of results in the order of the jobs, whichever is done first", async () => {
    const told: string[] = [];
    const turns = { a: 50, b: 1, c: 20, d: 1 };
    const tell = (job: Job, { out }: JobResult): void => void told.push(`${job.scenario}=${out}`);
    await doJobs(JOBS, [thread(turns), thread(turns)], tell, async () => false);
    expect(told).toEqual(["a=a", "b=b", "c=c", "d=d"]);
  });

  it("begins no more jobs once the user has pressed Ctrl-C", async () => {
    const told: string[] = [];
    const tell = (job: Job): void => void told.push(job.scenario);
    await doJobs(JOBS, [thread({})], tell, async () => told.length > 1);
    expect(told).toEqual(["a", "b"]);
  });

  it("says whose thread crashed", () => {
    const job: Job = { kind: "run", scenario: "nodeport", flags: { seed: 3 } };
    expect(crashedJob(job, "out of memory")).toEqual({
      code: 2,
      out: "",
      err: "nodeport, seed 3: natscope has a fault: out of memory\n",
    });
  });
});

describe("natscope run with several runs", () => {
  it("prints a line for each seed that came out as expected", async () => {
    const { code, out } = await natscope(["run", "nodeport", "--seeds", "1..2,7"]);
    expect(out).toBe(
      [
        "nodeport, seed 1: all 5 expectations met, 290 packets seen, none dropped",
        "nodeport, seed 2: all 5 expectations met, 290 packets seen, none dropped",
        "nodeport, seed 7: all 5 expectations met, 290 packets seen, none dropped",
        "3 runs: 3 as expected, 0 not",
        "",
      ].join("\n"),
    );
    expect(code).toBe(0);
  });

  it("prints each of several scenarios under its name, and exits 2 when one could not be done", async () => {
    const { code, out, err } = await natscope(["run", "nodeport", "nowhere"]);
    expect(out).toContain("== nodeport, seed 1\n");
    expect(out).toContain("2 runs: 1 as expected, 0 not, 1 could not be done\n");
    expect(err).toContain("nowhere: there is no built-in scenario");
    expect(code).toBe(2);
  });

  it("exits 1 when a run was not as expected, and prints that run in full", async () => {
    const set = ["--set", "steps.0.expect.exitCode=9"];
    const { code, out } = await natscope(["run", "nodeport", "--seeds", "1..2", ...set]);
    expect(out).toContain("== nodeport, seed 2\n");
    expect(out).toContain("2 runs: 0 as expected, 2 not\n");
    expect(code).toBe(1);
  });

  it("prints one JSON array with --json", async () => {
    const { out } = await natscope(["run", "nodeport", "--seeds", "4,5", "--json"]);
    expect(JSON.parse(out)).toMatchObject([
      { scenario: "nodeport", seed: 4 },
      { scenario: "nodeport", seed: 5 },
    ]);
  });

  it.each([
    [["run", "nodeport", "--seeds", "3..1"], "Expected at most 100000 seeds"],
    [["run", "nodeport", "--jobs", "0"], "Expected a number from 1 to 256"],
    [["run", "nodeport", "clusterip", "--pcap", "both.pcapng"], "--pcap both.pcapng: there are several runs"],
  ])("refuses %j", async (args, complaint) => {
    const { code, err } = await natscope(args);
    expect(err).toContain(complaint);
    expect(code).toBe(2);
  });
});
