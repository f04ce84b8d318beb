import { describe, expect, test } from "vitest";
import { COMMANDS, echoServer, formatHttpDate, Process, runCommand, udpEchoServer } from "../../src/apps/index.ts";
import { parseOptions } from "../../src/apps/options.ts";
import { address } from "../../src/netstack/index.ts";
import type { Time } from "../../src/sim/index.ts";
import { answer, ScriptedServer } from "./scripted-server.ts";
import { TwoHosts } from "./two-hosts.ts";

describe("ip", () => {
  const LO =
    "1: lo: <LOOPBACK,UP,LOWER_UP> mtu 65536 qdisc noqueue\n    link/loopback 00:00:00:00:00:00 brd 00:00:00:00:00:00\n";
  const ETH =
    "2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1460 qdisc noqueue\n    link/ether 02:00:00:00:00:01 brd ff:ff:ff:ff:ff:ff\n";
  const FOREVER = "       valid_lft forever preferred_lft forever\n";
  const rows: readonly [command: string, exitCode: number, stdout: string, stderr: string][] = [
    [
      "ip addr",
      0,
      `${LO}    inet 127.0.0.1/8 scope host lo\n${FOREVER}${ETH}    inet 10.0.0.1/24 scope global eth0\n${FOREVER}`,
      "",
    ],
    ["ip a show dev eth0", 0, `${ETH}    inet 10.0.0.1/24 scope global eth0\n${FOREVER}`, ""],
    ["ip -4 addr show eth0", 0, `${ETH}    inet 10.0.0.1/24 scope global eth0\n${FOREVER}`, ""],
    ["ip link", 0, LO + ETH, ""],
    ["ip l show dev lo", 0, LO, ""],
    ["ip route", 0, "default via 10.0.0.2 dev eth0 \n10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.1 \n", ""],
    ["ip r show default", 0, "default via 10.0.0.2 dev eth0 \n", ""],
    ["ip route show 10.0.0.0/24", 0, "10.0.0.0/24 dev eth0 proto kernel scope link src 10.0.0.1 \n", ""],
    ["ip route get 10.0.0.2", 0, "10.0.0.2 dev eth0 src 10.0.0.1 uid 0 \n    cache \n", ""],
    ["ip route get 192.0.2.1", 0, "192.0.2.1 via 10.0.0.2 dev eth0 src 10.0.0.1 uid 0 \n    cache \n", ""],
    ["ip route get 10.0.0.1", 0, "local 10.0.0.1 dev lo src 10.0.0.1 uid 0 \n    cache <local> \n", ""],
    ["ip neigh", 0, "10.0.0.2 dev eth0 lladdr 02:00:00:00:00:02 REACHABLE \n10.0.0.9 dev eth0 FAILED \n", ""],
    ["ip neigh show dev eth0", 0, "10.0.0.2 lladdr 02:00:00:00:00:02 REACHABLE \n10.0.0.9 FAILED \n", ""],
    ["ip addr show dev nope", 1, "", 'Device "nope" does not exist.\n'],
    ["ip foo", 1, "", 'Object "foo" is unknown, try "ip help".\n'],
    ["ip addr foo bar", 255, "", 'Command "bar" is unknown, try "ip address help".\n'],
    ["ip", 1, "", 'Object "" is unknown, try "ip help".\n'],
  ];
  test.each(rows)("%s", (command, exitCode, stdout, stderr) => {
    const net = new TwoHosts({ mtu: 1460 });
    net.run("ping -c 1 10.0.0.2; ping -c 1 10.0.0.9");
    expect(net.run(command)).toEqual({ exitCode, stdout, stderr });
  });

  test("shows the numbers a host gives its interfaces, and other kinds of routes", () => {
    const net = new TwoHosts();
    const { stack } = net.client;
    const out = stack.interface("eth0")!;
    stack.addressing.routes.add({ destination: { network: address("10.7.0.0"), prefixLength: 16 }, out, metric: 5 });
    stack.addressing.routes.add({
      destination: { network: address("10.8.0.1"), prefixLength: 32 },
      out,
      source: address("10.0.0.5"),
    });
    out.up = false;
    const process = runCommand({ ...net.client, interfaceIndexes: new Map([["eth0", 3]]) }, "ip link show eth0");
    expect(process.stdout).toContain("3: eth0: <BROADCAST,MULTICAST> mtu 1500");
    expect(net.run("ip route").stdout).toContain(
      "10.7.0.0/16 dev eth0 scope link metric 5 \n10.8.0.1 dev eth0 scope link src 10.0.0.5 \n",
    );
  });
});

describe("small commands", () => {
  const options = {
    environment: { A: "1", B: "x y" },
    hosts: [{ address: address("10.0.0.7"), names: ["web", "www"] }],
    resolver: { nameservers: [address("10.0.0.2")], search: ["svc"], ndots: 5 },
  };
  const rows: readonly [command: string, exitCode: number, stdout: string, stderr: string][] = [
    ["echo -n a", 0, "a", ""],
    ["echo", 0, "\n", ""],
    ["env", 0, "A=1\nB=x y\n", ""],
    ["hostname", 0, "client\n", ""],
    ["true", 0, "", ""],
    ["false", 1, "", ""],
    ["cat /etc/hostname", 0, "client\n", ""],
    ["cat /etc/hosts", 0, "10.0.0.7\tweb\twww\n", ""],
    ["cat /etc/resolv.conf", 0, "search svc\nnameserver 10.0.0.2\noptions ndots:5\n", ""],
    ["cat /etc/passwd /etc/hostname", 1, "client\n", "cat: /etc/passwd: No such file or directory\n"],
    ["sleep", 1, "", "sleep: invalid time interval ''\n"],
    ["sleep x", 1, "", "sleep: invalid time interval 'x'\n"],
  ];
  test.each(rows)("%s", (command, exitCode, stdout, stderr) => {
    expect(new TwoHosts(options).run(command)).toEqual({ exitCode, stdout, stderr });
  });

  test("sleep takes its time", () => {
    const net = new TwoHosts();
    net.run("sleep 1.5; sleep 2m");
    expect(net.simulator.now()).toBe(121.5e9);
  });
});

describe("nc", () => {
  const rows: readonly [command: string, exitCode: number, stdout: string, stderr: string][] = [
    ["nc -z -v 10.0.0.2 80", 0, "", "Connection to 10.0.0.2 80 port [tcp/http] succeeded!\n"],
    ["nc -z 10.0.0.2 80", 0, "", ""],
    ["nc -zv 10.0.0.2 81", 1, "", "nc: connect to 10.0.0.2 port 81 (tcp) failed: Connection refused\n"],
    [
      "nc -zv 10.0.0.2 79-81",
      0,
      "",
      "nc: connect to 10.0.0.2 port 79 (tcp) failed: Connection refused\nConnection to 10.0.0.2 80 port [tcp/http] succeeded!\n" +
        "nc: connect to 10.0.0.2 port 81 (tcp) failed: Connection refused\n",
    ],
    ["nc -zv -w 1 10.0.0.9 80", 1, "", "nc: connect to 10.0.0.9 port 80 (tcp) timed out: Operation now in progress\n"],
    ["nc -zvu -w 1 10.0.0.2 7", 0, "", "Connection to 10.0.0.2 7 port [udp/echo] succeeded!\n"],
    ["nc -zvu 10.0.0.2 9", 1, "", ""],
    ["nc -zv web 80", 0, "", "Connection to web (10.0.0.2) 80 port [tcp/http] succeeded!\n"],
    ["nc -n web 80", 1, "", 'nc: getaddrinfo for host "web" port 80: Name or service not known\n'],
    ["nc -z nosuch 80", 1, "", 'nc: getaddrinfo for host "nosuch" port 80: Temporary failure in name resolution\n'],
    ["nc 10.0.0.2 99999", 1, "", "nc: port number invalid: 99999\n"],
    ["echo 'four and twenty and more' | nc -u -w 1 10.0.0.2 7", 0, "from 10.0.0.1 25 bytes zz", ""],
    ["echo | nc -N 10.0.0.2 82", 0, "", ""],
  ];
  test.each(rows)("%s", (command, exitCode, stdout, stderr) => {
    const net = new TwoHosts({ hosts: [{ address: address("10.0.0.2"), names: ["web"] }] });
    net.server.stack.tcp.listen({ port: 80 }, (socket) => socket.close());
    net.server.stack.tcp.listen({ port: 82 }, (socket) => socket.close());
    udpEchoServer(net.server, { port: 7 });
    expect(net.run(command)).toEqual({ exitCode, stdout, stderr });
  });

  test("talks over TCP with what was piped into it", () => {
    const net = new TwoHosts();
    const server = new ScriptedServer(net, 80, answer("HTTP/1.0 200 OK\r\n\r\nhi\n", "close"));
    net.run(["nc", "10.0.0.2", "80"], 1);
    expect(server.requests).toEqual([]);
    const line = "echo 'GET / HTTP/1.0\r\n\r\n' | nc 10.0.0.2 80 | tail -1";
    expect(net.run(line)).toEqual({ exitCode: 0, stdout: "hi\n", stderr: "" });
    expect(server.requests).toEqual(["GET / HTTP/1.0\r\n\r\n\n"]);
  });
});

describe("a UDP echo server", () => {
  test("answers a datagram in fragments with one as long", () => {
    const net = new TwoHosts();
    udpEchoServer(net.server, { port: 30_053 });
    let received = "";
    const socket = net.client.stack.udp.open({
      onDatagram: ({ payload }) => {
        received = new TextDecoder().decode(payload);
      },
    });
    const payload = new Uint8Array(3000);
    socket.send({ to: address("10.0.0.2"), port: 30_053, payload, dontFragment: false });
    net.wait(1);
    expect(received).toBe(`from 10.0.0.1 3000 bytes ${"z".repeat(2975)}`);
  });
});

describe("a process", () => {
  test("is ended when it prints more than 16 MiB", () => {
    const net = new TwoHosts();
    const process = new Process(net.client, ["yes"]);
    const piece = new Uint8Array(1024 * 1024).fill(0x79);
    for (let count = 0; count < 20; count++) process.write(piece);
    expect(process.exitCode).toBe(153);
    expect(process.stdoutBytes.length).toBe(16 * 1024 * 1024);
    expect(process.stderr).toBe("yes: more than 16 MiB of output\n");
  });

  test("takes its timers and sockets with it", () => {
    const net = new TwoHosts();
    let fired = false;
    let ended = "";
    net.server.stack.tcp.listen({ port: 80 }, (socket) => {
      socket.events = {
        onEnd: () => {
          ended += "FIN ";
          socket.write(new Uint8Array(1));
        },
        onClose: (reason) => {
          ended += reason;
        },
      };
    });
    const process = new Process(net.client, ["program"]);
    process
      .timer(() => {
        fired = true;
      })
      .set(2e9 as Time);
    process.connect({ to: address("10.0.0.2"), port: 80 }, {});
    const udp = process.openUdp({ port: 5000, onDatagram: () => {} });
    net.wait(1);
    const codes: number[] = [];
    process.onExit((code) => codes.push(code));
    process.exit(3);
    process.exit(4);
    process.write("too late");
    process.onExit((code) => codes.push(code));
    net.wait(5);
    expect({ fired, ended, codes, stdout: process.stdout }).toEqual({
      fired: false,
      ended: "FIN reset",
      codes: [3, 3],
      stdout: "",
    });
    expect(() => net.client.stack.udp.open({ port: udp.port, onDatagram: () => {} })).not.toThrow();
  });

  test("that ended runs what should end with it at once", () => {
    const process = new Process(new TwoHosts().client, ["program"]);
    process.exit(0);
    let ran = false;
    process.atExit(() => {
      ran = true;
    });
    expect(ran).toBe(true);
  });
});

describe("options", () => {
  const syntax = { options: { v: "flag", n: "value", "long-flag": "flag" }, aliases: { number: "n" } } as const;
  const read = (args: string): string => {
    const parsed = parseOptions(args.split(" "), syntax);
    if ("fault" in parsed) return `${parsed.fault} ${parsed.option}`;
    return `${parsed
      .entries()
      .map(({ name, value }) => `${name}=${value}`)
      .join(" ")} | ${parsed.operands.join(" ")}`;
  };
  const rows: readonly [args: string, read: string][] = [
    ["a -v b -n 5 c", "v= n=5 | a b c"],
    ["-vvn5", "v= v= n=5 | "],
    ["--number=5 --number 6 --long-flag", "n=5 n=6 long-flag= | "],
    ["-v -- -n", "v= | -n"],
    ["-", " | -"],
    ["-x", "unknown -x"],
    ["-vx", "unknown -x"],
    ["--foo", "unknown --foo"],
    ["--long-flag=1", "unknown --long-flag=1"],
    ["-n", "missing-value -n"],
    ["--number", "missing-value --number"],
    ["--constructor", "unknown --constructor"],
  ];
  test.each(rows)("%s", (args, expected) => {
    expect(read(args)).toBe(expected);
  });
});

test("HTTP dates follow the calendar", () => {
  const rows: readonly [milliseconds: number, date: string][] = [
    [0, "Thu, 01 Jan 1970 00:00:00 GMT"],
    [951_782_400_000, "Tue, 29 Feb 2000 00:00:00 GMT"],
    [1_480_636_799_000, "Thu, 01 Dec 2016 23:59:59 GMT"],
    [1_709_251_199_000, "Thu, 29 Feb 2024 23:59:59 GMT"],
    [4_107_542_400_000, "Mon, 01 Mar 2100 00:00:00 GMT"],
  ];
  for (const [milliseconds, date] of rows) expect(formatHttpDate(milliseconds, 0 as Time)).toBe(date);
  expect(formatHttpDate(0, 61.5e9 as Time)).toBe("Thu, 01 Jan 1970 00:01:01 GMT");
});

test("every command ends, with any one argument", () => {
  const net = new TwoHosts();
  echoServer(net.server, { version: "1.4", pod: { hostname: "pod" }, startDate: 0 });
  for (const name of COMMANDS.keys()) {
    for (const args of [
      [],
      ["-x"],
      ["--"],
      ["-"],
      [""],
      ["10.0.0.2"],
      ["\0"],
      ["-1"],
      ["é"],
      ["a".repeat(300)],
      ["--help"],
    ]) {
      const { exitCode } = net.run([name, ...args], 1200);
      expect([name, args, exitCode]).toEqual([name, args, expect.any(Number)]);
    }
  }
});
