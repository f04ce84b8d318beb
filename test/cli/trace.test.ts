import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { inDirectory, natscope, type Outcome } from "./command-line.ts";

const RULES = `*nat
:PREROUTING ACCEPT [0:0]
:POSTROUTING ACCEPT [0:0]
-A PREROUTING -p tcp -m tcp --dport 80 -m statistic --mode random --probability 0.5 -j DNAT --to-destination 10.0.0.9
-A POSTROUTING -o eth1 -j MASQUERADE --random
COMMIT
`;

async function trace(rules: string, ...args: string[]): Promise<Outcome> {
  return inDirectory(async (directory) => {
    const file = join(directory, "node.rules");
    writeFileSync(file, rules);
    const outcome = await natscope(["trace", "--rules", file, ...args]);
    return { ...outcome, err: outcome.err.replaceAll(`${directory}/`, "") };
  });
}

const WEB = ["--packet", "tcp 198.51.100.1:40000 > 203.0.113.7:80"];
const NODE = ["--address", "203.0.113.7/24@eth1", "--address", "10.0.0.254/24@eth0"];

describe("natscope trace", () => {
  it("prints the way of a packet and exits 0", async () => {
    const { code, out, err } = await trace(RULES, ...WEB, ...NODE, "--in", "eth1", "--seed", "1");
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out.split("\n")[0]).toBe("PREROUTING  TCP 198.51.100.1:40000 > 203.0.113.7:80  in eth1  NEW");
    expect(out).toContain("chance: this way has probability 0.5 (1/2); --all lists the others\n");
  });

  it("lists every outcome with --all, and as JSON", async () => {
    const { out } = await trace(RULES, ...WEB, ...NODE, "--in", "eth1", "--all", "--json");
    const { outcomes, unfollowed } = JSON.parse(out);
    expect(outcomes.map(({ end, probability }: Record<string, unknown>) => [end, probability])).toEqual([
      ["forwarded", { value: 0.5, exact: "1/2" }],
      ["delivered", { value: 0.5, exact: "1/2" }],
    ]);
    expect(unfollowed).toEqual({ value: 0, exact: "0/1" });
  });

  it("reads rules from standard input", async () => {
    const readInput = (): Uint8Array => new TextEncoder().encode(RULES);
    const { code, out } = await natscope(["trace", "--rules", "-", ...WEB, ...NODE, "--in", "eth1"], { readInput });
    expect({ code, hook: out.slice(0, 10) }).toEqual({ code: 0, hook: "PREROUTING" });
  });

  it("takes a packet whose source is the node's for one that it sends", async () => {
    const { out } = await trace(RULES, ...NODE, "--packet", "udp 203.0.113.7:53 > 8.8.8.8:53");
    expect(out).toContain("ACCEPT: sent by eth1 as UDP 203.0.113.7 > 8.8.8.8:53 (source: a port drawn at random");
  });

  it("uses routes, and says when there are no addresses", async () => {
    const args = ["--in", "eth1", "--route", "9.0.0.0/8=tun0", "--route", "default=eth2,via 1.2.3.4"];
    const near = await trace(RULES, ...args, "--packet", "udp 8.8.8.8:53 > 9.8.8.8:53");
    expect(near.out).toContain("route to 9.8.8.8: by tun0\n");
    expect(near.err).toBe(
      "note: without --address only 127.0.0.0/8 is the node's own: say --address 10.240.0.4/24@eth0\n",
    );
    const far = await trace(RULES, ...args, "--packet", "udp 8.8.8.8:53 > 7.8.8.8:53");
    expect(far.out).toContain("route to 7.8.8.8: by eth2 to 1.2.3.4\n");
  });

  it("skips with --lenient what it cannot read", async () => {
    const rules = RULES.replace("-m statistic", "-m bogus");
    const refused = await trace(rules, ...WEB, ...NODE, "--in", "eth1");
    expect(refused.code).toBe(2);
    expect(refused.err).toMatch(/^node\.rules:4:\d+: there is no match module "bogus"/);
    const skipped = await trace(rules, ...WEB, ...NODE, "--in", "eth1", "--lenient");
    expect(skipped.code).toBe(0);
    expect(skipped.err).toBe('warning: node.rules:4: skipped: there is no match module "bogus"\n');
  });

  it.each([
    [["--packet", "tcp 1.2.3.4 > 5.6.7.8"], /tcp has ports/],
    [[...WEB], /the source 198\.51\.100\.1 is not the node's: say by which interface/],
    [[...WEB, "--in", "eth0", "--from-host"], /leave out --from-host/],
    [[...WEB, "--in", "eth0", "--address", "10.0.0.1"], /expected an address with its prefix and an interface/],
    [[...WEB, "--in", "eth0", "--route", "10.0.0.0/8"], /expected one like 10\.180\.1\.0\/24=cbr0/],
    [[...WEB, "--in", "eth0", "--mark", "-1"], /expected a number from 0 to 4294967295/],
    [[...WEB, "--in", "eth0", "--recent", "A"], /no rule asks for this list/],
    [["--packet", "udp 1.2.3.4:1 > 5.6.7.8:1", "--in", "eth0", "--flags", "S"], /only TCP has flags/],
    [["--packet", "icmp 1.2.3.4 > 5.6.7.8 3/4", "--in", "eth0", "--reply"], /only an echo-request begins/],
  ])("refuses %j", async (args, message) => {
    const { code, err } = await trace(RULES, ...args);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });
});
