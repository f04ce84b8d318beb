import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { RowRounds } from "./row.ts";

/** What is measured: curl downloading or uploading, in MB/s, or wrk's requests a second, of a real server or, as `pages`, of the emulated pod's own. */
export type LiveMeasure = "down" | "up" | "requests" | "pages";

const SCRIPT = fileURLToPath(new URL("../../bench/live-throughput.sh", import.meta.url));
const MAIN = fileURLToPath(new URL("../bin/natscope.js", import.meta.url));
const PROGRAMS = ["nginx", "curl", "wrk", "slirp4netns", "pasta"];

/** Why it cannot be measured here; `undefined` when it can. */
export function liveObstacle(): string | undefined {
  if (process.getuid?.() !== 0) return "needs root, for the network namespace it is measured in";
  const missing = PROGRAMS.filter((program) => spawnSync(program, ["--version"]).error !== undefined);
  return missing.length === 0 ? undefined : `not installed: ${missing.join(", ")}`;
}

/**
 * A real client in `natscope shell` and a real server behind the NodePort, against slirp4netns, which does the same work without a network in between:
 * both end TCP in user space and relay to a socket of the host, at MTU 1500. pasta is beside them once.
 */
export function liveRounds(measure: LiveMeasure, quick: boolean): RowRounds {
  const bytes = quick ? 100_000_000 : 1_000_000_000;
  const figure = (way: string): number => liveFigure(way, measure, bytes);
  return {
    round: () => figure("natscope"),
    peer: { name: "slirp4netns", round: () => figure("slirp4netns") },
    note: () => `pasta ${Math.round(figure("pasta")).toLocaleString("en-US")}`,
  };
}

function liveFigure(way: string, measure: LiveMeasure, bytes: number): number {
  const words = ["--net", "--mount", "bash", SCRIPT, way, measure, String(bytes), MAIN];
  const { stdout } = spawnSync("unshare", words, { encoding: "utf8", timeout: 120_000 });
  return Number(stdout.trim()) / (measure === "down" || measure === "up" ? 1e6 : 1);
}
