import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  iptablesRules,
  type KubeProxyFlags,
  kubeProxyConfig,
  nftablesEquivalentRules,
  type ProxyInput,
  type Service,
  type ServicePortSpec,
} from "../../src/kube/index.ts";
import type { Ruleset } from "../../src/nat/index.ts";
import { address } from "../../src/netstack/index.ts";
import { clusterArbitrary, type RandomCluster } from "../support/random-cluster.ts";
import { traceRules } from "../support/rule-tracer.ts";
import { type Answer, type AskedFlow, decide, type OracleNode } from "../support/service-oracle.ts";

/* Random Services, endpoints and flags: what the rules do with a connection is what kube-proxy promises of it. */

const PRIMARY = "10.240.0.4";
const BRIDGE = "10.180.1.1";
const OBJECT = {
  apiVersion: "v1",
  kind: "Node" as const,
  metadata: { name: "node1", labels: { "topology.kubernetes.io/zone": "a" } },
};

/** Who asks, and by which interface of the node. */
const CLIENTS: readonly (readonly [source: string, through: string | undefined])[] = [
  ["10.180.1.250", "cbr0"],
  ["10.180.1.251", "cali12345"],
  ["10.180.3.250", "eth0"],
  ["198.51.100.79", "eth0"],
  ["203.0.113.7", "eth0"],
  [PRIMARY, undefined],
];

function addressesOf(service: Service): [AskedFlow["kind"], string][] {
  const vips = (service.status?.loadBalancer?.ingress ?? []).filter(({ ipMode }) => ipMode === "VIP");
  return [
    ["cluster-ip", service.spec.clusterIP ?? ""],
    ...(service.spec.externalIPs ?? []).map((ip): [AskedFlow["kind"], string] => ["external-ip", ip]),
    ...vips.map(({ ip = "" }): [AskedFlow["kind"], string] => ["vip", ip]),
  ];
}

/** Everything that can be asked of a Service's port: by each client at each address, and by an endpoint of its own. */
function flowsTo(service: Service, port: ServicePortSpec, endpoint: string | undefined): AskedFlow[] {
  const clients = [...CLIENTS, ...(endpoint === undefined ? [] : [[endpoint, "cbr0"] as const])];
  const nodePorts = port.nodePort === undefined ? [] : [PRIMARY, BRIDGE];
  return clients.flatMap(([source, through]) => {
    const vip = through === undefined ? addressesOf(service).flatMap(([kind, ip]) => (kind === "vip" ? [ip] : [])) : [];
    const base = [
      ...addressesOf(service).map(([kind, destination]) => ({ source, in: through, kind, destination })),
      ...nodePorts.map((destination) => ({ source, in: through, kind: "node-port" as const, destination })),
    ];
    const loopback = { source: "127.0.0.1", in: undefined, kind: "node-port", destination: "127.0.0.1" } as const;
    return through === undefined && vip.length + nodePorts.length > 0 && port.nodePort !== undefined
      ? [...base, loopback]
      : base;
  });
}

function traced(
  rules: Ruleset,
  port: ServicePortSpec,
  flow: AskedFlow,
): Answer & { readonly matched: readonly string[] } {
  const number = flow.kind === "node-port" ? (port.nodePort ?? 0) : port.port;
  const protocol = (port.protocol ?? "TCP").toLowerCase() as "tcp" | "udp" | "sctp";
  const interfaces = flow.in === undefined ? {} : { [flow.source]: flow.in };
  const { source, destination } = flow;
  const found = traceRules(
    rules,
    { addresses: [PRIMARY, BRIDGE], interfaces },
    { source, destination, port: number, protocol },
  );
  const isUntouched = found.destinations[0] === `${destination}:${number}`;
  const fate = found.verdict !== "accept" ? found.verdict : isUntouched ? "untouched" : "endpoints";
  const went = fate === "endpoints";
  return {
    fate,
    endpoints: went ? found.destinations : [],
    masqueraded: went ? found.masqueraded : [],
    matched: found.matched,
  };
}

function expectPromises(
  cluster: RandomCluster,
  mode: OracleNode["mode"],
  write: (input: ProxyInput) => Ruleset,
): number {
  const flags: KubeProxyFlags = { ...cluster.flags, mode };
  const addresses = [PRIMARY, BRIDGE].map(address);
  const { config } = kubeProxyConfig({ name: "node1", addresses, object: OBJECT }, flags);
  const rules = write({ services: cluster.services, endpointSlices: cluster.endpointSlices, config });
  const node: OracleNode = { primary: PRIMARY, addresses: [PRIMARY, BRIDGE], flags, mode };
  let asked = 0;
  for (const [index, service] of cluster.services.entries()) {
    const slice = cluster.endpointSlices[index];
    if (slice === undefined) continue;
    const own = slice.endpoints?.find(({ nodeName }) => nodeName === "node1")?.addresses[0];
    for (const port of service.spec.ports ?? []) {
      for (const flow of flowsTo(service, port, own)) {
        const { matched, ...answer } = traced(rules, port, flow);
        const about = { service: service.metadata.name, protocol: port.protocol, flow };
        expect({ ...about, ...answer }, matched.join("\n")).toEqual({
          ...about,
          ...decide(node, service, port, slice, flow),
        });
        asked += 1;
      }
    }
  }
  return asked;
}

describe("kube-proxy's rules keep its promises for any Services, endpoints and flags", () => {
  it.each([
    ["iptables", iptablesRules],
    ["nftables", nftablesEquivalentRules],
  ] as const)("in %s mode", (mode, write) => {
    let asked = 0;
    fc.assert(
      fc.property(clusterArbitrary, (cluster) => {
        asked += expectPromises(cluster, mode, write);
      }),
      { numRuns: 60, seed: 20_250_302 },
    );
    expect(asked).toBeGreaterThan(2000);
  });
});
