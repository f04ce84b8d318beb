import { describe, expect, it } from "vitest";
import { type KubeObject, ProxyObjects, staleConnections } from "../../src/kube/index.ts";
import type { ConntrackEntry, Tuple } from "../../src/nat/index.ts";
import { parseIpv4 } from "../../src/netstack/index.ts";

const SERVICE = {
  apiVersion: "v1",
  kind: "Service",
  metadata: { name: "dns", namespace: "default" },
  spec: {
    type: "NodePort",
    clusterIP: "10.0.0.10",
    externalIPs: ["203.0.113.9"],
    ports: [
      { name: "dns", protocol: "UDP", port: 53, nodePort: 30053 },
      { name: "dns-tcp", protocol: "TCP", port: 53, nodePort: 30054 },
    ],
  },
  status: { loadBalancer: { ingress: [{ ip: "203.0.113.140" }] } },
} as const;

function slice(endpoints: readonly object[]): object {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: "dns-1", namespace: "default", labels: { "kubernetes.io/service-name": "dns" } },
    addressType: "IPv4",
    ports: [
      { name: "dns", protocol: "UDP", port: 5353 },
      { name: "dns-tcp", protocol: "TCP", port: 5353 },
    ],
    endpoints,
  };
}

const READY = { addresses: ["10.180.1.5"], conditions: { ready: true, serving: true } };
const ENDING = { addresses: ["10.180.1.6"], conditions: { ready: false, serving: true, terminating: true } };
const DOWN = { addresses: ["10.180.1.7"], conditions: { ready: false, serving: false } };

/** `udp 10.0.0.10:53 < 10.180.1.5:5353`: who was called, and who answers. */
function entry(text: string): ConntrackEntry {
  const [, protocol, called = "", port, from = "", fromPort] =
    /^(udp|tcp) ([\d.]+):(\d+) < ([\d.]+):(\d+)$/.exec(text) ?? [];
  const number = protocol === "tcp" ? 6 : 17;
  const client = { address: parseIpv4("10.180.3.8")!, port: 40_000 };
  const original: Tuple = {
    protocol: number,
    source: client.address,
    sourcePort: client.port,
    destination: parseIpv4(called)!,
    destinationPort: Number(port),
  };
  const reply: Tuple = {
    protocol: number,
    source: parseIpv4(from)!,
    sourcePort: Number(fromPort),
    destination: client.address,
    destinationPort: client.port,
  };
  return { original, reply, state: undefined, timeout: 30, seenReply: true, assured: false, mark: 0 };
}

function stale(endpoints: readonly object[], text: string): boolean {
  const objects = new ProxyObjects();
  for (const object of [SERVICE, slice(endpoints)]) objects.follow({ type: "added", object: object as KubeObject });
  return staleConnections(objects)(entry(text));
}

describe("staleConnections()", () => {
  it.each([
    ["an endpoint that serves", "udp 10.0.0.10:53 < 10.180.1.5:5353", false],
    ["one that serves while it ends", "udp 10.0.0.10:53 < 10.180.1.6:5353", false],
    ["one that does not serve", "udp 10.0.0.10:53 < 10.180.1.7:5353", true],
    ["one that is gone", "udp 10.0.0.10:53 < 10.180.1.99:5353", true],
    ["another port of an endpoint", "udp 10.0.0.10:53 < 10.180.1.5:53", true],
    ["nobody: sent on as it was when there were no rules", "udp 10.0.0.10:53 < 10.0.0.10:53", true],
    ["an external IP's old endpoint", "udp 203.0.113.9:53 < 10.180.1.99:5353", true],
    ["the load balancer's old endpoint", "udp 203.0.113.140:53 < 10.180.1.99:5353", true],
    ["a nodePort's old endpoint, on any address", "udp 10.240.0.4:30053 < 10.180.1.99:5353", true],
    ["a nodePort's endpoint", "udp 10.240.0.4:30053 < 10.180.1.5:5353", false],
    ["another Service", "udp 10.0.0.11:53 < 10.180.1.99:5353", false],
    ["TCP, which ends by itself", "tcp 10.0.0.10:53 < 10.180.1.99:5353", false],
  ])("of a connection with %s", (_, text, expected) => {
    expect(stale([READY, ENDING, DOWN], text)).toBe(expected);
  });

  it("leaves a Service without endpoints alone", () => {
    expect(stale([DOWN], "udp 10.0.0.10:53 < 10.180.1.99:5353")).toBe(false);
  });
});
