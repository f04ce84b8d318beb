import { describe, expect, it } from "vitest";
import { ask, balancedCluster, FORWARDING, ingressOf, kubectl, PROXY, wait } from "./balanced-cluster.ts";

const EXPOSE = "expose deployment web --port=80 --target-port=8080 --type=LoadBalancer --name=";

describe("a Service of type LoadBalancer", () => {
  it("stays pending where nobody serves it", () => {
    const { cluster } = balancedCluster(undefined);
    kubectl(cluster, `${EXPOSE}one`);
    expect(ingressOf(cluster, "one")).toBe("<pending>");
  });

  it("gets the next free address, and stays pending when there is none", () => {
    const { cluster } = balancedCluster(FORWARDING);
    for (const name of ["one", "two", "three"]) kubectl(cluster, EXPOSE + name);
    expect(["one", "two", "three"].map((name) => ingressOf(cluster, name))).toEqual([
      "203.0.113.140",
      "203.0.113.141",
      "<pending>",
    ]);
    kubectl(cluster, "delete svc one");
    expect(ingressOf(cluster, "three")).toBe("203.0.113.140");
  });

  it.each([
    ["forwarding", FORWARDING],
    ["a proxy", PROXY],
  ])("takes over an address at once: %s", (_, kind) => {
    const { cluster, network, client } = balancedCluster({ ...kind, addresses: kind.addresses.slice(0, 1) });
    for (const name of ["one", "two"]) kubectl(cluster, EXPOSE + name);
    kubectl(cluster, "delete svc one");
    expect(ingressOf(cluster, "two")).toBe("203.0.113.140");
    expect(ask(network, client, "203.0.113.140")).toMatch(/^10\./);
  });

  it("with session affinity goes to one node, whatever the client's port", () => {
    const { cluster, network, client } = balancedCluster(FORWARDING);
    kubectl(cluster, `${EXPOSE}one`);
    const ten = (): Set<string> => new Set(Array.from({ length: 10 }, () => ask(network, client, "203.0.113.140")));
    expect(ten()).toEqual(new Set(["10.180.1.1", "10.240.0.5"]));
    kubectl(cluster, 'patch svc one -p {"spec":{"sessionAffinity":"ClientIP"}}');
    expect(ten().size).toBe(1);
  });

  it("leaves addresses alone that are pinned for others", () => {
    const pins = { loadBalancers: { two: { address: "203.0.113.140" } } };
    const { cluster } = balancedCluster(FORWARDING, { pins });
    for (const name of ["one", "two"]) kubectl(cluster, EXPOSE + name);
    expect([ingressOf(cluster, "one"), ingressOf(cluster, "two")]).toEqual(["203.0.113.141", "203.0.113.140"]);
  });

  it("loses its address when it is of another type", () => {
    const { cluster, network, client } = balancedCluster(FORWARDING);
    kubectl(cluster, `${EXPOSE}one`);
    expect(ask(network, client, "203.0.113.140")).toMatch(/^10\./);
    kubectl(cluster, 'patch svc one -p {"spec":{"type":"NodePort"}}');
    expect(ingressOf(cluster, "one")).toBe("<pending>");
    expect(ask(network, client, "203.0.113.140")).toBe("exit 28");
  });

  it("is known by a name in the balancer's domain", () => {
    const { cluster, network, client } = balancedCluster({ ...PROXY, domain: "elb.example.com" });
    kubectl(cluster, `${EXPOSE}one`);
    const name = ingressOf(cluster, "one");
    expect(name).toMatch(/^a[0-9a-f]{8}-\d+\.elb\.example\.com$/);
    // kube-proxy on either node masquerades what comes from the balancer.
    expect(["10.180.1.1", "10.240.0.5"]).toContain(ask(network, client, name));
  });
});

describe("the cloud's load balancer", () => {
  it("hands the first flow to the pinned node, endpoint or not", () => {
    const pins = { loadBalancers: { one: { first: "beta" } } };
    const { cluster, network, client } = balancedCluster(FORWARDING, { pins });
    kubectl(cluster, `${EXPOSE}one`);
    expect(ask(network, client, "203.0.113.140")).toBe("10.240.0.5");
  });

  it("leaves out nodes with the label that excludes them", () => {
    const pins = { loadBalancers: { one: { first: "beta" } } };
    const { cluster, network, client } = balancedCluster(FORWARDING, { pins });
    kubectl(cluster, "label node beta node.kubernetes.io/exclude-from-external-load-balancers=");
    kubectl(cluster, `${EXPOSE}one`);
    expect(ask(network, client, "203.0.113.140")).toBe("10.180.1.1");
  });

  it("takes nodes without endpoint out once they failed their checks, and keeps the client's address", () => {
    const { cluster, network, client } = balancedCluster(FORWARDING);
    kubectl(cluster, `${EXPOSE}one`);
    kubectl(cluster, 'patch svc one -p {"spec":{"externalTrafficPolicy":"Local"}}');
    wait(network, 10);
    const seen = Array.from({ length: 6 }, () => ask(network, client, "203.0.113.140"));
    expect(seen).toEqual(new Array(6).fill("10.240.0.79"));
  });

  it.each([
    ["none", "exit 28"],
    // A node without any endpoint rejects what it gets.
    ["all", "exit 7"],
  ] as const)("when every node is unhealthy gives its packets to %s", (whenAllUnhealthy, ends) => {
    const { cluster, network, client } = balancedCluster({ ...FORWARDING, whenAllUnhealthy });
    kubectl(cluster, `${EXPOSE}one`);
    kubectl(cluster, 'patch svc one -p {"spec":{"externalTrafficPolicy":"Local"}}');
    kubectl(cluster, "scale deployment web --replicas=0");
    wait(network, 10);
    expect(ask(network, client, "203.0.113.140")).toBe(ends);
  });

  it("as a proxy hides the client even with the policy Local", () => {
    const { cluster, network, client } = balancedCluster({ ...PROXY, headers: { one: "x-forwarded-for" } });
    kubectl(cluster, `${EXPOSE}one`);
    kubectl(cluster, 'patch svc one -p {"spec":{"externalTrafficPolicy":"Local"}}');
    wait(network, 10);
    expect(ask(network, client, "203.0.113.140")).toBe("10.240.0.9");
  });
});
