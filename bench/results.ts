import { spawnSync } from "node:child_process";
import { appendFileSync } from "node:fs";
import type { GrowthPoint } from "./growth.ts";
import { formatFigure, type RowResult } from "./row.ts";

const FILE = new URL("../../bench/RESULTS.md", import.meta.url);

/** Appends a run to bench/RESULTS.md: ratios first, as figures hold for the machine alone. */
export function recordResults(machine: string, rows: readonly RowResult[], growth: readonly GrowthPoint[]): void {
  const lines = rows.map(
    ({ name, target, figure, unit, ratio, ok }) =>
      `| ${name} | ${target} | ${ratio === undefined ? "" : `× ${ratio.toFixed(2)}`} | ${formatFigure(figure)} ${unit} | ${ok ? "yes" : "no"} |`,
  );
  const points = growth.map(
    ({ curve, at, relative, figure, unit, residentMb }) =>
      `| ${curve} ${at.toLocaleString("en-US")} | | × ${relative.toFixed(2)} | ${formatFigure(figure)} ${unit}, ${residentMb.toFixed(0)} MB | |`,
  );
  const head = `\n## ${commit()}\n\n${machine}\n\n| row | target | ratio | figure | ok |\n|---|---|---|---|---|\n`;
  appendFileSync(FILE, `${head}${[...lines, ...points].join("\n")}\n`);
}

/** The commit that was measured; "and changes" when files differ from it. */
function commit(): string {
  const git = (args: readonly string[]): string => spawnSync("git", args, { encoding: "utf8" }).stdout.trim();
  const changed = git(["status", "--porcelain", "--", "src", "bench"]) === "" ? "" : ", and changes";
  return `${git(["log", "-1", "--format=%h %s"])}${changed}`;
}
