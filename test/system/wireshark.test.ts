import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readCapture } from "../../src/pcap/index.ts";
import { COLOUR_RULES, profileFiles } from "../../src/wireshark/index.ts";

/*
 * The profile and the extcap program with a real tshark. Both are installed in a home of the test's own.
 */

const MAIN = process.env.NATSCOPE_MAIN ?? resolve(import.meta.dirname, "../../dist/bin/natscope.js");
const CAPTURES = resolve(import.meta.dirname, "../../captures");

const missing = [
  ...["tshark", "curl", "unshare", "ip"].filter((program) => spawnSync(program, ["--version"]).error !== undefined),
  ...(existsSync(MAIN) ? [] : ["dist (npm run build)"]),
];
if (missing.length > 0) {
  const message = `missing: ${missing.join(", ")}`;
  if (process.env.CI) throw new Error(message);
  console.warn(`test/system/wireshark.test.ts is skipped: ${message}`);
}

let home = "";
const environment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  HOME: home,
  XDG_RUNTIME_DIR: home,
  WIRESHARK_CONFIG_DIR: join(home, "shark"),
  SUDO_UID: undefined,
});

interface Ended {
  readonly code: number | null;
  readonly lines: readonly string[];
  readonly complaints: string;
}

function run(program: string, ...words: string[]): Ended {
  const { status, stdout, stderr } = spawnSync(program, words, {
    encoding: "utf8",
    env: environment(),
    maxBuffer: 1 << 28,
  });
  const complaints = stderr.replace(/^Running as user "root" and group "root".*\n/gm, "");
  return { code: status, lines: stdout.split("\n").filter((line) => line !== ""), complaints };
}

function tshark(name: string, ...words: string[]): Ended {
  return run("tshark", "-C", "natscope", "-r", join(CAPTURES, `${name}.pcapng`), ...words);
}

describe.skipIf(missing.length > 0)("Wireshark with natscope's profile", () => {
  beforeAll(() => {
    home = mkdtempSync(join(tmpdir(), "natscope-wireshark-"));
    expect(run(process.execPath, MAIN, "wireshark", "install")).toMatchObject({ code: 0, complaints: "" });
  });
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  test("reads the preferences without a word and has them all", () => {
    const { lines, complaints } = run("tshark", "-G", "currentprefs", "-C", "natscope");
    const own = profileFiles()
      .filter(({ name }) => name === "preferences")
      .flatMap(({ text }) => text.split("\n").filter((line) => /^[a-z_.]+: /.test(line)));
    expect(own.length).toBeGreaterThan(8);
    // What is as by default has a # before it.
    expect(lines.map((line) => line.replace(/^#/, ""))).toEqual(expect.arrayContaining(own));
    expect(complaints).toBe("");
  });

  test("shows capture point, lineage, names and comment of each packet", () => {
    const { lines, complaints } = tshark("nodeport", "-T", "tabs");
    expect(complaints).toBe("");
    const rows = lines.map((line) => line.split("\t").map((cell) => cell.trim()));
    const row = rows.find((cells) => cells[2] === "kubernetes-node-cx31/eth0" && cells.at(-1)?.includes("DNAT in nat"));
    const [, , , lineage, source, arrow, destination, protocol] = row ?? [];
    expect([source, arrow, destination, protocol]).toEqual([
      "kubernetes-node-cx31",
      "→",
      "source-ip-app-826191075-qehz4",
      "TCP",
    ]);
    // The same packet came in with the client's address, by the same interface.
    expect(rows.find((cells) => cells[3] === lineage && cells[2] === "kubernetes-node-cx31/eth0")?.[4]).toBe("client");
  });

  test.each(readdirSync(CAPTURES).filter((name) => name.endsWith(".pcapng")))(
    "takes no copy in %s for a retransmission",
    (name) => {
      const filter = "tcp.analysis.flags || tcp.segment.overlap || dns.retransmit_request";
      expect(tshark(name.replace(".pcapng", ""), "-Y", filter)).toEqual({ code: 0, lines: [], complaints: "" });
    },
  );

  test.each(COLOUR_RULES.map(({ name, filter }) => [name, filter]))(
    "takes the filter of the colour rule %s",
    (_, filter) => {
      expect(tshark("home-nat", "-Y", filter ?? "")).toMatchObject({ code: 0, complaints: "" });
    },
  );

  test("colours what was rewritten and what was dropped", () => {
    const rules = (name: string): Map<string, number> => {
      const { lines } = tshark(name, "--color", "-T", "fields", "-e", "frame.coloring_rule.name");
      return lines.reduce((counts, rule) => counts.set(rule, (counts.get(rule) ?? 0) + 1), new Map<string, number>());
    };
    const home = rules("home-nat");
    expect(home.get("Dropped")).toBeGreaterThan(5);
    expect(home.get("Rewritten by a rule")).toBeGreaterThan(5);
    expect(home.get("Rewritten as the connection's first packet was")).toBeGreaterThan(20);
    expect(rules("dsr").get("Rewritten by a gateway or balancer")).toBeGreaterThan(5);
  });

  test("natscope wireshark open starts it with a scenario's packets", () => {
    const words = ["wireshark", "open", "home-nat", "--program", "tshark", "--", "-T", "tabs"];
    const { code, lines, complaints } = run(process.execPath, MAIN, ...words);
    expect([code, complaints]).toEqual([0, ""]);
    expect(lines.some((line) => line.includes("MASQUERADE in nat POSTROUTING"))).toBe(true);
  });
});

const canMakeNamespaces = spawnSync("unshare", ["--net", "true"]).status === 0 && existsSync("/dev/net/tun");

describe.skipIf(missing.length > 0 || !canMakeNamespaces)("Wireshark's list of interfaces", () => {
  beforeAll(() => {
    home = mkdtempSync(join(tmpdir(), "natscope-wireshark-"));
    run(process.execPath, MAIN, "wireshark", "install");
  });
  afterAll(() => rmSync(home, { recursive: true, force: true }));

  /** Runs lines of shell in a network namespace of their own while `natscope up nodeport` runs in it. */
  function besideUp(lines: string): Ended {
    const script = `
      cd ${home}
      ${process.execPath} ${MAIN} up nodeport --configure > up.log 2>&1 & pid=$!
      wait_for() { for i in $(seq 300); do "$@" > /dev/null 2>&1 && return; sleep 0.1; done; echo "waited in vain: $*"; }
      wait_for grep Ctrl-C up.log
      ${lines}
      kill -INT $pid; wait $pid`;
    return run("unshare", "--net", "bash", "-c", script);
  }

  test("has every capture point of natscope up, and none when it has ended", () => {
    const { lines } = besideUp("tshark -D | grep -o 'natscope-.*'");
    expect(lines.slice(0, 3)).toEqual([
      "natscope-nodeport (natscope nodeport: all capture points)",
      "natscope-nodeport-client-eth0 (natscope nodeport: client/eth0)",
      "natscope-nodeport-edge-eth0 (natscope nodeport: edge/eth0)",
    ]);
    expect(lines.length).toBeGreaterThan(10);
    expect(run("tshark", "-D").lines.filter((line) => line.includes("natscope-"))).toEqual([]);
    expect(readdirSync(join(home, "natscope"))).toEqual([]);
  });

  test("captures one point live, with its name, the lineage and the comments", () => {
    const { lines } = besideUp(`
      tshark -C natscope -i natscope-nodeport-kubernetes-node-cx31-eth0 -w live.pcapng -a packets:12 2> tshark.log & shark=$!
      wait_for test -s live.pcapng
      curl -s -m 10 -o /dev/null -w '%{http_code}\\n' 203.0.113.5:31000
      wait $shark`);
    expect(lines).toEqual(["200"]);
    const { packets, error } = readCapture(readFileSync(join(home, "live.pcapng")));
    expect(error).toBeUndefined();
    expect(packets).toHaveLength(12);
    expect(new Set(packets.map((packet) => packet.interface.name))).toEqual(new Set(["kubernetes-node-cx31/eth0"]));
    expect(packets.every(({ packetId }) => packetId !== undefined)).toBe(true);
    expect(packets.flatMap(({ comments }) => comments).join("\n")).toContain("DNAT in nat PREROUTING");
  });

  test("captures all points, what a capture filter leaves of them, until the network ends", () => {
    const { lines } = besideUp(`
      tshark -C natscope -i natscope-nodeport -f 'tcp.port == 8080' -w all.pcapng 2> tshark.log & shark=$!
      wait_for test -s all.pcapng
      curl -s -m 10 -o /dev/null -w '%{http_code}\\n' 203.0.113.5:31000
      kill -INT $pid; wait $shark; echo ended`);
    expect(lines).toEqual(["200", "ended"]);
    const fields = ["-T", "fields", "-e", "frame.interface_name", "-e", "tcp.port"];
    const seen = run("tshark", "-r", join(home, "all.pcapng"), ...fields).lines.map((line) => line.split("\t"));
    expect(new Set(seen.map(([point]) => point)).size).toBeGreaterThan(3);
    expect(seen.filter(([, ports]) => !ports?.includes("8080"))).toEqual([]);
  });

  test("does not disturb the network when it goes away in the middle", () => {
    const { lines } = besideUp(`
      tshark -i natscope-nodeport -w gone.pcapng 2> tshark.log & shark=$!
      wait_for test -s gone.pcapng
      curl -s -m 10 -o /dev/null 203.0.113.5:31000
      kill -KILL $shark; wait $shark 2> /dev/null
      curl -s -m 10 -o /dev/null -w '%{http_code}\\n' 203.0.113.5:31000`);
    expect(lines).toEqual(["200"]);
  });
});
