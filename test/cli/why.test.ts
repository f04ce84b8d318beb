import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { home } from "../explain/explained.ts";
import { inDirectory, natscope } from "./command-line.ts";

describe("natscope why", () => {
  it("explains one step, by number or by name", async () => {
    const { code, out, err } = await natscope(["why", "nodeport-local", "2"]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toMatch(/^Step 2: ask every node$/m);
    expect(out).not.toContain("Step 1");
    expect((await natscope(["why", "nodeport-local", "ask every node"])).out).toBe(out);
  });

  it("explains all steps without one", async () => {
    const { out } = await natscope(["why", "nodeport-local"]);
    expect(out.match(/^Step \d/gm)).toEqual(["Step 1", "Step 2"]);
  });

  it("prints JSON, Markdown or Mermaid, and not two of them", async () => {
    expect(JSON.parse((await natscope(["why", "nodeport", "--json"])).out)).toMatchObject({
      scenario: "nodeport",
      seed: 1,
    });
    expect((await natscope(["why", "nodeport", "--markdown"])).out).toMatch(/^# Why: nodeport\n/);
    expect((await natscope(["why", "nodeport", "--mermaid"])).out).toMatch(/^sequenceDiagram\n/);
    const { code, err } = await natscope(["why", "nodeport", "--json", "--mermaid"]);
    expect(code).toBe(2);
    expect(err).toContain("option '--json' cannot be used with option '--mermaid'");
  });

  it("refuses a step that is not there", async () => {
    const { code, out, err } = await natscope(["why", "nodeport", "7"]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toBe("step 7: there is no such step; expected a number from 1 to 1, or one of ask every node\n");
  });

  it("takes --seed and --set, and colours on a terminal only", async () => {
    const local = await natscope(["why", "clusterip", "3", "--set", "cluster.proxy.masqueradeAll=true", "--seed", "5"]);
    expect(local.out).toContain("kube-proxy runs with --masquerade-all");
    expect(local.out).not.toContain("\x1b");
    expect((await natscope(["why", "clusterip", "3"], { colours: true })).out).toContain("\x1b[32manswered\x1b[0m");
  });

  it("ends with 130 at Ctrl-C", async () => {
    await inDirectory(async (directory) => {
      const file = join(directory, "lab.yaml");
      writeFileSync(file, home("ping -c 300 198.51.100.80"));
      let now = 0;
      const clock = (): number => {
        now += 100;
        return now;
      };
      const { code, out } = await natscope(["why", file], { now: clock, isInterrupted: async () => true });
      expect({ code, out }).toEqual({ code: 130, out: "" });
    });
  });
});

describe("natscope inspect", () => {
  /** Runs a scenario with a capture, then what is to be done with the file. */
  async function withCapture(work: (file: string, directory: string) => Promise<void>): Promise<void> {
    await inDirectory(async (directory) => {
      const file = join(directory, "lab.pcapng");
      await natscope(["run", "nodeport", "--pcap", file]);
      await work(file, directory);
    });
  }

  it("prints what changed at each point, for the packets a filter asks for", async () => {
    await withCapture(async (file) => {
      const { code, out } = await natscope([
        "inspect",
        file,
        "--filter",
        "ip.addr == 203.0.113.4 && tcp.flags.syn == 1",
      ]);
      expect(code).toBe(0);
      expect(out).toMatch(/^Connection 1: TCP 198\.51\.100\.79:\d+ → 203\.0\.113\.4:31000$/m);
      expect(out).not.toContain("Connection 2");
      expect(out).toMatch(/^ {4}edge\/eth1 out +destination 203\.0\.113\.4 → 10\.240\.0\.4, TTL 64 → 63$/m);
    });
  });

  it("prints JSON", async () => {
    await withCapture(async (file) => {
      const result = JSON.parse((await natscope(["inspect", file, "--json"])).out);
      expect(result).toMatchObject({ pairedBy: "lineage", files: [{ name: "lab.pcapng", format: "pcapng" }] });
    });
  });

  it("reads standard input, and several files as one capture", async () => {
    await inDirectory(async (directory) => {
      await natscope([
        "run",
        "nodeport",
        "--pcap",
        join(directory, "lab.pcap"),
        "--format",
        "pcap",
        "--only",
        "client/eth0",
        "edge/*",
      ]);
      const files = ["client-eth0", "edge-eth0", "edge-eth1"].map((point) => join(directory, `lab-${point}.pcap`));
      const { out } = await natscope(["inspect", ...files]);
      expect(out).toContain("are paired by IP ID, sequence numbers and payload");
      expect(out).toMatch(/^ {4}lab-edge-eth1\.pcap +destination 203\.0\.113\.4 → 10\.240\.0\.4, TTL 64 → 63$/m);
    });
  });

  it("says what was whole of a file that is cut off, and exits 2", async () => {
    await withCapture(async (file, directory) => {
      const { outBytes } = await natscope(["run", "nodeport", "--pcap", "-"]);
      const cut = join(directory, "cut.pcapng");
      writeFileSync(cut, outBytes.subarray(0, 20_000));
      const { code, out, err } = await natscope(["inspect", cut]);
      expect(code).toBe(2);
      expect(out).toContain("Connection 1: ");
      expect(err).toMatch(/^cut\.pcapng: cut off at byte \d+: .*; \d+ records before it were whole\n$/);
      expect(file).not.toBe(cut);
    });
  });

  it.each([
    ["an empty file", "", /^x: empty; expected a pcapng or pcap file\n$/],
    [
      "a text",
      "version: 1\nname: lab\ntitle: nothing\n",
      /^x: not as a capture file should be at byte 0: .*; no record before it was whole\n$/,
    ],
  ])("refuses %s", async (_, text, message) => {
    await inDirectory(async (directory) => {
      writeFileSync(join(directory, "x"), text);
      const { code, out, err } = await natscope(["inspect", join(directory, "x")]);
      expect({ code, out }).toEqual({ code: 2, out: "" });
      expect(err).toMatch(message);
    });
  });

  it("refuses a filter that it does not understand, with the place", async () => {
    await withCapture(async (file) => {
      const { code, err } = await natscope(["inspect", file, "--filter", "tcp.prt == 1"]);
      expect(code).toBe(2);
      expect(err).toContain("  tcp.prt == 1\n  ^");
    });
  });
});
