import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { loadScenario, parseOverride, ScenarioRun, type StepResult } from "../../src/scenario/index.ts";

/*
 * The scenarios of the chapter "Known troubles" expect the trouble (builtin.test.ts runs them so). Here each is run with its cure, as its description gives it: the step that
 * shows the trouble comes out well then.
 */

const DIRECTORY = new URL("../../scenarios/", import.meta.url);

interface Cure {
  readonly scenario: string;
  /** What follows `--set`; it stands in the description. */
  readonly set: string;
  readonly step: string;
  readonly stdout: string;
}

const CURES: readonly Cure[] = [
  {
    scenario: "trouble-invalid-reset",
    set: "cluster.sysctls={}",
    step: "the answer never comes",
    stdout: "still connected\n",
  },
  {
    scenario: "trouble-stale-udp",
    set: "cluster.proxy.conntrackCleanup=true",
    step: "the same port is still sent to the old one",
    stdout: "from 10.180.3.8 4 bytes ",
  },
  {
    scenario: "trouble-dns-race",
    set: 'cluster.kernel="6.18"',
    step: "the name takes five seconds",
    stdout: "name lookup: 0.00",
  },
  {
    scenario: "trouble-dns-race",
    set: "cluster.manifests.1.spec.dnsConfig={options: [{name: single-request-reopen}]}",
    step: "the name takes five seconds",
    stdout: "name lookup: 0.00",
  },
  {
    scenario: "trouble-dns-race",
    set: "cluster.manifests.1.spec.dnsConfig={options: [{name: use-vc}]}",
    step: "the name takes five seconds",
    stdout: "name lookup: 0.00",
  },
  {
    scenario: "trouble-snat-ports",
    set: "routers.nat.iptables.nat.POSTROUTING.0=-o wan -p udp -j SNAT --to-source 203.0.113.7:50000-50999",
    step: "the ninth gets no port, and no answer",
    stdout: "Binding test: success\n",
  },
  {
    scenario: "trouble-snat-ports",
    set: "routers.nat.iptables.nat.POSTROUTING=[ -o wan -p udp -m statistic --mode nth --every 2 --packet 0 -j SNAT --to-source 203.0.113.8:50000-50007, -o wan -p udp -j SNAT --to-source 203.0.113.7:50000-50007 ]",
    step: "the ninth gets no port, and no answer",
    stdout: "Binding test: success\n",
  },
  {
    scenario: "trouble-conntrack-full",
    set: "cluster.sysctls={net.netfilter.nf_conntrack_max: 1000}",
    step: "the ninth hangs",
    stdout: "client_address=198.51.100.79\n",
  },
  {
    scenario: "trouble-conntrack-full",
    set: "cluster.sysctls={net.netfilter.nf_conntrack_max: 8, net.netfilter.nf_conntrack_tcp_timeout_time_wait: 1}",
    step: "the ninth hangs",
    stdout: "client_address=198.51.100.79\n",
  },
  {
    scenario: "trouble-pmtu-black-hole",
    set: "routers.firewall.iptables.filter.FORWARD.1=-p icmp -m icmp --icmp-type fragmentation-needed -j ACCEPT",
    step: "a large one hangs",
    stdout: "client_address=192.168.1.10\n",
  },
  {
    scenario: "trouble-pmtu-black-hole",
    set: 'routers.near.iptables={ mangle: { FORWARD: ["-p tcp -m tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu"] } }',
    step: "a large one hangs",
    stdout: "client_address=192.168.1.10\n",
  },
];

function load(name: string, overrides: readonly string[]): ReturnType<typeof loadScenario> {
  const text = readFileSync(new URL(`${name}.yaml`, DIRECTORY), "utf8");
  const readFile = (): string => "";
  return loadScenario({ file: `${name}.yaml`, text, readFile, overrides: overrides.map(parseOverride) });
}

async function stepOf(scenario: ReturnType<typeof loadScenario>, name: string, seed: number): Promise<StepResult> {
  const { steps } = await new ScenarioRun(scenario, { seed }).run();
  const found = steps.find((step) => step.name === name);
  if (found === undefined) throw new RangeError(`${scenario.name} has no step "${name}"`);
  return found;
}

describe.each(CURES)("$scenario with --set $set", ({ scenario: name, set, step, stdout }) => {
  it("is what the description says", () => {
    const { description } = load(name, []);
    const [path = "", value = ""] = [set.slice(0, set.indexOf("=")), set.slice(set.indexOf("=") + 1)];
    const written = description.replace(/\s+/g, " ");
    expect(
      [`--set '${path}=${value}'`, `--set ${path}='${value}'`, `--set ${path}=${value}`].some((text) =>
        written.includes(text),
      ),
    ).toBe(true);
  });

  it.each([1, 2, 3])("works with seed %i", async (seed) => {
    const result = await stepOf(load(name, [set]), step, seed);
    expect({ exitCode: result.exitCode, has: result.stdout.includes(stdout) }).toEqual({ exitCode: 0, has: true });
  });
});
