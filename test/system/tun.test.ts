import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readCapture } from "../../src/pcap/index.ts";
import { asUser, type Ended, isRoot, MAIN, missingFor, natscope, run } from "./live-shell.ts";
import { bodyHash, type RealServer, realServer } from "./real-server.ts";

/*
 * Real programs in the emulated network. Everything happens in network namespaces of its own; the machine's network is not touched.
 */

const missing = missingFor("test/system/tun.test.ts", ["curl", "ping", "traceroute"]);

/** What a shell line prints in the client's place. */
function inside(line: string, options: readonly string[] = [], as: readonly string[] = asUser): Promise<Ended> {
  return run([...as, ...natscope, "shell", "nodeport", ...options, "--", "bash", "-c", line]);
}

/** Root opens /dev/net/tun; an ordinary user gets a veth pair. */
const ways: [string, readonly string[], readonly string[]][] = [
  ["a veth pair, as an ordinary user", ["--way", "veth"], asUser],
  ...(isRoot && existsSync("/dev/net/tun") ? ([["a TUN device", ["--way", "tun"], []]] as typeof ways) : []),
];

describe.skipIf(missing.length > 0)("natscope shell", () => {
  let folder = "";
  let server: RealServer;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "natscope-tun-"));
    // The ordinary user writes captures into it.
    spawnSync("chmod", ["1777", folder]);
    server = await realServer();
  });
  afterAll(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test("lets an ordinary user's curl ask a node, and the endpoint sees what the tutorial says", async () => {
    const { stdout, code } = await run([
      ...asUser,
      ...natscope,
      "shell",
      "nodeport",
      "--",
      "curl",
      "-s",
      "203.0.113.4:31000",
    ]);
    expect(stdout.split("\n").slice(0, 3)).toEqual(["CLIENT VALUES:", "client_address=10.180.1.1", "command=GET"]);
    expect(code).toBe(0);
  });

  test("lets it ask a load balancer, which picks any of the nodes", async () => {
    const { stdout, stderr } = await run([
      ...asUser,
      ...natscope,
      "shell",
      "loadbalancer",
      "--",
      "curl",
      "-s",
      "203.0.113.140",
    ]);
    expect(stdout).toMatch(/^client_address=(10\.180\.1\.1|10\.240\.0\.[35])$/m);
    expect(stderr).toBe("");
  });

  test("gives the kernel both of a router's interfaces, and says that it does without the router's rules", async () => {
    const line = "ip -4 -o addr | awk '{ print $2, $4 }'";
    const { stdout, stderr } = await inside(line, ["--as", "edge"]);
    expect(stdout).toBe("lo 127.0.0.1/8\neth0 198.51.100.1/24\neth1 10.240.0.1/24\n");
    expect(stderr).toBe("note: the kernel does without the rules of edge, which natscope rules --node edge prints\n");
  });

  test.each(ways)("runs the tutorial's loop as it is typed, by %s", async (_, options, as) => {
    const line = "for node in $NODES; do curl -s $node:$NODEPORT | grep -i client_address; done";
    const { stdout, stderr } = await inside(line, options, as);
    expect({ stdout, stderr }).toEqual({
      stdout: "client_address=10.180.1.1\nclient_address=10.240.0.5\nclient_address=10.240.0.3\n",
      stderr: "",
    });
  });

  test.each(ways)("serves 100 curls one after the other and 20 at once, by %s", async (_, options, as) => {
    const one = "curl -s -m 20 -o /dev/null -w '%{http_code}\\n' node2:31000";
    const line = `for i in $(seq 100); do ${one}; done | sort | uniq -c; seq 20 | xargs -P 20 -I@ ${one} | sort | uniq -c`;
    const { stdout } = await inside(line, options, as);
    expect(stdout.split("\n").map((each) => each.trim())).toEqual(["100 200", "20 200", ""]);
  });

  test.each(ways)("carries bodies of any length both ways without a wrong byte, by %s", async (_, options, as) => {
    const lengths = [0, 1, 1447, 1448, 1449, 65_536, 3_000_001, 50_000_000];
    const file = join(folder, "body");
    const each = `curl -s -o ${file}.$n node1:31000/$n; sha256sum < ${file}.$n; curl -s -H Expect: -T ${file}.$n node1:31000; rm ${file}.$n`;
    const backend = ["--backend", `source-ip-app=127.0.0.1:${server.port}`];
    const { stdout } = await inside(`for n in ${lengths.join(" ")}; do ${each}; done`, [...options, ...backend], as);
    const expected = lengths.flatMap((length) => [`${bodyHash(length)}  -`, `${length} ${bodyHash(length)}`]);
    expect(stdout.trim().split("\n")).toEqual(expected);
  });

  test("knows nodes, Services and pods by name, from the hosts file and by DNS", async () => {
    const dns =
      "const dns = require('dns'); for (const n of process.argv.slice(1)) dns.resolve4(n, (e, a) => console.log(n, e ? e.code : a.join()))";
    const names = ["node2", "kubernetes-node-jj1t", "source-ip-app-826191075-qehz4", "edge"];
    const { stdout } = await inside(
      `for n in ${names.join(" ")}; do getent ahostsv4 $n | awk 'NR==1{print $1}'; done; ${process.execPath} -e "${dns}" node2; ${process.execPath} -e "${dns}" nothing.example`,
    );
    expect(stdout).toBe(
      "203.0.113.5\n203.0.113.3\n10.180.1.136\n198.51.100.1\nnode2 203.0.113.5\nnothing.example ENOTFOUND\n",
    );
  });

  test("asks the cluster's DNS in the place of a pod, as the pod did", async () => {
    const line =
      "cat /etc/resolv.conf; python3 -c \"import socket; print(socket.gethostbyname('web.default'))\"; hostname";
    const { stdout } = await run([...asUser, ...natscope, "shell", "trouble-dns-race", "--", "sh", "-c", line]);
    expect(stdout).toBe(
      "search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.0.0.10\noptions ndots:5\n10.0.170.92\nbusybox\n",
    );
  });

  test("answers ping, and shows traceroute the node behind the edge", async () => {
    const { stdout } = await inside(
      "ping -q -c 3 -i 0.2 node2 | grep received; traceroute -n -q 1 203.0.113.4 | tail -1 | cut -c1-15",
    );
    expect(stdout).toContain("3 packets transmitted, 3 received, 0% packet loss");
    expect(stdout).toContain(" 2  203.0.113.4");
  });

  test("passes the exit code on, and a signal's as shells do", async () => {
    expect((await inside("exit 7")).code).toBe(7);
    expect((await inside("kill -TERM $$")).code).toBe(143);
    expect((await run([...asUser, ...natscope, "shell", "nodeport", "--", "/no/such/program"])).code).toBe(127);
  });

  test("leaves no files behind", async () => {
    const before = shellFolders();
    await inside("true");
    expect(shellFolders()).toEqual(before);
  });

  test("has nothing but the emulated network inside", async () => {
    const { stdout } = await inside("ip -4 -o addr | awk '{print $2, $4}'; ip -4 route; hostname");
    expect(stdout.split("\n")).toEqual([
      "lo 127.0.0.1/8",
      "eth0 198.51.100.79/24",
      "default via 198.51.100.1 dev eth0 ",
      "198.51.100.0/24 dev eth0 proto kernel scope link src 198.51.100.79 ",
      "client",
      "",
    ]);
  });

  test.each(ways)("captures packets of wire size with right checksums, by %s", async (_, options, as) => {
    const file = join(folder, `bulk-${options[1]}.pcapng`);
    const backend = ["--backend", `source-ip-app=127.0.0.1:${server.port}`];
    const line =
      "head -c 300000 /dev/zero | curl -s -o /dev/null -H Expect: -T - node1:31000; curl -s -o /dev/null node1:31000/300000";
    await inside(line, [...options, ...backend, "--pcap", file, "--only", "client/eth0"], as);
    const { packets, error } = readCapture(readFileSync(file));
    expect(error).toBeUndefined();
    const lengths = packets.map(({ originalLength }) => originalLength);
    expect(lengths.length).toBeGreaterThan(400);
    // The nodes' network has an MTU of 1460 bytes.
    expect(Math.max(...lengths)).toBe(1474);
    const bad = spawnSync("tshark", [
      ...["-n", "-r", file, "-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"],
      ...["-Y", "tcp.checksum.status != 1 || ip.checksum.status != 1 || tcp.analysis.lost_segment"],
    ]);
    expect([bad.status, bad.stdout.toString()]).toEqual([0, ""]);
  });

  test("ends its command when it is killed itself", async () => {
    const before = shellFolders();
    const mark = join(folder, "ended");
    const line = `trap 'echo hung up > ${mark}; exit' HUP; echo ready; while :; do sleep 0.05; done`;
    const child = spawn(process.execPath, [MAIN, "shell", "nodeport", "--", "bash", "-c", line], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    await new Promise((ready) => child.stdout.once("data", ready));
    child.kill("SIGKILL");
    await new Promise((closed) => child.once("close", closed));
    expect(readFileSync(mark, "utf8")).toBe("hung up\n");
    expect(shellFolders()).toEqual(before);
  });

  test("says in a line what is wrong with its use", async () => {
    const words = [...natscope, "shell", "nodeport"];
    const error = async (...options: string[]): Promise<unknown> => {
      const { code, stderr } = await run([...words, ...options]);
      return [code, stderr];
    };
    expect(await error("--as", "clinet", "--", "true")).toEqual([
      2,
      '--as clinet: there is no such host; did you mean "client"?\n',
    ]);
    expect(await error("--pcap", "-", "--", "true")).toEqual([
      2,
      "--pcap -: standard output is the command's; expected a file's name\n",
    ]);
    expect(await error("--backend", "x=y", "--", "true")).toEqual([
      2,
      "--backend x=y: not understood; expected POD=ADDRESS:PORT, such as source-ip-app=127.0.0.1:8080\n",
    ]);
  });
});

function shellFolders(): string[] {
  return readdirSync(tmpdir()).filter((name) => name.startsWith("natscope-shell-"));
}

describe.skipIf(missing.length > 0 || !isRoot || !existsSync("/dev/net/tun"))("natscope up", () => {
  let folder = "";
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "natscope-up-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Runs a script in a network namespace of its own; `up` in it is the command. */
  function script(text: string): Promise<Ended> {
    const file = join(folder, "script.sh");
    writeFileSync(
      file,
      `up="${natscope.join(" ")} up nodeport"\nlog=${folder}/log\nip link set lo up\n${WAIT}\n${text}`,
    );
    return run(["unshare", "--net", "--mount", "bash", file]);
  }

  const WAIT = 'wait_up() { for i in $(seq 200); do grep -q "Ctrl-C ends it" $log && return; sleep 0.05; done; }';

  test("gives the kernel the client's place, and Ctrl-C leaves nothing behind but a whole capture", async () => {
    const pcap = join(folder, "up.pcapng");
    const { stdout } = await script(`
      $up --configure --pcap ${pcap} > $log 2>&1 & pid=$!
      wait_up
      for node in 203.0.113.4 203.0.113.5 203.0.113.3; do curl -s -m 10 $node:31000 | grep client_address; done
      kill -INT $pid; wait $pid; echo $?
      ip -o link | cut -d: -f2; ip route
    `);
    expect(stdout).toBe("client_address=10.180.1.1\nclient_address=10.240.0.5\nclient_address=10.240.0.3\n130\n lo\n");
    const { packets, error } = readCapture(readFileSync(pcap));
    expect(error).toBeUndefined();
    expect(packets.length).toBeGreaterThan(200);
  });

  test("writes the capture out while it runs", async () => {
    const pcap = join(folder, "live.pcapng");
    await script(`
      $up --configure --pcap ${pcap} > $log 2>&1 & pid=$!
      wait_up
      curl -s -m 10 -o /dev/null 203.0.113.4:31000; sleep 0.5
      kill -KILL $pid; wait $pid
    `);
    expect(readCapture(readFileSync(pcap)).packets.length).toBeGreaterThan(50);
  });

  test("prints what to configure when it is not to do it, and the addresses to try", async () => {
    const { stdout } = await script(`
      $up > $log 2>&1 & pid=$!
      wait_up; kill -INT $pid; wait $pid; cat $log
    `);
    expect(stdout.split("\n").slice(0, 14)).toEqual([
      "nodeport is up: natscope0 is client/eth0",
      "Give it its address and routes, as root (or start with --configure):",
      "  ip link set dev natscope0 address 42:01:c6:33:64:4f",
      "  ip link set dev natscope0 mtu 1500 addrgenmode none",
      "  ip address add 198.51.100.79/24 dev natscope0",
      "  ip link set dev natscope0 up",
      "  ip route add 10.240.0.0/24 via 198.51.100.1 dev natscope0",
      "  ip route add 203.0.113.4/32 via 198.51.100.1 dev natscope0",
      "  ip route add 203.0.113.5/32 via 198.51.100.1 dev natscope0",
      "  ip route add 203.0.113.3/32 via 198.51.100.1 dev natscope0",
      "Try:",
      "  curl 203.0.113.4:31000",
      "  curl 203.0.113.5:31000",
      "  curl 203.0.113.3:31000",
    ]);
  });

  test("refuses to take a range that the machine uses", async () => {
    const { stdout, stderr } = await script(`
      ip link add real0 type veth peer name real1; ip addr add 203.0.113.9/28 dev real0; ip link set real0 up
      $up --configure; echo $?
    `);
    expect(stdout).toBe("2\n");
    expect(stderr).toContain(
      "--configure: would take from this machine: 203.0.113.4/32 (the machine has 203.0.113.0/28 on real0)",
    );
  });
});

describe.skipIf(missing.length > 0)("natscope doctor", () => {
  test("finds what the other tests have used", async () => {
    const { stdout, code } = await run([...natscope, "doctor", "--json"]);
    const found = JSON.parse(stdout) as { what: string; isThere: boolean }[];
    const there = found.filter(({ isThere }) => isThere).map(({ what }) => what);
    expect(there).toEqual(expect.arrayContaining(["system calls", "ip", "setpriv", "network namespaces"]));
    expect(code).toBe(0);
  });

  test.skipIf(!isRoot)("tells an ordinary user what is root's, and so does natscope up", async () => {
    const { stdout } = await run([...asUser, ...natscope, "doctor"]);
    expect(stdout).toContain("natscope up needs it: run as root; natscope shell does without\n");
    expect(stdout).toContain("yes  network namespaces  can be made, for natscope shell\n");
    const { code, stderr } = await run([...asUser, ...natscope, "up", "nodeport"]);
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(
        /^natscope up: .+ \(run it as root, or natscope shell, which needs no root; natscope doctor tells more\)\n$/,
      ),
    ]);
  });
});
