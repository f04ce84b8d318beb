import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, watch, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readPcapng } from "../../src/pcap/index.ts";
import { MAIN } from "./live-shell.ts";

if (!existsSync(MAIN)) {
  const message = "dist not found: npm run build";
  if (process.env.CI) throw new Error(message);
  console.warn(`test/system/interrupted.test.ts is skipped: ${message}`);
}

/** More requests than anybody waits for: the run ends because it is told to. */
const LONG_RUN = `version: 1
name: long
title: A run that takes long
networks: { lan: {} }
hosts:
  client: { interfaces: { eth0: { network: lan, address: 10.0.0.3/24 } } }
  server: { interfaces: { eth0: { network: lan, address: 10.0.0.2/24 } }, servers: [{ kind: echo, port: 80 }] }
steps:
  - { run: curl -s 10.0.0.2, on: client }
  - { run: curl -s 10.0.0.2, on: client, repeat: { times: 10000000, every: 5ms } }
`;

let folder = "";
let scenario = "";
const started: ChildProcess[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "natscope-interrupted-"));
  scenario = join(folder, "long.yaml");
  writeFileSync(scenario, LONG_RUN);
});

afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
  rmSync(folder, { recursive: true, force: true });
});

function natscope(...words: string[]): ChildProcess {
  const child = spawn(process.execPath, [MAIN, ...words], { stdio: ["ignore", "pipe", "pipe"] });
  started.push(child);
  return child;
}

/** Resolves once the file has packets in it. */
async function grown(file: string, bytes: number): Promise<void> {
  const watching = watch(folder);
  while (!existsSync(file) || statSync(file).size < bytes) await once(watching, "change");
  watching.close();
}

function textOf(child: ChildProcess): () => string {
  let text = "";
  child.stdout?.setEncoding("utf8").on("data", (more: string) => {
    text += more;
  });
  return () => text;
}

async function endOf(child: ChildProcess): Promise<number | string | null> {
  const [code, signal] = await once(child, "close");
  return code ?? signal;
}

describe.skipIf(!existsSync(MAIN))("natscope run, told to end in the middle", () => {
  it("exits 130 on Ctrl-C, says where it was, and leaves a capture that is whole to its last block", async () => {
    const file = join(folder, "long.pcapng");
    const child = natscope("run", scenario, "--pcap", file);
    const text = textOf(child);
    await grown(file, 100_000);
    child.kill("SIGINT");
    expect(await endOf(child)).toBe(130);
    expect(text()).toMatch(/\ninterrupted at step 2 of 2, [\d,]+ of 10,000,000 done\n$/);
    const { packets, error } = readPcapng(readFileSync(file));
    expect(packets.length).toBeGreaterThan(100);
    expect(error).toBeUndefined();
  });

  it("exits 130 on Ctrl-C with several seeds on threads, after what was done by then", async () => {
    const child = natscope("run", "clusterip", scenario, "--jobs", "2", "--seeds", "1..4");
    const text = textOf(child);
    while (!text().includes("clusterip, seed 4")) await once(child.stdout as NodeJS.ReadableStream, "data");
    child.kill("SIGINT");
    expect(await endOf(child)).toBe(130);
    const seeds = [...text().matchAll(/^clusterip, seed (\d): all/gm)].map(([, seed]) => seed);
    expect(seeds).toEqual(["1", "2", "3", "4"]);
    expect(text()).toMatch(/\n8 runs: 4 as expected, 0 not\n$/);
  });

  it("ends when nobody reads what it says", async () => {
    const child = natscope("run", scenario, "--trace");
    await once(child.stdout as NodeJS.ReadableStream, "data");
    child.stdout?.destroy();
    expect(await endOf(child)).toBe(0);
  });
});

describe.skipIf(!existsSync(MAIN))("natscope run --jobs 2", () => {
  it.each([
    ["two scenarios", ["nodeport", "clusterip"]],
    ["seeds", ["nodeport", "--seeds", "1..5"]],
    ["two scenarios with seeds, as JSON", ["clusterip", "nodeport", "--seeds", "3,1", "--json"]],
  ])("says of %s what one thread says", async (_what, words) => {
    const [one, two] = [1, 2].map((jobs) => natscope("run", ...words, "--jobs", String(jobs)));
    const texts = [one, two].map((child) => textOf(child as ChildProcess));
    expect(await Promise.all([one, two].map((child) => endOf(child as ChildProcess)))).toEqual([0, 0]);
    expect(texts[1]?.()).toBe(texts[0]?.());
    expect(texts[0]?.()).not.toBe("");
  });
});
