import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readCapture, readPcapng } from "../../src/pcap/index.ts";
import { asUser, isRoot, missingFor, natscope, run } from "./live-shell.ts";
import { bodyHash, type RealServer, realServer } from "./real-server.ts";

/*
 * Captures of a running network whose reader is slow, has not come, or goes: the network does not notice. Everything happens in network namespaces.
 */

const missing = missingFor("test/system/slow-capture.test.ts", ["curl"]);
const LENGTH = 60_000_000;

describe.skipIf(missing.length > 0)("the capture of a running network", () => {
  let folder = "";
  let server: RealServer;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "natscope-slow-capture-"));
    // The ordinary user writes into it.
    spawnSync("chmod", ["1777", folder]);
    server = await realServer();
  });
  afterAll(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const path = (name: string): string => join(folder, name);

  /** Runs a script as an ordinary user; `$shell` is `natscope shell` with a real server behind the NodePort. */
  function script(text: string): ReturnType<typeof run> {
    const file = path("script.sh");
    const shell = [...natscope, "shell", "nodeport", "--backend", `source-ip-app=127.0.0.1:${server.port}`].join(" ");
    writeFileSync(file, `cd ${folder}\nshell="${shell}"\nget="curl -s 203.0.113.4:31000/${LENGTH}"\n${text}`, {
      mode: 0o644,
    });
    return run([...asUser, "bash", file]);
  }

  test("has a reader that stalls during a transfer: what did not fit is counted, and the file is whole", async () => {
    const { stdout, stderr } = await script(`
      mkfifo pipe
      { exec 5< pipe; until [ -e done ]; do sleep 0.05; done; cat <&5 > got; } & reader=$!
      $shell --pcap pipe -- sh -c "$get | sha256sum; touch done"; wait $reader`);
    expect(stdout).toBe(`${bodyHash(LENGTH)}  -\n`);
    const told = /^note: --pcap pipe: (\d+) packets left out: not taken in time\n$/.exec(stderr)?.[1];
    const { packets, statistics, error } = readPcapng(readFileSync(path("got")));
    expect(error).toBeUndefined();
    expect(packets.length).toBeGreaterThan(1000);
    expect(statistics.reduce((sum, { dropped = 0n }) => sum + dropped, 0n)).toBe(BigInt(told ?? -1));
    expect(Number(told)).toBeGreaterThan(packets.length);
  });

  test("has a reader that never reads, and one that never comes: neither keeps anybody", async () => {
    const { stdout, stderr } = await script(`
      mkfifo stalled alone
      sleep 60 < stalled & sleeper=$!
      $shell --pcap stalled -- sh -c "$get | sha256sum"; kill $sleeper
      $shell --pcap alone -- sh -c "$get | sha256sum"`);
    expect(stdout).toBe(`${bodyHash(LENGTH)}  -\n`.repeat(2));
    expect(stderr.split("\n")).toEqual([
      expect.stringMatching(/^note: --pcap stalled: \d+ packets left out: not taken in time$/),
      "note: --pcap stalled: its end is missing: nobody takes it",
      expect.stringMatching(/^note: --pcap alone: \d+ packets left out: not taken in time$/),
      "note: --pcap alone: its end is missing: nobody takes it",
      "",
    ]);
  });

  test("has a reader that comes late, and one that goes early", async () => {
    const { stdout, stderr } = await script(`
      mkfifo late early
      { sleep 1; cat late > got-late; } & reader=$!
      $shell --pcap late -- sh -c "curl -s -o /dev/null 203.0.113.4:31000/1000; sleep 2"; wait $reader
      head -c 1000 early > /dev/null & $shell --pcap early -- sh -c "$get | sha256sum; exit 7"; echo $?`);
    expect(stdout).toBe(`${bodyHash(LENGTH)}  -\n7\n`);
    expect(stderr).toBe("note: --pcap early: nobody reads it any more\n");
    const { packets, error } = readCapture(readFileSync(path("got-late")));
    expect(error).toBeUndefined();
    expect(packets.length).toBeGreaterThan(50);
  });

  test.skipIf(!isRoot || !existsSync("/dev/net/tun"))("ends natscope up when it closes standard output", async () => {
    const file = path("up.sh");
    const ping = "for i in $(seq 50); do ping -c 1 -W 1 203.0.113.4; sleep 0.1; kill -0 $up || break; done";
    const lines = [
      // The shell's own standard output is the test's; that of natscope is the pipe.
      "exec 3>&1",
      `{ ${natscope.join(" ")} up nodeport --configure --pcap - 2> ${path("err")} & up=$!`,
      `${ping} > ${path("ping")} 2>&1; kill $up; wait $up; echo $? >&3; } | head -c 1000 > /dev/null`,
      "ip -o link | cut -d: -f2",
    ];
    writeFileSync(file, lines.join("\n"));
    const { stdout } = await run(["unshare", "--net", "--mount", "bash", file]);
    expect(stdout).toBe("130\n lo\n");
    expect(readFileSync(path("err"), "utf8")).toContain("note: --pcap -: nobody reads it any more\n");
  });
});
