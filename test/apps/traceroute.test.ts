import { describe, expect, test } from "vitest";
import { address } from "../../src/netstack/index.ts";
import { TwoHosts } from "./two-hosts.ts";

/** The second host forwards, to itself for addresses that are loopback's and to nobody for others. */
function routed(): TwoHosts {
  const net = new TwoHosts();
  net.run("ping -c 1 10.0.0.2");
  net.server.stack.host.sysctls.forwarding = true;
  net.server.stack.host.sysctls.icmpRateLimitMs = 0;
  return net;
}

describe("traceroute", () => {
  test("reaches a neighbour in one hop", () => {
    expect(routed().run("traceroute -n 10.0.0.2")).toEqual({
      exitCode: 0,
      stderr: "",
      stdout: `traceroute to 10.0.0.2 (10.0.0.2), 30 hops max, 60 byte packets
 1  10.0.0.2  10.002 ms  10.002 ms  10.002 ms
`,
    });
    expect(routed().run("traceroute 10.0.0.2").stdout).toBe(
      `traceroute to 10.0.0.2 (10.0.0.2), 30 hops max, 60 byte packets
 1  10.0.0.2 (10.0.0.2)  10.002 ms  10.002 ms  10.002 ms
`,
    );
  });

  test("-I does the same with echo requests", () => {
    expect(routed().run("traceroute -I -n 10.0.0.2").stdout).toBe(
      `traceroute to 10.0.0.2 (10.0.0.2), 30 hops max, 60 byte packets
 1  10.0.0.2  10.002 ms  10.002 ms  10.002 ms
`,
    );
  });

  test("prints a star for every probe without an answer", () => {
    const net = routed();
    net.link.impair("both", { loss: 1 });
    expect(net.run("traceroute -n -m 3 -w 1 10.0.0.2").stdout).toBe(
      `traceroute to 10.0.0.2 (10.0.0.2), 3 hops max, 60 byte packets
 1  * * *
 2  * * *
 3  * * *
`,
    );
  });

  test("marks what is unreachable, and ends there", () => {
    const net = routed();
    expect(net.run("traceroute -n -q 2 10.9.9.9").stdout).toBe(
      `traceroute to 10.9.9.9 (10.9.9.9), 30 hops max, 60 byte packets
 1  10.0.0.2  10.002 ms !N  10.002 ms !N
`,
    );
    const { stdout } = net.run("traceroute -n -q 1 -w 9 10.0.0.77");
    expect(stdout).toContain("\n 1  10.0.0.1  3000.002 ms !H\n");
  });

  test("shows the router that took the last hop off", () => {
    const net = routed();
    const { stack } = net.server;
    const out = stack.interface("eth0")!;
    stack.addressing.routes.add({
      destination: { network: address("10.8.0.0"), prefixLength: 16 },
      out,
      via: address("10.0.0.66"),
    });
    expect(net.run("traceroute -n -q 1 -m 2 -w 4 10.8.0.1").stdout).toBe(
      `traceroute to 10.8.0.1 (10.8.0.1), 2 hops max, 60 byte packets
 1  10.0.0.2  10.002 ms
 2  10.0.0.2  3010.002 ms !H
`,
    );
  });

  test("suffers from the limit on ICMP errors, as on Linux", () => {
    const net = routed();
    net.server.stack.host.sysctls.icmpRateLimitMs = 1000;
    net.run("traceroute -n -q 1 -N 1 10.0.0.2");
    expect(net.run("traceroute -n -q 8 -m 1 -w 1 10.0.0.2").stdout).toBe(
      `traceroute to 10.0.0.2 (10.0.0.2), 1 hops max, 60 byte packets
 1  10.0.0.2  10.002 ms  10.002 ms  10.002 ms  10.002 ms  10.002 ms * * *
`,
    );
  });

  const misuse: readonly [command: string, stderr: string][] = [
    ["traceroute -n -m 300 10.0.0.2", "max hops cannot be more than 255\n"],
    ["traceroute -T 10.0.0.2", "only the default method and -I are supported here, not -T and -U\n"],
    ["traceroute -s 9.9.9.9 10.0.0.2", "bind: Cannot assign requested address\n"],
    [
      "traceroute nosuch",
      'nosuch: Temporary failure in name resolution\nCannot handle "host" cmdline arg `nosuch\' on position 1 (argc 1)\n',
    ],
  ];
  test.each(misuse)("%s", (command, stderr) => {
    expect(new TwoHosts().run(command)).toEqual({ exitCode: 2, stdout: "", stderr });
  });
});
