import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readCapture } from "../../src/pcap/index.ts";
import { asUser, type Ended, isRoot, missingFor, natscope, run } from "./live-shell.ts";

/*
 * A host with two interfaces: real programs go out by either. Everything happens in network namespaces of its own.
 */

const SCENARIO = join(import.meta.dirname, "../support/two-ways.yaml");
const missing = missingFor("test/system/two-ways.test.ts", ["curl"]);
const hasTun = isRoot && existsSync("/dev/net/tun");

/** Which address the servers saw, for a curl bound to nothing, to either address and to either interface. 10.2.0.0/24 has a route of its own. */
const ASK_ALL = `
  ask() { for by in 0.0.0.0 192.0.2.10 198.51.100.10 $2; do curl -s -m 10 --interface $by $1 | grep client_address; done; }
  ask 10.1.0.9 "$eth0 $eth1"; ask 10.2.0.9 $eth1`;
const SEEN = [
  ...["198.51.100.10", "192.0.2.10", "198.51.100.10", "192.0.2.10", "198.51.100.10"],
  ...["198.51.100.10", "192.0.2.10", "198.51.100.10", "198.51.100.10"],
].map((address) => `client_address=${address}`);

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "natscope-two-ways-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ways: [string, readonly string[], readonly string[]][] = [
  ["veth pairs, as an ordinary user", ["--way", "veth"], asUser],
  ...(hasTun ? ([["TUN devices", ["--way", "tun"], []]] as typeof ways) : []),
];

describe.skipIf(missing.length > 0)("natscope shell in the place of a host with two interfaces", () => {
  function inside(line: string, options: readonly string[], as: readonly string[]): Promise<Ended> {
    return run([...as, ...natscope, "shell", SCENARIO, ...options, "--", "bash", "-c", line]);
  }

  test.each(ways)("lets curl use either address and either interface, by %s", async (_, options, as) => {
    const { stdout, stderr } = await inside(`eth0=eth0 eth1=eth1; ${ASK_ALL}`, options, as);
    expect({ seen: stdout.trim().split("\n"), stderr }).toEqual({ seen: SEEN, stderr: "" });
  });

  test.each(ways)("answers by both interfaces at once, at length, by %s", async (_, options, as) => {
    const line = `
      for by in 192.0.2.10 198.51.100.10; do
        for i in $(seq 50); do curl -s -m 20 -o /dev/null -w '%{http_code} %{local_ip}\\n' --interface $by 10.1.0.9; done &
      done | sort | uniq -c | sed 's/^ *//'; wait`;
    const { stdout } = await inside(line, options, as);
    expect(stdout).toBe("50 200 192.0.2.10\n50 200 198.51.100.10\n");
  });

  test("puts the kernel in a router's place, which goes on forwarding", async () => {
    const line =
      "cat /proc/sys/net/ipv4/ip_forward; ip -4 -o addr | awk '{ print $2, $4 }'; curl -s 10.1.0.9 | grep client_address";
    const { stdout, stderr } = await inside(line, ["--as", "upper"], asUser);
    expect(stdout.split("\n")).toEqual([
      "1",
      "lo 127.0.0.1/8",
      "n 192.0.2.1/24",
      "f 10.1.0.1/24",
      "g 10.2.0.2/24",
      "client_address=10.1.0.1",
      "",
    ]);
    expect(stderr).toBe("");
  });
});

describe.skipIf(missing.length > 0 || !hasTun)("natscope up in the place of a host with two interfaces", () => {
  /** Runs a script in a network namespace of its own, with `up` running until `end`. */
  function script(options: string, text: string): Promise<Ended> {
    const file = join(folder, "script.sh");
    const log = join(folder, "log");
    const lines = [
      "ip link set lo up",
      `${natscope.join(" ")} up ${SCENARIO} ${options} > ${log} 2>&1 & pid=$!`,
      `for i in $(seq 200); do grep -q "Ctrl-C ends it" ${log} && break; sleep 0.05; done`,
      "end() { kill -INT $pid; wait $pid; }",
      `log=${log} eth0=natscope0 eth1=natscope1`,
      text,
    ];
    writeFileSync(file, lines.join("\n"));
    return run(["unshare", "--net", "--mount", "bash", file]);
  }

  test("sets addresses and routes of both, and Ctrl-C takes both away", async () => {
    const pcap = join(folder, "up.pcapng");
    const { stdout } = await script(
      `--configure --pcap ${pcap}`,
      `${ASK_ALL}; end; echo $?; ip -o link | cut -d: -f2; ip -4 route`,
    );
    expect(stdout.trim().split("\n")).toEqual([...SEEN, "130", " lo"]);
    const { packets, error } = readCapture(readFileSync(pcap));
    expect(error).toBeUndefined();
    const points = new Set(packets.map((packet) => packet.interface.name));
    expect(points).toContain("client/eth0");
    expect(points).toContain("client/eth1");
  });

  test("prints what to configure, which is enough", async () => {
    const { stdout } = await script(
      "--name lab",
      `grep -E '^  ip ' $log; grep -E '^  ip ' $log | sh -e; eth0=lab0 eth1=lab1; ${ASK_ALL}; end`,
    );
    expect(stdout.trim().split("\n")).toEqual([
      "ip link set dev lab0 address 42:01:c0:00:02:0a",
      "  ip link set dev lab0 mtu 1500 addrgenmode none",
      "  ip address add 192.0.2.10/24 dev lab0",
      "  ip link set dev lab0 up",
      "  ip link set dev lab1 address 42:01:c6:33:64:0a",
      "  ip link set dev lab1 mtu 1400 addrgenmode none",
      "  ip address add 198.51.100.10/24 dev lab1",
      "  ip link set dev lab1 up",
      "  ip route add 10.2.0.0/24 via 198.51.100.1 dev lab1",
      "  ip route add 10.1.0.0/24 via 198.51.100.1 dev lab1",
      "  ip route append 10.1.0.0/24 via 192.0.2.1 dev lab0",
      ...SEEN,
    ]);
  });

  test("takes no range of either interface from the machine, nor half of the names", async () => {
    const { stdout } = await script(
      "--configure --name lab",
      `end; ip link add real0 type veth peer name lab1; ip addr add 198.51.100.99/28 dev real0; ip link set real0 up
      for options in --configure '--name lab'; do ${natscope.join(" ")} up ${SCENARIO} $options 2>&1; echo $?; done
      ip -o link | cut -d: -f2 | cut -d@ -f1`,
    );
    expect(stdout.trim().split("\n")).toEqual([
      "--configure: would take from this machine: 198.51.100.0/24 (the machine has 198.51.100.96/28 on real0); --force does it all the same, natscope shell never has to",
      "2",
      "note: in use on this machine already: 198.51.100.0/24 (the machine has 198.51.100.96/28 on real0)",
      "--name lab: there is an interface lab1 already",
      "2",
      " lo",
      " lab1",
      " real0",
    ]);
  });
});
