import { spawnSync } from "node:child_process";
import { cpus, release } from "node:os";
import { parseArgs } from "node:util";
import { CURVES, type GrowthPoint, growthRounds } from "./growth.ts";
import { recordResults } from "./results.ts";
import { measureRow, median, type RowResult } from "./row.ts";
import { ROWS } from "./rows.ts";
import { formatGrowth, formatRow, HEADER } from "./table.ts";

const USAGE = `npm run bench -- [--only ROW] [--quick] [--json] [--growth] [--record]

Measures every row of DESIGN §8, each in a process of its own: the first round is the cold figure, the median of the others the warm one.
  --only ROW   one row or curve, by name; repeats
  --quick      fewer and shorter rounds: to see that it runs, not to quote
  --json       {machine, rows: [{name, unit, target, figure, ok, beside, …}], growth: […]}
  --growth     the growth curves too: services 10 to 10,000, nodes 3 to 5,000, flows and connections up to 1,000,000
  --record     append the results to bench/RESULTS.md, by commit
`;

const { values: options } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    quick: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
    growth: { type: "boolean", default: false },
    record: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
    /** For the processes that measure. */
    "measure-row": { type: "string" },
    "measure-point": { type: "string" },
  },
});

await main();

async function main(): Promise<void> {
  if (options.help) process.stdout.write(USAGE);
  else if (options["measure-row"] !== undefined) await measureRowHere(options["measure-row"]);
  else if (options["measure-point"] !== undefined) measurePointHere(options["measure-point"]);
  else measureAll();
}

function measureAll(): void {
  const names = [...ROWS.map(({ name }) => name), ...Object.keys(CURVES)];
  const unknown = options.only?.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    process.stderr.write(`No row is called ${unknown}; the rows are ${names.join(", ")}\n`);
    process.exitCode = 2;
    return;
  }
  const tell = (text: string): void => void (options.json || process.stdout.write(text));
  tell(`${machine()}\n\n${HEADER}`);
  const rows: RowResult[] = [];
  for (const { name } of ROWS.filter(({ name }) => options.only?.includes(name) ?? true)) {
    const result = child<RowResult>(["--measure-row", name]);
    rows.push(result);
    tell(formatRow(result));
  }
  const growth = measureCurves(tell);
  if (options.json) process.stdout.write(`${JSON.stringify({ machine: machine(), rows, growth }, undefined, 2)}\n`);
  if (options.record) recordResults(machine(), rows, growth);
  if (rows.some(({ ok }) => !ok)) process.exitCode = 1;
}

function measureCurves(tell: (text: string) => void): GrowthPoint[] {
  const growth: GrowthPoint[] = [];
  for (const [curve, { points, unit }] of Object.entries(CURVES)) {
    if (!(options.growth || options.only?.includes(curve))) continue;
    let first: number | undefined;
    for (const at of points) {
      const { figure, residentMb } = child<Pick<GrowthPoint, "figure" | "residentMb">>([
        "--measure-point",
        `${curve}:${at}`,
      ]);
      first ??= figure;
      const point = { curve, at, unit, figure, relative: figure / first, residentMb };
      growth.push(point);
      tell(formatGrowth(point));
    }
  }
  return growth;
}

function child<T>(args: readonly string[]): T {
  const all = [process.argv[1] ?? "", ...args, ...(options.quick ? ["--quick"] : [])];
  const { status, stdout, stderr } = spawnSync(process.execPath, all, { encoding: "utf8", maxBuffer: 1 << 26 });
  if (status !== 0) throw new Error(`${args.join(" ")} failed: ${stderr}`);
  return JSON.parse(stdout) as T;
}

async function measureRowHere(name: string): Promise<void> {
  const row = ROWS.find((each) => each.name === name);
  if (row === undefined) throw new Error(`no row ${name}`);
  process.stdout.write(JSON.stringify(await measureRow(row, options.quick)));
}

function measurePointHere(place: string): void {
  const [curve = "", at] = place.split(":");
  const measured = growthRounds(curve, Number(at), options.quick);
  const round = (): number => perProcessorSecond(measured);
  round();
  const figure = median(Array.from({ length: options.quick ? 3 : 7 }, round));
  process.stdout.write(JSON.stringify({ figure, residentMb: process.memoryUsage().rss / 1e6 }));
}

/** What a round gives, for a second of processor time: points are measured one after the other, and the machine may have other work meanwhile. */
function perProcessorSecond(round: () => number): number {
  const [began, before] = [performance.now(), process.cpuUsage()];
  const rate = round();
  const { user, system } = process.cpuUsage(before);
  return (rate * (performance.now() - began) * 1000) / (user + system);
}

function machine(): string {
  const processors = cpus();
  return `${processors[0]?.model ?? "?"}, ${processors.length} cores, Node ${process.version}, ${process.platform} ${release()}`;
}
