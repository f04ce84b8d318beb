import { describe, expect, it } from "vitest";
import { formatRuleset } from "../../src/nat/index.ts";
import { parseIpv4 } from "../../src/netstack/index.ts";
import { ms, seconds } from "../../src/sim/index.ts";
import { load, refusal, sampleWith } from "./sample-scenario.ts";

function withCluster(...lines: readonly string[]): string {
  const before = "  gateway: 10.240.0.1\n  podCIDR";
  return sampleWith(before, `${lines.map((line) => `  ${line}\n`).join("")}${before}`);
}

function withStep(step: string): string {
  return sampleWith("steps:\n", `steps:\n  - ${step}\n`);
}

describe("a cluster's pod network", () => {
  it("leaves room for the tunnel in the pods' MTU", () => {
    expect(load(withCluster("cni: vxlan")).clusters[0]).toMatchObject({ cni: "vxlan", mtu: 1410 });
    expect(load(withCluster("cni: routed")).clusters[0]).toMatchObject({ cni: "routed", mtu: 1460 });
    expect(load(withCluster("cni: routed", "vxlan: {}")).clusters[0]).toMatchObject({ mtu: 1410, vxlan: {} });
    expect(load(withCluster("cni: vxlan", "mtu: 1400")).clusters[0]?.mtu).toBe(1400);
  });

  it.each([
    [["vxlan: { vni: 1 }"], "there is no tunnel with cni: bridge; use cni: vxlan or routed"],
    [["cni: aws-vpc", "vxlan: {}"], "there is no tunnel with cni: aws-vpc; use cni: vxlan or routed"],
    [["cni: routed", "bridge: br0"], "there is no bridge with cni: routed; leave one of them out"],
    [["cni: vxlan", "vxlan: { vni: 16777216 }"], "a VNI from 0 to 16777215"],
    [["cni: vxlan", "vxlan: { id: 1 }"], 'unknown key "id"'],
    [["cni: flannel"], 'expected one of bridge, routed, vxlan, aws-vpc, got "flannel"'],
  ])("refuses %j", (lines, message) => {
    expect(refusal(withCluster(...lines))).toContain(message);
  });
});

describe("a machine's VXLAN device", () => {
  const host = (tunnel: string): string =>
    sampleWith("    gateway: 198.51.100.1\n", `    gateway: 198.51.100.1\n    tunnels: { vx0: ${tunnel} }\n`);

  it("is read with everything that can be said of it", () => {
    const text =
      "{ kind: vxlan, vni: 42, port: 8472, remotes: [198.51.100.1], udpChecksum: false, addresses: [10.9.0.1/24] }";
    const address = { address: parseIpv4("10.9.0.1"), prefixLength: 24 };
    expect(load(host(text)).machines[0]?.tunnels).toEqual([
      {
        kind: "vxlan",
        name: "vx0",
        vni: 42,
        port: 8472,
        remotes: [parseIpv4("198.51.100.1")],
        udpChecksum: false,
        addresses: [address],
      },
    ]);
  });

  it.each([
    ["{ kind: vxlan }", "vni"],
    ["{ kind: gre }", "expected a tunnel: { kind: ipip, addresses: […] } or { kind: vxlan, vni: 42, remotes: […] }"],
    ["{ kind: ipip, vni: 3 }", 'unknown key "vni"'],
  ])("refuses %s", (tunnel, message) => {
    expect(refusal(host(tunnel))).toContain(message);
  });
});

describe("nodeRules", () => {
  const rules = (line: string): string => withCluster("nodeRules:", "  nat:", `    POSTROUTING: ["${line}"]`);

  it("are each node's own where they name its address or its range", () => {
    const { clusters } = load(rules("! -d $POD_CIDR -j SNAT --to-source $NODE_ADDRESS"));
    const texts = clusters[0]?.nodes.map(({ rules: own }) => formatRuleset(own ?? new Map()));
    expect(texts?.[0]).toContain("-A POSTROUTING ! -d 10.180.1.0/24 -j SNAT --to-source 10.240.0.4\n");
    expect(texts?.[1]).toContain("-A POSTROUTING ! -d 10.180.2.0/24 -j SNAT --to-source 10.240.0.5\n");
  });

  it("are the same Ruleset on all nodes where they do not", () => {
    const [first, second] = load(rules("-j MASQUERADE")).clusters[0]?.nodes ?? [];
    expect(first?.rules).toBeDefined();
    expect(first?.rules).toBe(second?.rules);
  });

  it("are refused once", () => {
    expect(refusal(rules("-d $NODE_ADRESS -j ACCEPT")).split("\n")).toHaveLength(1);
  });
});

describe("failures", () => {
  it.each([
    ["fail: { node: node1 }", { kind: "fail", what: "node", target: "node1", cluster: "cluster" }],
    ["fail: { node: beta }", { kind: "fail", what: "node", target: "beta", cluster: "cluster" }],
    ["fail: { pod: web-1 }", { kind: "fail", what: "pod", target: "web-1", cluster: "cluster" }],
    ["restore: { node: b }", { kind: "restore", target: "b", cluster: "cluster" }],
  ])("are steps: %s", (text, step) => {
    expect(load(withStep(text)).steps[0]).toMatchObject(step);
  });

  it.each([
    ["fail: { node: node9 }", 'there is no node "node9"'],
    ["fail: { pod: nobody }", 'there is no pod "nobody"'],
    ["fail: { node: node1, pod: web-1 }", "expected what fails: { node: node2 } or { pod: NAME }"],
    ["{ fail: { node: node1 }, cluster: other }", 'there is no cluster "other"'],
    ["{ fail: { pod: web-1 }, cluster: other }", 'there is no cluster "other"'],
    ["{ restore: { node: node1 }, cluster: other }", 'there is no cluster "other"'],
    ["fail: {}", "expected what fails: { node: node2 } or { pod: NAME }"],
    ["restore: { pod: web-1 }", 'unknown key "pod"'],
    ["{ fail: { node: node1 }, on: client }", 'expected no "on" beside "fail"'],
  ])("are refused: %s", (text, message) => {
    expect(refusal(withStep(text))).toContain(message);
  });

  it("are noticed by Kubernetes' own times unless told otherwise", () => {
    expect(load(withCluster()).clusters[0]?.timing).toEqual({ minSyncPeriod: seconds(1) });
    const text = withCluster("proxy: { minSyncPeriod: 100ms }", "timing: { nodeMonitorGracePeriod: 50s }");
    expect(load(text).clusters[0]?.timing).toEqual({ minSyncPeriod: ms(100), nodeMonitorGracePeriod: seconds(50) });
    expect(refusal(withCluster("timing: { podRelist: 0s }"))).toContain("a duration longer than 0s");
  });
});
