import { execFileSync, spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  formatIpSets,
  formatIpvsRules,
  formatNftTable,
  iptablesRules,
  ipvsRules,
  kubeProxyConfig,
  nftablesRules,
  type ProxyInput,
} from "../../src/kube/index.ts";
import { formatRuleset } from "../../src/nat/index.ts";
import { address } from "../../src/netstack/index.ts";
import { clusterArbitrary } from "../support/random-cluster.ts";

/*
 * What `natscope kube-proxy` prints is loaded into a real kernel, in a network namespace that is gone when its shell is, and listed again: the same text has to
 * come back. IPVS is not in every kernel, and its ipvsadm refuses to read without it: docs/notes/kernel-differences.md.
 */

const missing = whatIsMissing();
if (missing !== undefined) {
  if (process.env.CI) throw new Error(missing);
  console.warn(`test/system/kube-proxy.test.ts is skipped: ${missing}`);
}

const RUNS = 60;
const SEED = 20_250_301;

/** Random clusters as kube-proxy on node1 sees them. */
function inputs(seed: number): readonly ProxyInput[] {
  return fc.sample(clusterArbitrary, { numRuns: RUNS, seed }).map(({ services, endpointSlices, flags }) => {
    const addresses = ["10.240.0.4", "10.180.1.1"].map(address);
    const object = {
      apiVersion: "v1",
      kind: "Node" as const,
      metadata: { name: "node1", labels: { "topology.kubernetes.io/zone": "a" } },
    };
    const { config, problems } = kubeProxyConfig({ name: "node1", addresses, object }, flags);
    expect(problems).toEqual([]);
    return { services, endpointSlices, config };
  });
}

describe.skipIf(missing !== undefined)("what kube-proxy writes comes back from the kernel as it was printed", () => {
  it.each(["nft", "legacy"])(
    "iptables, %s backend",
    (backend) => {
      for (const input of inputs(SEED)) {
        const text = formatRuleset(iptablesRules(input));
        const back = inNamespace(`iptables-${backend}-restore && iptables-${backend}-save`, text);
        expect(byTable(back.replace(/^#.*\n/gm, ""))).toEqual(byTable(text));
      }
    },
    120_000,
  );

  it("nftables", () => {
    for (const input of inputs(SEED + 1)) {
      const text = formatNftTable(nftablesRules(input));
      // Ranges that nft has merged into one stay a set of one when listed, and are none when that is loaded again.
      const reloaded = text.replace(/\{ (\S+) \} drop$/gm, "$1 drop");
      expect(inNamespace("nft -f - && nft list ruleset", text)).toBe(reloaded);
    }
  }, 120_000);

  it("ipsets, and the rules that ask them", () => {
    for (const input of inputs(SEED + 2)) {
      const { sets, rules } = ipvsRules(input);
      const text = formatIpSets(sets);
      const saved = inNamespace("ipset restore && ipset save -sorted", text);
      expect(linesOf(saved.replace(/ (bucketsize|initval) \S+/g, ""))).toEqual(linesOf(text));
      const own = formatRuleset(rules);
      const script = `ipset restore <<'END' && iptables-restore && iptables-save\n${text}END`;
      expect(byTable(inNamespace(script, own).replace(/^#.*\n/gm, ""))).toEqual(byTable(own));
    }
  }, 120_000);

  it("ipvs mode's three parts stand one after the other, each under the name of what prints it", () => {
    for (const input of inputs(SEED + 3)) {
      const text = formatIpvsRules(ipvsRules(input));
      expect(text.match(/^# \S+/gm)).toEqual(["# ipvsadm-save", "# ipset", "# iptables-save"]);
    }
  });
});

function inNamespace(script: string, input: string): string {
  return execFileSync("unshare", ["--net", "sh", "-ec", script], {
    input,
    encoding: "utf8",
    stdio: "pipe",
    maxBuffer: 64 << 20,
  });
}

/** Sections sorted by name: the legacy backend prints tables in the order in which the kernel loaded them. */
function byTable(text: string): string[] {
  const sections = text.split(/(?<=^COMMIT\n)/m).filter((section) => section !== "");
  return sections.sort().flatMap((section) => section.trimEnd().split("\n"));
}

/** A hash prints its entries in no order. */
function linesOf(text: string): string[] {
  return text.trimEnd().split("\n").sort();
}

function whatIsMissing(): string | undefined {
  const programs = ["unshare", "ipset", "nft", "iptables-nft-restore", "iptables-legacy-restore"];
  const absent = programs.filter((program) => spawnSync(program, ["--version"]).error !== undefined);
  if (absent.length > 0) return `${absent.join(" and ")} not found: apt-get install iptables nftables ipset util-linux`;
  const alone = spawnSync("unshare", ["--net", "true"]);
  return alone.status === 0 ? undefined : "no network namespace can be made here: run it as root";
}
