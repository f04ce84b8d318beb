import { describe, expect, it } from "vitest";
import { cidr, formatIpv4 } from "../../src/netstack/index.ts";
import { ask, balancedCluster, kubectl } from "./balanced-cluster.ts";

describe("the CNI kind aws-vpc", () => {
  it("gives a pod a /32, a gateway that nobody is, and a way there from its node", () => {
    const { cluster } = balancedCluster(undefined, { cni: "aws-vpc" });
    const [pod] = cluster.api.list("Pod");
    const host = cluster.pod(pod?.metadata.name ?? "");
    expect(host?.stack.interface("eth0")?.addresses.map(({ prefixLength }) => prefixLength)).toEqual([32]);
    const gateways = host?.stack.addressing.routes
      .list()
      .flatMap(({ via }) => (via === undefined ? [] : formatIpv4(via)));
    expect(gateways).toEqual(["169.254.1.1"]);
    expect(host?.stack.link.neighbours.list().map(({ address, state }) => [formatIpv4(address), state])).toEqual([
      ["169.254.1.1", "permanent"],
    ]);
  });

  it("lets a machine of the nodes' network reach a pod, as long as it is there", () => {
    const { cluster, network, client } = balancedCluster(undefined, { cni: "aws-vpc" });
    const [pod] = cluster.api.list("Pod");
    const address = pod?.status?.podIP ?? "";
    // In the VPC a pod is a neighbour like any other.
    const out = client.stack.interface("eth0");
    client.stack.addressing.routes.add({ destination: cidr("10.180.0.0/16"), out: out! });
    expect(ask(network, client, `${address}:8080`)).toBe("10.240.0.79");
    const node = cluster.node("alpha")?.host;
    const before = node?.stack.addressing.interfaces.length ?? 0;
    kubectl(cluster, "scale deployment web --replicas=0");
    expect(node?.stack.addressing.interfaces.length).toBe(before - 1);
    client.stack.link.neighbours.flush(out!);
    expect(ask(network, client, `${address}:8080`)).toBe("exit 28");
  });

  it("shows the node's own address to an endpoint on the same node", () => {
    const { cluster, network, client } = balancedCluster(undefined, { cni: "aws-vpc" });
    kubectl(cluster, "expose deployment web --port=80 --target-port=8080 --type=NodePort --name=one");
    const port = cluster.api.get("Service", "one")?.spec.ports?.[0]?.nodePort;
    expect(ask(network, client, `10.240.0.4:${port}`)).toBe("10.240.0.4");
  });
});
