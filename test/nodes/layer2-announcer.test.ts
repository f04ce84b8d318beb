import { describe, expect, it } from "vitest";
import { address } from "../../src/netstack/index.ts";
import type { Layer2Spec } from "../../src/nodes/index.ts";
import { ask, balancedCluster, kubectl, wait, whoAnswers } from "./balanced-cluster.ts";

const VIP = address("10.240.0.240");
const LAYER2: Layer2Spec = { kind: "layer2", addresses: [VIP], leader: "endpoint-node" };
const EXPOSE = "expose deployment web --port=80 --target-port=8080 --type=LoadBalancer --name=one";
const LOCAL = 'patch svc one -p {"spec":{"externalTrafficPolicy":"Local"}}';

describe("layer 2 announcement", () => {
  it("lets the leader answer for the address, and spreads from there", () => {
    const pins = { loadBalancers: { one: { first: "beta" } } };
    const { cluster, network, client } = balancedCluster(LAYER2, { pins });
    kubectl(cluster, EXPOSE);
    expect(ask(network, client, "10.240.0.240")).toBe("10.240.0.5");
    expect(whoAnswers(cluster, client, VIP)).toBe("beta");
  });

  it("moves the address to a node with an endpoint, and says so unasked", () => {
    const pins = { loadBalancers: { one: { first: "beta" } } };
    const { cluster, network, client } = balancedCluster(LAYER2, { pins });
    kubectl(cluster, EXPOSE);
    expect(ask(network, client, "10.240.0.240")).toBe("10.240.0.5");
    kubectl(cluster, LOCAL);
    expect(ask(network, client, "10.240.0.240")).toBe("10.240.0.79");
    expect(whoAnswers(cluster, client, VIP)).toBe("alpha");
  });

  it("stays with a leader without endpoint where any node may lead, and the packets are dropped there", () => {
    const pins = { loadBalancers: { one: { first: "beta" } } };
    const { cluster, network, client } = balancedCluster({ ...LAYER2, leader: "any-node" }, { pins });
    kubectl(cluster, EXPOSE);
    kubectl(cluster, LOCAL);
    expect(ask(network, client, "10.240.0.240")).toBe("exit 28");
    expect(whoAnswers(cluster, client, VIP)).toBe("beta");
  });

  it("answers for nobody once the Service is gone", () => {
    const { cluster, network, client } = balancedCluster(LAYER2);
    kubectl(cluster, EXPOSE);
    wait(network, 1);
    kubectl(cluster, "delete svc one");
    expect(ask(network, client, "10.240.0.240")).toBe("exit 28");
    expect(whoAnswers(cluster, client, VIP)).toBeUndefined();
  });
});
