import { spawnSync } from "node:child_process";
import { TunUnavailable } from "./linux.ts";

/** Runs ip(8), in the caller's network namespace, and returns what it printed. @throws TunUnavailable with its own words. */
export function ip(words: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync("ip", words, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    maxBuffer: MOST_OUTPUT,
  });
  if (error !== undefined) throw new TunUnavailable("ip, of iproute2, is not installed");
  if (status !== 0) throw new TunUnavailable(`ip ${words.join(" ")}: ${stderr.trim()}`);
  return stdout;
}

/** A router's whole table of the internet is smaller. */
const MOST_OUTPUT = 512 * 1024 * 1024;
