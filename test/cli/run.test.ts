import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readPcap, readPcapng } from "../../src/pcap/index.ts";
import { SAMPLE } from "../scenario/sample-scenario.ts";
import { inDirectory, natscope } from "./command-line.ts";

/** All but the last line, which counts packets. */
function story(out: string): string {
  return out.replace(/\d+ packets seen, .*\n/, "");
}

describe("natscope run prints", () => {
  it("the tutorial's answers for nodeport", async () => {
    const { code, out, err } = await natscope(["run", "nodeport"]);
    expect(story(out)).toBe(`client$ for node in $NODES; do curl -s $node:$NODEPORT | grep -i client_address; done
client_address=10.180.1.1
client_address=10.240.0.5
client_address=10.240.0.3

all 5 expectations met
`);
    expect(out).toMatch(/^\d+ packets seen, none dropped$/m);
    expect({ code, err }).toEqual({ code: 0, err: "" });
  });

  it("the tutorial's answer for nodeport-local, and who did not answer", async () => {
    const { code, out } = await natscope(["run", "nodeport-local"]);
    expect(story(out)).toBe(`$ kubectl patch svc nodeport -p '{"spec":{"externalTrafficPolicy":"Local"}}'
service/nodeport patched

client$ for node in $NODES; do curl --connect-timeout 1 -s $node:$NODEPORT | grep -i client_address; done
client_address=198.51.100.79
# kubernetes-node-cx31: exit code 28
# kubernetes-node-jj1t: exit code 28

all 7 expectations met
`);
    expect(out).toMatch(/^\d+ packets seen, dropped: \d+ rule-drop$/m);
    expect(code).toBe(0);
  });

  it("the tutorial's answers for clusterip", async () => {
    const { code, out } = await natscope(["run", "clusterip"]);
    const steps = story(out).split("\n\n");
    expect(steps[0]).toBe("node1$ curl http://localhost:10249/proxyMode\niptables");
    expect(steps[1]).toContain(
      "mtu 1460 qdisc noqueue\n    link/ether 0a:58:0a:f4:03:08 brd ff:ff:ff:ff:ff:ff\n    inet 10.244.3.8/24 scope global eth0\n",
    );
    // From the pod, same node and other; then from two nodes and from outside the pods' range, where masquerading begins.
    expect(out.match(/^client_address=.*$/gm)).toEqual([
      "client_address=10.244.3.8",
      "client_address=10.244.3.8",
      "client_address=10.244.1.1",
      "client_address=10.240.0.5",
      "client_address=10.240.0.5",
    ]);
    expect(out).toContain("all 22 expectations met");
    expect(code).toBe(0);
  });

  it("expected beside actual where something is not met, and exits 1", async () => {
    const set = "steps.0.expect={ clientAddress: [10.180.1.1, 10.240.0.9, 10.240.0.3] }";
    const { code, out } = await natscope(["run", "nodeport", "--set", set]);
    expect(out).toContain(`unmet: step 1 (ask every node), kubernetes-node-cx31: clientAddress
  expected: 10.240.0.9
  actual:   10.240.0.5
`);
    expect(out).not.toContain("expectations met");
    expect(code).toBe(1);
  });

  it("a repeated step's own commands where there is nothing to show instead", async () => {
    await inDirectory(async (directory) => {
      const file = join(directory, "lab.yaml");
      writeFileSync(file, SAMPLE.replace("run: curl -s www", "run: echo $NODE\n    repeat: nodes"));
      const { out } = await natscope(["run", file]);
      expect(story(out)).toBe(
        "client$ echo 203.0.113.4\n203.0.113.4\nclient$ echo 10.240.0.5\n10.240.0.5\n\nall 1 expectations met\n",
      );
    });
  });

  it("every event with --trace", async () => {
    const { out } = await natscope(["run", "nodeport", "--trace"]);
    expect(out).toMatch(
      /^0\.\d{9} kubernetes-node-cx31 #\d+ source 198\.51\.100\.79 -> 10\.240\.0\.5, MASQUERADE by nat KUBE-POSTROUTING rule 3/m,
    );
    expect(out).toMatch(
      /^0\.\d{9} edge #\d+ destination 203\.0\.113\.5 -> 10\.240\.0\.5, DNAT by nat PREROUTING rule 2/m,
    );
    expect(out).toContain("client_address=10.240.0.5\n");
  });

  it("colours on a terminal only", async () => {
    expect((await natscope(["run", "nodeport"], { colours: true })).out).toContain(
      "\x1b[32mall 5 expectations met\x1b[0m",
    );
    expect((await natscope(["run", "nodeport"])).out).not.toContain("\x1b");
  });

  it("JSON and nothing else with --json", async () => {
    const { code, out, err } = await natscope(["run", "nodeport-local", "--json"]);
    const result = JSON.parse(out);
    expect(Object.keys(result)).toEqual(["scenario", "seed", "ok", "nodes", "steps", "packets", "drops", "captures"]);
    expect(result).toMatchObject({
      scenario: "nodeport-local",
      seed: 1,
      ok: true,
      nodes: ["kubernetes-node-6jst", "kubernetes-node-cx31", "kubernetes-node-jj1t"],
      drops: { "rule-drop": expect.any(Number) },
      captures: [],
    });
    expect(result.steps).toHaveLength(4);
    expect(result.steps[2]).toEqual({
      number: 2,
      name: "ask every node",
      from: "client",
      run: "curl --connect-timeout 1 -s 203.0.113.5:31000 | grep -i client_address",
      exitCode: 28,
      stdout: "",
      stderr: "",
      node: "kubernetes-node-cx31",
      ok: true,
      unmet: [],
    });
    expect({ code, err }).toEqual({ code: 0, err: "" });
  });
});

describe("natscope run --pcap", () => {
  it("writes every interface with its name, and says so", async () => {
    await inDirectory(async (directory) => {
      const file = join(directory, "n.pcapng");
      const { out } = await natscope(["run", "nodeport", "--pcap", file]);
      expect(out).toContain(`written: ${file}\n`);
      const capture = readPcapng(readFileSync(file));
      const names = capture.interfaces.map(({ name }) => name);
      for (const name of ["client/eth0", "edge/eth0", "kubernetes-node-cx31/eth0", "kubernetes-node-6jst/cbr0"]) {
        expect(names).toContain(name);
      }
      expect(names).toContain("source-ip-app-826191075-qehz4/eth0");
      expect(`${capture.packets.length} packets seen`).toBe(/\d+ packets seen/.exec(out)?.[0]);
      expect(capture.error).toBeUndefined();
    });
  });

  it("is the same to the byte for the same seed, and another for another", async () => {
    const [first, again, other] = await Promise.all(
      ["3", "3", "4"].map((seed) => natscope(["run", "nodeport", "--pcap", "-", "--seed", seed])),
    );
    expect(again?.outBytes).toEqual(first?.outBytes);
    expect(other?.outBytes).not.toEqual(first?.outBytes);
  });

  it("writes only the capture to standard output for -, and the text to standard error", async () => {
    const { outBytes, err } = await natscope(["run", "nodeport", "--pcap", "-"]);
    expect(readPcapng(outBytes).error).toBeUndefined();
    expect(err).toContain("client_address=10.240.0.5\n");
  });

  it("keeps the points of --only, by alias too, and the packets of --filter", async () => {
    const { outBytes } = await natscope([
      "run",
      "nodeport",
      "--pcap",
      "-",
      "--only",
      "node2/*",
      "client/eth0",
      "--filter",
      "tcp.flags.syn == 1 && tcp.flags.ack == 0",
    ]);
    const capture = readPcapng(outBytes);
    expect(capture.interfaces.map(({ name }) => name)).toEqual([
      "client/eth0",
      "kubernetes-node-cx31/eth0",
      "kubernetes-node-cx31/cbr0",
    ]);
    // One connection to each node from the client; one of them in at node2 and out again.
    const seen = capture.packets.map((packet) => packet.interface.name);
    expect(seen.filter((name) => name === "client/eth0")).toHaveLength(3);
    expect(seen.filter((name) => name === "kubernetes-node-cx31/eth0")).toHaveLength(2);
  });

  it("says which --only finds nothing", async () => {
    const { out, code } = await natscope(["run", "nodeport", "--only", "node9/eth0"]);
    expect(out).toContain("--only node9/eth0: there is no such capture point\n");
    expect(code).toBe(0);
  });

  it("writes one classic pcap a point with --format pcap", async () => {
    await inDirectory(async (directory) => {
      const file = join(directory, "n.pcap");
      await natscope(["run", "nodeport", "--pcap", file, "--format", "pcap", "--only", "node2/eth0", "client/eth0"]);
      expect(readdirSync(directory).sort()).toEqual(["n-client-eth0.pcap", "n-kubernetes-node-cx31-eth0.pcap"]);
      expect(readPcap(readFileSync(join(directory, "n-client-eth0.pcap"))).packets.length).toBeGreaterThan(10);
    });
  });
});

describe("natscope run refuses with exit code 2 and a line or two", () => {
  it.each([
    [
      "a path that cannot be written",
      ["--pcap", "/nowhere/x.pcapng"],
      "--pcap /nowhere/x.pcapng: cannot be written: no such file or directory\n",
    ],
    ["a directory as a file", ["--pcap", "/"], "--pcap /: cannot be written: a directory; expected a file\n"],
    [
      "classic pcap on standard output",
      ["--pcap", "-", "--format", "pcap"],
      "--pcap -: classic pcap is one file for each capture point; expected a file's name, or --format pcapng\n",
    ],
    [
      "a filter",
      ["--filter", "ip.src == 10.0.0"],
      '--filter: expected an IPv4 address, or a range like 10.0.0.0/8, got "10.0.0"\n  ip.src == 10.0.0\n            ^\n',
    ],
    [
      "a bad seed",
      ["--seed", "-1"],
      "error: option '--seed <number>' argument '-1' is invalid. Expected a whole number from 0 to 4294967295.\n(natscope --help lists the commands)\n",
    ],
    [
      "an unknown option",
      ["--pcapng", "x"],
      "error: unknown option '--pcapng'\n(Did you mean --pcap?)\n(natscope --help lists the commands)\n",
    ],
    [
      "a value of no kind",
      ["--format", "erf"],
      "error: option '--format <format>' argument 'erf' is invalid. Allowed choices are pcapng, pcap.\n(natscope --help lists the commands)\n",
    ],
    [
      "a --set without value",
      ["--set", "title"],
      "--set title: expected path=value, like cluster.proxy.masqueradeAll=true\n",
    ],
  ])("%s", async (_, args, expected) => {
    expect(await natscope(["run", "nodeport", ...args])).toMatchObject({ code: 2, out: "", err: expected });
  });

  it.each([
    ["nodeprt", 'nodeprt: there is no built-in scenario and no file of this name; did you mean "nodeport"?\n'],
    ["./nodeport", "./nodeport: no such file or directory\n"],
    ["/", "/: a directory; expected a file\n"],
  ])("%s", async (given, expected) => {
    expect(await natscope(["run", given])).toMatchObject({ code: 2, out: "", err: expected });
  });

  it.each([
    ["bytes that are no text", new Uint8Array([0xff, 0xfe, 0x00]), "not a text file; expected UTF-8"],
    ["an empty file", new Uint8Array(), "empty; expected a scenario (natscope init writes one to start from)"],
  ])("%s", async (_, bytes, expected) => {
    await inDirectory(async (directory) => {
      const file = join(directory, "lab.yaml");
      writeFileSync(file, bytes);
      expect(await natscope(["run", file])).toMatchObject({ code: 2, out: "", err: `${file}: ${expected}\n` });
    });
  });
});

describe("natscope run and the clock on the wall", () => {
  /** A clock that goes a second forward each time it is read. */
  function racingClock(): () => number {
    let now = 0;
    return () => {
      now += 1000;
      return now;
    };
  }

  it("ends with 130 and a whole capture on Ctrl-C", async () => {
    await inDirectory(async (directory) => {
      const [file, lab] = [join(directory, "n.pcapng"), join(directory, "lab.yaml")];
      writeFileSync(
        lab,
        SAMPLE.replace(
          "run: curl -s www",
          "run: for i in 1 2 3 4 5 6 7 8 9; do for k in 1 2 3 4 5 6 7 8 9; do curl -s www; done; done",
        ),
      );
      const { code, out } = await natscope(["run", lab, "--pcap", file], {
        now: racingClock(),
        isInterrupted: async () => true,
      });
      expect({ code, last: out.split("\n").at(-2) }).toEqual({ code: 130, last: "interrupted at step 1 of 1" });
      const capture = readPcapng(readFileSync(file));
      expect(capture.error).toBeUndefined();
      expect(capture.packets.length).toBeGreaterThan(100);
    });
  });

  it("shows progress on a terminal, and takes it away again", async () => {
    await inDirectory(async (directory) => {
      const lab = join(directory, "lab.yaml");
      writeFileSync(
        lab,
        SAMPLE.replace(
          "run: curl -s www",
          "run: for i in 1 2 3 4 5 6 7 8 9; do for k in 1 2 3 4 5 6 7 8 9; do curl -s www; done; done",
        ),
      );
      const { err } = await natscope(["run", lab], { now: racingClock(), showsProgress: true });
      expect(err.startsWith("\r\x1b[Kstep 1 of 1: ")).toBe(true);
      expect(err).toMatch(/: \d+\.\d s of virtual time, \d+ events/);
      expect(err.endsWith("\r\x1b[K")).toBe(true);
      expect((await natscope(["run", lab], { now: racingClock() })).err).toBe("");
    });
  });

  it("tells of a command that is repeated how many are done, how quickly, and how long it will take; and where it was interrupted", async () => {
    await inDirectory(async (directory) => {
      const lab = join(directory, "lab.yaml");
      writeFileSync(lab, SAMPLE.replace("run: curl -s www", "run: curl -s www\n    repeat: 2000"));
      const { err } = await natscope(["run", lab], { now: racingClock(), showsProgress: true });
      expect(err).toMatch(
        /step 1 of 1, [1-9]\d* of 2,000 done, \d+ a second, \d+ min \d\d s left: \d+\.\d s of virtual time/,
      );
      let breaths = 0;
      const isInterrupted = async (): Promise<boolean> => ++breaths > 5;
      const { code, out } = await natscope(["run", lab], { now: racingClock(), isInterrupted });
      expect(code).toBe(130);
      expect(out.split("\n").at(-2)).toMatch(/^interrupted at step 1 of 1, \d+ of 2,000 done$/);
    });
  });

  it("keeps the progress line within the terminal's width", async () => {
    await inDirectory(async (directory) => {
      const lab = join(directory, "lab.yaml");
      writeFileSync(lab, SAMPLE.replace("run: curl -s www", "run: curl -s www\n    repeat: 100"));
      const { err } = await natscope(["run", lab], { now: racingClock(), showsProgress: true, columns: 30 });
      const lines = err.split("\r\x1b[K");
      expect(Math.max(...lines.map(({ length }) => length))).toBe(29);
    });
  });
});
