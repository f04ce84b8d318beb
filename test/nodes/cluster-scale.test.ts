import { describe, expect, it } from "vitest";
import { buildCluster, nodeName, serviceName } from "../../bench/cluster-scale.ts";
import { runCommand } from "../../src/apps/index.ts";
import { formatRuleset } from "../../src/nat/index.ts";
import { formatIpv4, parseIpv4 } from "../../src/netstack/index.ts";
import { sizeProblem } from "../../src/nodes/index.ts";
import { after, seconds } from "../../src/sim/index.ts";

const SIZE = { nodes: 40, pods: 400, services: 20 };

describe("a cluster in which nothing has happened yet", () => {
  it("has built its nodes and no pod", () => {
    const { network, cluster } = buildCluster(SIZE);
    expect([...network.hosts.built()]).toHaveLength(SIZE.nodes + 1);
    expect([...network.hosts.awaited()]).toHaveLength(SIZE.pods);
    expect(cluster.api.list("Pod").every(({ status }) => status?.podIP !== undefined)).toBe(true);
  });

  it("spreads a Deployment's pods over its nodes evenly", () => {
    const { cluster } = buildCluster(SIZE);
    const counts = new Map<string | undefined, number>();
    for (const { spec } of cluster.api.list("Pod")) counts.set(spec.nodeName, (counts.get(spec.nodeName) ?? 0) + 1);
    expect(new Set(counts.values())).toEqual(new Set([10]));
  });

  it("builds a pod when it is asked for by name", () => {
    const { network, cluster } = buildCluster(SIZE);
    const [pod] = cluster.api.list("Pod");
    const host = cluster.pod(pod?.metadata.name ?? "");
    expect(host?.address).toBe(parseIpv4(pod?.status?.podIP ?? ""));
    expect([...network.hosts.awaited()]).toHaveLength(SIZE.pods - 1);
  });

  it("knows from each node the way to all other nodes' pods, and writes it once", () => {
    const { cluster } = buildCluster(SIZE);
    const { routes } = cluster.nodes.get(nodeName(7))?.host.stack.addressing ?? {};
    const ways = (routes?.list() ?? []).filter(({ via }) => via !== undefined);
    expect(ways).toHaveLength(SIZE.nodes - 1);
    const last = routes?.lookup(parseIpv4("10.0.39.9") ?? (0 as never));
    expect(last?.via && formatIpv4(last.via)).toBe("10.128.0.40");
  });
});

describe("a connection in a large cluster", () => {
  it("builds the pods of the nodes on its way and no others, and has one node's rules made", () => {
    const { network, cluster, client } = buildCluster(SIZE);
    const service = cluster.api.get("Service", serviceName(3));
    const process = runCommand(client, `curl -s ${service?.spec.clusterIP}`);
    network.simulator.runUntil(() => process.exitCode !== undefined, after(network.simulator.now(), seconds(60)));
    expect(process.exitCode).toBe(0);
    const built = [...network.hosts.built()].length - SIZE.nodes - 1;
    expect(built).toBeGreaterThan(0);
    expect(built).toBeLessThanOrEqual(20);
  });
});

describe("a Service's change", () => {
  it("reaches every node, and the rules of all are one Ruleset", () => {
    const { network, cluster } = buildCluster(SIZE);
    const change = { spec: { ports: [{ port: 8888, targetPort: 8080 }] } };
    cluster.api.patch({ kind: "Service", name: serviceName(3) }, change, "merge");
    cluster.reconcile();
    network.simulator.runUntil(() => cluster.isSettled, after(network.simulator.now(), seconds(60)));
    const rulesets = [...cluster.nodes.values()].map(({ host }) => host.netfilter?.ruleset);
    expect(new Set(rulesets).size).toBe(1);
    expect(formatRuleset(rulesets[0] ?? new Map())).toContain("--dport 8888 -j KUBE-SVC-");
  });
});

describe("sizeProblem()", () => {
  it("refuses what each node would have to keep by itself, and says what there is no limit for", () => {
    expect(sizeProblem("ipvs", { nodes: 5000, ports: 10_000 })).toBe(
      "5000 nodes with 10000 service ports are too many for ipvs mode, in which each node keeps its own: nodes times ports may be 1000000 at most; iptables and nftables mode have no such limit",
    );
    expect(sizeProblem("userspace", { nodes: 41, ports: 10_000 })).toContain("may be 400000 at most");
  });

  it("has nothing against Kubernetes' largest cluster where nodes share their rules", () => {
    for (const mode of ["iptables", "nftables"] as const)
      expect(sizeProblem(mode, { nodes: 5000, ports: 10_000 })).toBeUndefined();
    expect(sizeProblem("ipvs", { nodes: 100, ports: 10_000 })).toBeUndefined();
  });
});
