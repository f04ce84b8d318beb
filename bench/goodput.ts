import { spawnSync } from "node:child_process";
import { parseArgs } from "node:util";
import { type Impairments, ms } from "../src/sim/index.ts";
import { loadLinux } from "../src/tun/index.ts";
import { GoodputPath, type Kind, type Transfer } from "./goodput-path.ts";

const USAGE = `node dist-bench/suite/goodput.js [--only CASE] [--control cubic|reno] [--pair linux-natscope] [--seeds N] [--flows N]

Goodput over a bad path, of Linux to Linux, natscope to Linux and the other ways round, through one relay in the same run. Needs root.
`;

interface Case {
  readonly name: string;
  readonly path: Partial<Impairments>;
  /** As many as the relay can carry without getting late. */
  readonly flows: number;
  readonly bytes: number;
}

const late = { reorder: 0.05, reorderDelay: ms(10) };
const CASES: readonly Case[] = [
  { name: "loss", path: { delay: ms(25), loss: 0.01 }, flows: 10, bytes: 4_000_000 },
  { name: "loss-late", path: { delay: ms(25), loss: 0.01, ...late }, flows: 10, bytes: 4_000_000 },
  { name: "late", path: { delay: ms(25), ...late }, flows: 4, bytes: 8_000_000 },
  { name: "loss-late-50", path: { delay: ms(50), loss: 0.01, ...late }, flows: 10, bytes: 2_000_000 },
  { name: "clean", path: { delay: ms(25) }, flows: 2, bytes: 20_000_000 },
];

const PAIRS: readonly (readonly [Kind, Kind])[] = [
  ["linux", "linux"],
  ["natscope", "linux"],
  ["linux", "natscope"],
  ["natscope", "natscope"],
];

const { values: options } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    control: { type: "string", multiple: true },
    pair: { type: "string", multiple: true },
    seeds: { type: "string", default: "2" },
    flows: { type: "string" },
    help: { type: "boolean", default: false },
    /** In a network namespace of its own by now. */
    inside: { type: "boolean", default: false },
  },
});

if (options.help) process.stdout.write(USAGE);
else if (options.inside) await measureAll();
else runInside();

/**
 * The relay's interfaces are made in a network namespace of its own, from which they are given to the ends. It goes before all other work of the machine, or a busy
 * one would make it late: it needs little, and bunched segments are another path.
 */
function runInside(): void {
  const [, script = "", ...words] = process.argv;
  const { status } = spawnSync(
    "chrt",
    ["--fifo", "5", "unshare", "--net", process.execPath, script, "--inside", ...words],
    {
      stdio: "inherit",
    },
  );
  process.exitCode = status ?? 1;
}

async function measureAll(): Promise<void> {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
  const chosen = CASES.filter(({ name }) => options.only?.includes(name) ?? true);
  for (const each of chosen) {
    for (const congestion of ["cubic", "reno"] as const) {
      if (options.control?.includes(congestion) ?? true) await measureCase(each, congestion);
    }
  }
}

/** One line for each pair. */
async function measureCase(each: Case, congestion: Transfer["congestion"]): Promise<void> {
  const flows = Number(options.flows ?? each.flows);
  let linux: readonly number[] | undefined;
  for (const [sender, receiver] of PAIRS) {
    if (!(options.pair?.includes(`${sender}-${receiver}`) ?? true)) continue;
    const times: number[] = [];
    for (let seed = 1; seed <= Number(options.seeds); seed++) {
      times.push(...(await transfer({ ...each, sender, receiver, congestion, seed, flows })));
    }
    linux ??= times;
    const pair = `${sender} → ${receiver}`.padEnd(22);
    process.stdout.write(
      `${each.name.padEnd(14)}${congestion.padEnd(7)}${pair}${describe(times, linux, each.bytes)}\n`,
    );
  }
}

async function transfer(transferred: Transfer): Promise<readonly number[]> {
  const path = new GoodputPath(await loadLinux(), transferred);
  const close = (): void => path.close();
  process.once("exit", close);
  try {
    return await path.run();
  } finally {
    process.off("exit", close);
    close();
  }
}

/** Goodput from the mean time, and what it is of Linux's, with the standard error that the draws of chance leave. */
function describe(times: readonly number[], linux: readonly number[], bytes: number): string {
  const goodput = (bytes * 8) / mean(times) / 1e6;
  const ratio = mean(linux) / mean(times);
  // Times of the same draws belong together: what differs is the difference.
  const differences = times.map((time, flow) => time * ratio - (linux[flow] ?? Number.NaN));
  const error = Math.sqrt(mean(differences.map((each) => each ** 2)) / times.length) / mean(linux);
  return `${goodput.toFixed(2).padStart(8)} Mbit/s  ${ratio.toFixed(2)} of Linux's ± ${error.toFixed(2)}  (${times.length} transfers)`;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
