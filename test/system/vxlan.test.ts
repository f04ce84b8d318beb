import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { loadScenario, ScenarioRun } from "../../src/scenario/index.ts";

/* The scenario cni-vxlan, as tshark reads it. */

const missing = spawnSync("tshark", ["--version"]).error !== undefined;
if (missing) {
  const message = "tshark not found: install it with apt-get install tshark";
  if (process.env.CI) throw new Error(message);
  console.warn(`test/system/vxlan.test.ts is skipped: ${message}`);
}

const SCENARIO = new URL("../../scenarios/cni-vxlan.yaml", import.meta.url);

/** Runs the scenario with its tunnels at `port` and writes its capture to `file`. */
async function record(file: string, port: number): Promise<void> {
  const text = readFileSync(SCENARIO, "utf8").replaceAll("4789", String(port));
  const scenario = loadScenario({ file: "cni-vxlan.yaml", text, readFile: () => "" });
  const chunks: Uint8Array[] = [];
  const sink = (bytes: Uint8Array): void => void chunks.push(bytes.slice());
  const run = new ScenarioRun(scenario, { seed: 1, capture: { target: { format: "pcapng", sink } } });
  expect((await run.run()).ok).toBe(true);
  writeFileSync(file, Buffer.concat(chunks));
}

function tshark(file: string, ...args: string[]): string[] {
  const checks = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"];
  const output = execFileSync("tshark", ["-n", "-r", file, ...checks, ...args], { encoding: "utf8", stdio: "pipe" });
  return output.split("\n").filter((line) => line !== "");
}

describe.skipIf(missing)("VXLAN between nodes, read by tshark", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "natscope-vxlan-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each([
    [4789, []],
    // flannel's port is not known as VXLAN's everywhere.
    [8472, ["-d", "udp.port==8472,vxlan"]],
  ] as const)("is VXLAN at port %i, with right checksums inside and outside", async (port, options) => {
    const file = join(folder, `${port}.pcapng`);
    await record(file, port);
    const fields = [
      "-T",
      "fields",
      "-e",
      "vxlan.vni",
      "-e",
      "udp.dstport",
      "-e",
      "ip.src",
      "-e",
      "ip.dst",
      "-e",
      "ip.ttl",
    ];
    const seen = new Set(tshark(file, ...options, "-Y", "vxlan && tcp.dstport == 8080", ...fields));
    expect([...seen].sort()).toEqual([
      `1\t${port}\t10.240.0.3,10.244.3.0\t10.240.0.4,10.244.1.136\t64,62`,
      `1\t${port}\t10.240.0.3,10.244.3.8\t10.240.0.4,10.244.1.136\t64,63`,
      `1\t${port}\t10.240.0.5,10.244.2.0\t10.240.0.4,10.244.1.136\t64,62`,
      `1\t${port}\t10.240.0.5,10.244.2.0\t10.240.0.4,10.244.1.136\t64,64`,
    ]);
    const bad = "ip.checksum.status == 0 || tcp.checksum.status == 0 || udp.checksum.status == 0";
    expect(tshark(file, ...options, "-Y", `${bad} || _ws.malformed`)).toEqual([]);
  });

  it("says in comments where a packet was wrapped and unwrapped", async () => {
    const file = join(folder, "comments.pcapng");
    await record(file, 4789);
    const comments = tshark(file, "-Y", 'frame.comment contains "VXLAN"', "-T", "fields", "-e", "frame.comment");
    expect(comments).toContain("encapsulated VXLAN 10.240.0.3 → 10.240.0.4");
    expect(comments.some((text) => text.includes("decapsulated VXLAN 10.240.0.3 → 10.240.0.4"))).toBe(true);
  });
});
