import { describe, expect, it } from "vitest";
import { echoServer, runCommand, udpEchoServer } from "../../src/apps/index.ts";
import { parseIptablesSave } from "../../src/nat/index.ts";
import { EVERYWHERE, parseInterfaceAddress, parseIpv4 } from "../../src/netstack/index.ts";
import { type Host, Network, setSysctls } from "../../src/nodes/index.ts";
import { after, ms, seconds } from "../../src/sim/index.ts";

/*
 * A client, a router with MASQUERADE and a server. What conntrack-tools 1.4.7 and procps print was taken from a Linux 6.18 with the same machines in network namespaces.
 */

const RULES = `*mangle
-A PREROUTING -p udp -m udp --dport 9000 -j CONNMARK --set-xmark 0x5/0xffffffff
COMMIT
*nat
-A POSTROUTING -o e1 -j MASQUERADE
COMMIT
`;

interface World {
  readonly network: Network;
  readonly client: Host;
  readonly router: Host;
  readonly events: string[];
}

function build(): World {
  const network = new Network({ seed: 1 });
  const [left, right] = [network.addSwitch("left"), network.addSwitch("right")];
  const [client, router, server] = ["client", "router", "server"].map((name) => network.addHost(name)) as [
    Host,
    Host,
    Host,
  ];
  const own = (text: string) => [parseInterfaceAddress(text)!];
  network.attach(client, left, { name: "eth0", addresses: own("10.1.0.2/24") });
  network.attach(router, left, { name: "e0", addresses: own("10.1.0.1/24") });
  network.attach(router, right, { name: "e1", addresses: own("10.2.0.1/24") });
  network.attach(server, right, { name: "eth0", addresses: own("10.2.0.2/24") });
  client.addRoute(EVERYWHERE, parseIpv4("10.1.0.1")!);
  server.addRoute(EVERYWHERE, parseIpv4("10.2.0.1")!);
  setSysctls(router, { "net.ipv4.ip_forward": "1" });
  router.setRules(parseIptablesSave(RULES).ruleset);
  echoServer(server, { port: 80, version: "1.4", pod: { hostname: "server" }, startDate: 0 });
  udpEchoServer(server, { port: 53 });
  const events: string[] = [];
  network.events.read((event) => {
    if (event.kind === "conntrack" && event.node === "router") events.push(`[${event.change}] ${event.text}`);
  });
  return { network, client, router, events };
}

function run({ network }: World, on: Host, line: string): { stdout: string; stderr: string; exitCode: number } {
  const process = runCommand(on, line);
  network.simulator.runUntil(() => process.exitCode !== undefined, after(network.simulator.now(), seconds(30)));
  // What is still under way, such as the last segments of a connection.
  network.simulator.runTo(after(network.simulator.now(), ms(10)));
  const { stdout, stderr, exitCode = -1 } = process;
  return { stdout, stderr, exitCode };
}

/** A UDP port, a refused one, a page, two pings, one unanswered. */
function talk(world: World): void {
  const { client } = world;
  run(world, client, "curl -s 10.2.0.2");
  run(world, client, "ping -c 1 -W 1 10.2.0.2");
  run(world, client, "ping -c 1 -W 1 10.2.0.99");
  run(world, client, "echo x | nc -u -w 1 -p 40000 10.2.0.2 53");
  run(world, client, "sleep 2");
  run(world, client, "echo x | nc -u -w 1 -p 40000 10.2.0.2 53");
  run(world, client, "echo x | nc -u -w 1 -p 40000 10.2.0.2 9000");
  run(world, client, "nc -w 1 10.2.0.2 81");
}

/** Ports and identifiers that chance chose, by the order in which they appear. */
function normal(lines: readonly string[]): string[] {
  const names = new Map<string, string>();
  const name = (number: string): string => {
    if (["40000", "80", "81", "53", "9000"].includes(number)) return number;
    const known = names.get(number) ?? `P${names.size + 1}`;
    names.set(number, known);
    return known;
  };
  return lines.map((line) => line.replace(/(?<=(?:port|id)=)\d+/g, name));
}

function linesOf(text: string): string[] {
  return text.trimEnd().split("\n");
}

describe("conntrack's events", () => {
  it("are those of the kernel, line by line", () => {
    const world = build();
    talk(world);
    expect(normal(world.events)).toEqual([
      "[NEW] tcp      6 120 SYN_SENT src=10.1.0.2 dst=10.2.0.2 sport=P1 dport=80 [UNREPLIED] src=10.2.0.2 dst=10.2.0.1 sport=80 dport=P1",
      "[UPDATE] tcp      6 60 SYN_RECV src=10.1.0.2 dst=10.2.0.2 sport=P1 dport=80 src=10.2.0.2 dst=10.2.0.1 sport=80 dport=P1",
      "[UPDATE] tcp      6 432000 ESTABLISHED src=10.1.0.2 dst=10.2.0.2 sport=P1 dport=80 src=10.2.0.2 dst=10.2.0.1 sport=80 dport=P1 [ASSURED]",
      "[UPDATE] tcp      6 120 FIN_WAIT src=10.1.0.2 dst=10.2.0.2 sport=P1 dport=80 src=10.2.0.2 dst=10.2.0.1 sport=80 dport=P1 [ASSURED]",
      "[UPDATE] tcp      6 30 LAST_ACK src=10.1.0.2 dst=10.2.0.2 sport=P1 dport=80 src=10.2.0.2 dst=10.2.0.1 sport=80 dport=P1 [ASSURED]",
      "[UPDATE] tcp      6 120 TIME_WAIT src=10.1.0.2 dst=10.2.0.2 sport=P1 dport=80 src=10.2.0.2 dst=10.2.0.1 sport=80 dport=P1 [ASSURED]",
      "[NEW] icmp     1 30 src=10.1.0.2 dst=10.2.0.2 type=8 code=0 id=P2 [UNREPLIED] src=10.2.0.2 dst=10.2.0.1 type=0 code=0 id=P2",
      "[UPDATE] icmp     1 30 src=10.1.0.2 dst=10.2.0.2 type=8 code=0 id=P2 src=10.2.0.2 dst=10.2.0.1 type=0 code=0 id=P2",
      "[NEW] icmp     1 30 src=10.1.0.2 dst=10.2.0.99 type=8 code=0 id=P3 [UNREPLIED] src=10.2.0.99 dst=10.2.0.1 type=0 code=0 id=P3",
      "[NEW] udp      17 30 src=10.1.0.2 dst=10.2.0.2 sport=40000 dport=53 [UNREPLIED] src=10.2.0.2 dst=10.2.0.1 sport=53 dport=40000",
      "[UPDATE] udp      17 30 src=10.1.0.2 dst=10.2.0.2 sport=40000 dport=53 src=10.2.0.2 dst=10.2.0.1 sport=53 dport=40000",
      "[UPDATE] udp      17 120 src=10.1.0.2 dst=10.2.0.2 sport=40000 dport=53 src=10.2.0.2 dst=10.2.0.1 sport=53 dport=40000 [ASSURED]",
      "[NEW] udp      17 30 src=10.1.0.2 dst=10.2.0.2 sport=40000 dport=9000 [UNREPLIED] src=10.2.0.2 dst=10.2.0.1 sport=9000 dport=40000 mark=5",
      "[NEW] tcp      6 120 SYN_SENT src=10.1.0.2 dst=10.2.0.2 sport=P4 dport=81 [UNREPLIED] src=10.2.0.2 dst=10.2.0.1 sport=81 dport=P4",
      // 120 in a kernel whose clock has not ticked since the SYN.
      "[DESTROY] tcp      6 119 CLOSE src=10.1.0.2 dst=10.2.0.2 sport=P4 dport=81 [UNREPLIED] src=10.2.0.2 dst=10.2.0.1 sport=81 dport=P4",
    ]);
  });
});

describe("conntrack", () => {
  const world = build();
  talk(world);
  const all = normal(linesOf(run(world, world.router, "conntrack -L").stdout));
  const dns =
    "src=10.1.0.2 dst=10.2.0.2 sport=40000 dport=53 src=10.2.0.2 dst=10.2.0.1 sport=53 dport=40000 [ASSURED] mark=0 use=1";

  it("lists all states, and says on stderr how many", () => {
    expect(all.map((line) => line.replace(/ \d+ (?=\w*=|[A-Z])/, " N ")).sort()).toEqual([
      "icmp     1 N src=10.1.0.2 dst=10.2.0.2 type=8 code=0 id=P2 src=10.2.0.2 dst=10.2.0.1 type=0 code=0 id=P2 mark=0 use=1",
      "icmp     1 N src=10.1.0.2 dst=10.2.0.99 type=8 code=0 id=P3 [UNREPLIED] src=10.2.0.99 dst=10.2.0.1 type=0 code=0 id=P3 mark=0 use=1",
      "tcp      6 N TIME_WAIT src=10.1.0.2 dst=10.2.0.2 sport=P1 dport=80 src=10.2.0.2 dst=10.2.0.1 sport=80 dport=P1 [ASSURED] mark=0 use=1",
      `udp      17 N ${dns}`,
      "udp      17 N src=10.1.0.2 dst=10.2.0.2 sport=40000 dport=9000 [UNREPLIED] src=10.2.0.2 dst=10.2.0.1 sport=9000 dport=40000 mark=5 use=1",
    ]);
    expect(run(world, world.router, "conntrack -L -o extended").stdout).toMatch(/^(ipv4 {5}2 .*\n){5}$/);
    expect(run(world, world.router, "conntrack -L -p icmp").stderr).toBe(
      "conntrack v1.4.7 (conntrack-tools): 2 flow entries have been shown.\n",
    );
  });

  it.each([
    ["-L -p udp", 2],
    ["-L -p tcp --state TIME_WAIT", 1],
    ["-L -p tcp --state CLOSE", 0],
    ["-L -s 10.1.0.2", 5],
    ["-L --src 10.9.0.0/16", 0],
    ["-L -d 10.2.0.99", 1],
    ["-L -r 10.2.0.2", 4],
    ["-L -q 10.2.0.1", 5],
    ["-L -n", 5],
    ["-L -g", 0],
    ["-L -m 5", 1],
    ["-L -m 4/0x4", 1],
    ["-L -u UNREPLIED", 2],
    ["-L -u ASSURED", 2],
    ["-L -p udp --dport 53", 1],
    ["-L -p udp --orig-port-src 40000", 2],
    ["-L conntrack -p sctp", 0],
  ])("%s lists %i", (options, count) => {
    const { stderr, exitCode } = run(world, world.router, `conntrack ${options}`);
    expect([stderr, exitCode]).toEqual([
      `conntrack v1.4.7 (conntrack-tools): ${count} flow entries have been shown.\n`,
      0,
    ]);
  });

  it.each([
    ["-X", 'expected one of -L, -D, -F, -C and -S, got "-X"'],
    ["-L --dport 53", "unknown option `--dport'"],
    ["-L -p foo", "`foo' unsupported protocol"],
    ["-L -o xml", "only -o extended is known here, got `xml'"],
    ["-L -s", "option `-s' requires an argument"],
    ["-L -m x", "bad value `x' of option `-m'"],
    ["-E", "-E would wait for events that only other steps make: see natscope conntrack --events"],
  ])("refuses %s", (options, message) => {
    const { stderr, exitCode } = run(world, world.router, `conntrack ${options}`);
    expect([linesOf(stderr)[0], exitCode]).toEqual([`conntrack v1.4.7 (conntrack-tools): ${message}`, 2]);
  });

  it("counts, deletes what fits, and fails when nothing does", () => {
    const { router } = world;
    expect(run(world, router, "conntrack -C").stdout).toBe("5\n");
    expect(run(world, router, "conntrack -S").stdout).toBe(
      "cpu=0   \tfound=0 invalid=0 insert=0 insert_failed=0 drop=0 early_drop=0 error=0 search_restart=0 clash_resolve=0 chaintoolong=0 \n",
    );
    const deleted = run(world, router, "conntrack -D -p udp --orig-port-dst 53");
    expect(deleted.stdout.replace(/17 \d+/, "17 N")).toBe(`udp      17 N ${dns}\n`);
    expect(deleted.stderr).toBe("conntrack v1.4.7 (conntrack-tools): 1 flow entries have been deleted.\n");
    expect(run(world, router, "conntrack -D -p udp --orig-port-dst 53")).toEqual({
      stdout: "",
      stderr: "conntrack v1.4.7 (conntrack-tools): 0 flow entries have been deleted.\n",
      exitCode: 1,
    });
    expect(run(world, router, "conntrack -F").stderr).toBe(
      "conntrack v1.4.7 (conntrack-tools): connection tracking table has been emptied.\n",
    );
    expect(run(world, router, "conntrack -C").stdout).toBe("0\n");
  });
});

describe("sysctl", () => {
  it.each([
    ["net.ipv4.ip_forward", "net.ipv4.ip_forward = 1\n"],
    ["-n net.ipv4.ip_forward", "1\n"],
    ["net/ipv4/ip_forward", "net.ipv4.ip_forward = 1\n"],
    ["net.ipv4.ip_local_port_range", "net.ipv4.ip_local_port_range = 32768\t60999\n"],
    ["net.ipv4.tcp_rmem", "net.ipv4.tcp_rmem = 4096\t131072\t33554432\n"],
    ["net.ipv4.tcp_orphan_retries", "net.ipv4.tcp_orphan_retries = 0\n"],
    ["net.ipv4.tcp_rto_min_us", "net.ipv4.tcp_rto_min_us = 200000\n"],
    ["net.ipv4.tcp_rto_max_ms", "net.ipv4.tcp_rto_max_ms = 120000\n"],
    ["net.netfilter.nf_conntrack_max", "net.netfilter.nf_conntrack_max = 262144\n"],
    ["net.netfilter.nf_conntrack_count", "net.netfilter.nf_conntrack_count = 0\n"],
    ["net.ipv4.tcp_available_congestion_control", "net.ipv4.tcp_available_congestion_control = reno cubic\n"],
    ["net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_keepalive_time = 7200\n"],
    ["-w net.ipv4.tcp_keepalive_intvl=5", "net.ipv4.tcp_keepalive_intvl = 5\n"],
    ["net.ipv4.tcp_ecn", "net.ipv4.tcp_ecn = 2\n"],
    ["-w net.ipv4.tcp_tw_reuse=1", "net.ipv4.tcp_tw_reuse = 1\n"],
    ["-w net.ipv4.tcp_syncookies=0", "net.ipv4.tcp_syncookies = 0\n"],
    ["-w net.core.somaxconn=128", "net.core.somaxconn = 128\n"],
    ["-w net.ipv4.ip_default_ttl=32", "net.ipv4.ip_default_ttl = 32\n"],
    ["-q -w net.ipv4.ip_default_ttl=32", ""],
  ])("%s", (options, expected) => {
    const world = build();
    expect(run(world, world.router, `sysctl ${options}`)).toEqual({ stdout: expected, stderr: "", exitCode: 0 });
  });

  it.each([
    ["net.ipv4.foo", "sysctl: cannot stat /proc/sys/net/ipv4/foo: No such file or directory\n"],
    [
      "net.ipv4.tcp_mtu_probing=1",
      "sysctl: cannot stat /proc/sys/net/ipv4/tcp_mtu_probing: No such file or directory\n",
    ],
    ["-w net.ipv4.tcp_early_retrans=1", 'sysctl: setting key "net.ipv4.tcp_early_retrans": Invalid argument\n'],
    ["-w net.ipv4.ip_default_ttl=999", 'sysctl: setting key "net.ipv4.ip_default_ttl": Invalid argument\n'],
    ["net.ipv4.ip_local_port_range=1", 'sysctl: setting key "net.ipv4.ip_local_port_range": Invalid argument\n'],
    [
      "-w net.netfilter.nf_conntrack_count=3",
      'sysctl: setting key "net.netfilter.nf_conntrack_count": Invalid argument\n',
    ],
    ["-w net.ipv4.ip_forward", 'sysctl: "net.ipv4.ip_forward" must be of the form name=value\n'],
  ])("refuses %s", (options, expected) => {
    const world = build();
    expect(run(world, world.router, `sysctl ${options}`)).toEqual({ stdout: "", stderr: expected, exitCode: 1 });
  });

  it("reads back as text whatever may be written, of every parameter", () => {
    const world = build();
    const { stdout } = run(world, world.router, "sysctl -a");
    for (const line of linesOf(stdout)) {
      if (/nf_conntrack_count|available_congestion/.test(line)) continue;
      const [name = "", value = ""] = line.split(" = ");
      expect(run(world, world.router, `sysctl -w "${name}=${value}"`)).toEqual({
        stdout: `${line}\n`,
        stderr: "",
        exitCode: 0,
      });
    }
    expect(run(world, world.router, "sysctl -a").stdout).toBe(stdout);
  });

  it("takes effect for connections that begin from then on: NewReno in CUBIC's place", () => {
    const world = build();
    const begin = (): string => {
      const socket = world.client.stack.tcp.connect({ to: parseIpv4("10.2.0.2")!, port: 80 }, {});
      return typeof socket === "string" ? socket : socket.connection.info.congestion;
    };
    expect(begin()).toBe("cubic");
    run(world, world.client, "sysctl -w net.ipv4.tcp_congestion_control=reno");
    expect(begin()).toBe("reno");
  });

  it("takes effect: the TTL of what is sent, and the room in the table", () => {
    const world = build();
    run(world, world.client, "sysctl -w net.ipv4.ip_default_ttl=1");
    expect(run(world, world.client, "ping -c 1 10.2.0.2").stdout).toContain("Time to live exceeded");
    run(world, world.client, "sysctl -w net.ipv4.ip_default_ttl=64");
    run(world, world.router, "sysctl -w net.netfilter.nf_conntrack_max=1");
    run(world, world.client, "curl -s 10.2.0.2");
    expect(run(world, world.client, "curl -s --connect-timeout 1 10.2.0.2").exitCode).toBe(28);
    expect(run(world, world.router, "conntrack -S").stdout).toMatch(/ drop=[1-9]/);
  });
});
