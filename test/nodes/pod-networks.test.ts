import { describe, expect, it } from "vitest";
import { formatCidr, formatIpv4 } from "../../src/netstack/index.ts";
import type { Host } from "../../src/nodes/index.ts";
import { ask, balancedCluster, kubectl } from "./balanced-cluster.ts";

function routesOf(host: Host | undefined): string[] {
  return (host?.stack.addressing.routes.list() ?? []).map(
    ({ destination, via, out }) =>
      `${formatCidr(destination)}${via === undefined ? "" : ` via ${formatIpv4(via)}`} dev ${out.name.replace(/^cali.*/, "cali")}`,
  );
}

describe("the CNI kind vxlan", () => {
  it("routes other nodes' pods out of flannel.1, to ends that are known from the start", () => {
    const { cluster } = balancedCluster(undefined, { cni: "vxlan" });
    const node = cluster.node("alpha")?.host;
    expect(routesOf(node).filter((route) => route.includes("flannel.1"))).toEqual([
      "10.180.2.0/24 via 10.180.2.0 dev flannel.1",
    ]);
    expect(node?.stack.interface("flannel.1")?.addresses.map(({ address }) => formatIpv4(address))).toEqual([
      "10.180.1.0",
    ]);
    expect(node?.stack.interface("cni0")).toBeDefined();
  });

  it("shows an endpoint on another node the tunnel's address", () => {
    const { cluster, network, client } = balancedCluster(undefined, { cni: "vxlan" });
    kubectl(cluster, "expose deployment web --port=80 --target-port=8080 --type=NodePort --name=one");
    const port = cluster.api.get("Service", "one")?.spec.ports?.[0]?.nodePort;
    expect(ask(network, client, `10.240.0.4:${port}`)).toBe("10.180.1.1");
    expect(ask(network, client, `10.240.0.5:${port}`)).toBe("10.180.2.0");
  });
});

describe("the CNI kind routed", () => {
  it("has a route to each pod and one to each other node's pods, and no bridge", () => {
    const { cluster } = balancedCluster(undefined, { cni: "routed" });
    const [pod] = cluster.api.list("Pod");
    const routes = routesOf(cluster.node("alpha")?.host);
    expect(routes).toContain(`${pod?.status?.podIP}/32 dev cali`);
    expect(routes).toContain("10.180.2.0/24 via 10.240.0.5 dev eth0");
    expect(cluster.node("alpha")?.host.stack.interface("cbr0")).toBeUndefined();
  });

  it("answers a pod's ARP for its gateway by the end of its veth pair, and shows the node's own address", () => {
    const { cluster, network, client } = balancedCluster(undefined, { cni: "routed" });
    kubectl(cluster, "expose deployment web --port=80 --target-port=8080 --type=NodePort --name=one");
    const port = cluster.api.get("Service", "one")?.spec.ports?.[0]?.nodePort;
    expect(ask(network, client, `10.240.0.4:${port}`)).toBe("10.240.0.4");
    expect(ask(network, client, `10.240.0.5:${port}`)).toBe("10.240.0.5");
    const [pod] = cluster.api.list("Pod");
    const neighbours = cluster.pod(pod?.metadata.name ?? "")?.stack.link.neighbours.list() ?? [];
    // The node has asked for the pod with its own address.
    expect(neighbours.map(({ address, mac }) => [formatIpv4(address), mac])).toEqual([
      ["10.240.0.4", 0xeeeeeeeeeeee],
      ["169.254.1.1", 0xeeeeeeeeeeee],
    ]);
  });

  it("carries pods' packets in VXLAN where it is told to, as Calico can", () => {
    const { cluster, network, client } = balancedCluster(undefined, { cni: "routed", vxlan: { vni: 7 } });
    kubectl(cluster, "expose deployment web --port=80 --target-port=8080 --type=NodePort --name=one");
    const port = cluster.api.get("Service", "one")?.spec.ports?.[0]?.nodePort;
    expect(ask(network, client, `10.240.0.5:${port}`)).toBe("10.180.2.0");
    expect(cluster.node("beta")?.host.stack.interface("vxlan.calico")?.mtu).toBe(1450);
  });
});
