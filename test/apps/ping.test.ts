import { describe, expect, test } from "vitest";
import { dnsServer } from "../../src/apps/index.ts";
import { address } from "../../src/netstack/index.ts";
import { TwoHosts } from "./two-hosts.ts";

/** A client whose neighbour is known, so that round trips are those of the wire. */
function warm(options: ConstructorParameters<typeof TwoHosts>[0] = {}): TwoHosts {
  const net = new TwoHosts(options);
  net.run("ping -c 1 10.0.0.2");
  return net;
}

describe("ping", () => {
  test("prints each reply and the statistics", () => {
    expect(warm().run("ping -c 3 -i 0.2 10.0.0.2")).toEqual({
      exitCode: 0,
      stderr: "",
      stdout: `PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.
64 bytes from 10.0.0.2: icmp_seq=1 ttl=64 time=10.0 ms
64 bytes from 10.0.0.2: icmp_seq=2 ttl=64 time=10.0 ms
64 bytes from 10.0.0.2: icmp_seq=3 ttl=64 time=10.0 ms

--- 10.0.0.2 ping statistics ---
3 packets transmitted, 3 received, 0% packet loss, time 400ms
rtt min/avg/max/mdev = 10.002/10.002/10.002/0.000 ms
`,
    });
  });

  test("with -q prints the statistics only, and four requests unless told", () => {
    expect(warm().run("ping -q 10.0.0.2").stdout).toBe(`PING 10.0.0.2 (10.0.0.2) 56(84) bytes of data.

--- 10.0.0.2 ping statistics ---
4 packets transmitted, 4 received, 0% packet loss, time 3000ms
rtt min/avg/max/mdev = 10.002/10.002/10.002/0.000 ms
`);
  });

  test("has no times for data too short to carry one", () => {
    expect(warm().run("ping -c 1 -s 10 10.0.0.2").stdout).toBe(`PING 10.0.0.2 (10.0.0.2) 10(38) bytes of data.
18 bytes from 10.0.0.2: icmp_seq=1 ttl=64

--- 10.0.0.2 ping statistics ---
1 packets transmitted, 1 received, 0% packet loss, time 0ms

`);
  });

  test("names the address or interface it was told to send from", () => {
    const net = warm();
    expect(net.run("ping -c 1 -q -I 10.0.0.1 10.0.0.2").stdout).toContain(
      "PING 10.0.0.2 (10.0.0.2) from 10.0.0.1 : 56(84) bytes of data.\n",
    );
    expect(net.run("ping -c 1 -q -I eth0 10.0.0.2").stdout).toContain(
      "PING 10.0.0.2 (10.0.0.2) from 10.0.0.1 eth0: 56(84) bytes of data.\n",
    );
    expect(net.run("ping -c 1 -I 9.9.9.9 10.0.0.2")).toEqual({
      exitCode: 2,
      stdout: "",
      stderr: "ping: bind: Cannot assign requested address\n",
    });
  });

  test("waits for -W when nobody answers", () => {
    const net = new TwoHosts();
    expect(net.run("ping -c 1 -W 1 10.0.0.9")).toEqual({
      exitCode: 1,
      stderr: "",
      stdout: `PING 10.0.0.9 (10.0.0.9) 56(84) bytes of data.

--- 10.0.0.9 ping statistics ---
1 packets transmitted, 0 received, 100% packet loss, time 0ms

`,
    });
    expect(net.simulator.now()).toBe(1e9);
  });

  test("tells of hosts that cannot be reached, and how many requests were under way", () => {
    expect(new TwoHosts().run("ping -c 3 -i 0.1 10.0.0.77")).toEqual({
      exitCode: 1,
      stderr: "",
      stdout: `PING 10.0.0.77 (10.0.0.77) 56(84) bytes of data.
From 10.0.0.1 icmp_seq=1 Destination Host Unreachable
From 10.0.0.1 icmp_seq=2 Destination Host Unreachable
From 10.0.0.1 icmp_seq=3 Destination Host Unreachable

--- 10.0.0.77 ping statistics ---
3 packets transmitted, 0 received, +3 errors, 100% packet loss, time 200ms
pipe 3
`,
    });
  });

  const errors: readonly [command: string, line: string][] = [
    ["ping -c 1 10.9.9.9", "From 10.0.0.2 icmp_seq=1 Destination Net Unreachable"],
    ["ping -c 1 -t 1 10.9.9.9", "From 10.0.0.2 icmp_seq=1 Destination Net Unreachable"],
    ["ping -c 1 -t 1 10.8.1.1", "From 10.0.0.2 icmp_seq=1 Time to live exceeded"],
    ["ping -c 1 10.8.1.1", "From 10.0.0.2 icmp_seq=1 Destination Host Unreachable"],
  ];
  test.each(errors)("%s prints what a router answers", (command, line) => {
    const net = warm();
    const { stack } = net.server;
    stack.host.sysctls.forwarding = true;
    const out = stack.interface("eth0")!;
    stack.addressing.routes.add({ destination: { network: address("10.8.0.0"), prefixLength: 16 }, out });
    expect(net.run(command)).toMatchObject({ exitCode: 1, stdout: expect.stringContaining(`\n${line}\n`) });
  });

  test("fragments what is too long for the wire, unless -M do forbids it", () => {
    const net = warm();
    expect(net.run("ping -c 1 -s 3000 10.0.0.2").stdout).toContain("3008 bytes from 10.0.0.2: icmp_seq=1 ttl=64");
    expect(net.run("ping -c 1 -M do -s 1473 10.0.0.2")).toEqual({
      exitCode: 1,
      stderr: "ping: local error: message too long, mtu=1500\n",
      stdout: `PING 10.0.0.2 (10.0.0.2) 1473(1501) bytes of data.

--- 10.0.0.2 ping statistics ---
1 packets transmitted, 0 received, +1 errors, 100% packet loss, time 0ms

`,
    });
  });

  test("counts duplicates and losses", () => {
    const doubled = warm({ link: { duplicate: 1 } });
    const { stdout } = doubled.run("ping -c 2 10.0.0.2");
    expect(stdout).toContain("icmp_seq=1 ttl=64 time=10.0 ms (DUP!)\n");
    expect(stdout).toContain("2 packets transmitted, 2 received, +3 duplicates, 0% packet loss, time 1000ms");
    const lossy = warm();
    lossy.link.impair("both", { loss: 1 });
    expect(lossy.run("ping -c 3 10.0.0.2").stdout).toContain(
      "3 packets transmitted, 0 received, 100% packet loss, time 2000ms",
    );
  });

  test("-w ends it at the deadline", () => {
    const net = new TwoHosts();
    expect(net.run("ping -w 1 -i 0.3 10.0.0.9").stdout).toContain(
      "4 packets transmitted, 0 received, 100% packet loss, time 900ms",
    );
    expect(net.simulator.now()).toBe(1e9);
  });

  test("shows names when it was given one", () => {
    const net = warm({ resolver: { nameservers: [address("10.0.0.2")], search: ["svc"], ndots: 5 } });
    dnsServer(net.server, {
      answer: ({ name, type }) => {
        if (type === "PTR") return { answers: [{ name, class: 1, ttl: 5, type, target: "web.svc." }] };
        if (name !== "web.svc.") return { rcode: 3 };
        return { answers: [{ name, class: 1, ttl: 5, type: "A", address: address("10.0.0.2") }] };
      },
    });
    expect(net.run("ping -c 1 web").stdout).toBe(`PING web.svc (10.0.0.2) 56(84) bytes of data.
64 bytes from web.svc (10.0.0.2): icmp_seq=1 ttl=64 time=10.0 ms

--- web.svc ping statistics ---
1 packets transmitted, 1 received, 0% packet loss, time 0ms
rtt min/avg/max/mdev = 10.002/10.002/10.002/0.000 ms
`);
    expect(net.run("ping nosuch")).toEqual({
      exitCode: 2,
      stdout: "",
      stderr: "ping: nosuch: Name or service not known\n",
    });
  });

  const misuse: readonly [command: string, exitCode: number, stderr: string][] = [
    ["ping", 1, "ping: usage error: Destination address required\n"],
    ["ping -c x 10.0.0.2", 1, "ping: invalid argument: 'x'\n"],
    ["ping -c 0 10.0.0.2", 1, "ping: invalid argument: '0': out of range: 1 <= value <= 65535\n"],
    ["ping -Z 10.0.0.2", 2, "ping: invalid option -- 'Z'\n"],
    ["ping -i 0 10.0.0.2", 1, "ping: cannot flood; minimal interval allowed for user is 2ms\n"],
    ["ping nosuch", 2, "ping: nosuch: Temporary failure in name resolution\n"],
  ];
  test.each(misuse)("%s", (command, exitCode, stderr) => {
    expect(new TwoHosts().run(command)).toEqual({ exitCode, stdout: "", stderr });
  });

  test("has no way to a network without a route", () => {
    const net = new TwoHosts();
    net.client.stack.addressing.routes.removeWhere((route) => route.via !== undefined);
    expect(net.run("ping 10.9.9.9").stderr).toBe("ping: connect: Network is unreachable\n");
  });
});
