import fc from "fast-check";
import type { EndpointSlice, KubeProxyFlags, Service, ServicePortSpec, SliceEndpoint } from "../../src/kube/index.ts";

/*
 * Clusters at random, as far as kube-proxy looks at them: Services with everything that one can be told, their EndpointSlices, and kube-proxy's flags.
 */

export interface RandomCluster {
  readonly services: readonly Service[];
  readonly endpointSlices: readonly EndpointSlice[];
  readonly flags: KubeProxyFlags;
}

const PROTOCOLS = ["TCP", "UDP", "SCTP"] as const;
const POLICIES = ["Cluster", "Local"] as const;
const TYPES = ["ClusterIP", "NodePort", "LoadBalancer"] as const;
const RANGES = ["198.51.100.0/24", "10.240.0.0/24", "203.0.113.7/32", "0.0.0.0/0", "192.0.2.128/25"];
const NODES = ["node1", "node2", undefined];

/** What is drawn of one Service; addresses and ports follow from its place in the list, so that no two clash. */
interface Draw {
  readonly type: (typeof TYPES)[number];
  readonly external: (typeof POLICIES)[number];
  readonly internal: (typeof POLICIES)[number];
  /** A nodePort and load balancer addresses that have stayed although the type is ClusterIP. */
  readonly isLeftover: boolean;
  readonly protocols: readonly (typeof PROTOCOLS)[number][];
  readonly isNamed: boolean;
  readonly affinitySeconds: number | undefined;
  readonly externalIps: number;
  readonly vips: readonly ("VIP" | "Proxy")[];
  readonly ranges: readonly string[];
  readonly endpoints: readonly EndpointDraw[];
}

interface EndpointDraw {
  readonly node: string | undefined;
  readonly state: "ready" | "serving-terminating" | "not-ready" | "terminating";
  readonly zones: readonly string[] | undefined;
  readonly nodes: readonly string[] | undefined;
}

const endpointArbitrary: fc.Arbitrary<EndpointDraw> = fc.record({
  node: fc.constantFrom(...NODES),
  state: fc.constantFrom("ready", "ready", "ready", "serving-terminating", "not-ready", "terminating"),
  zones: fc.constantFrom(undefined, ["a"], ["a"], ["b"], ["a", "b"]),
  nodes: fc.constantFrom(undefined, undefined, undefined, ["node1"], ["node2"]),
});

const serviceArbitrary: fc.Arbitrary<Draw> = fc.record({
  type: fc.constantFrom(...TYPES),
  external: fc.constantFrom(...POLICIES),
  internal: fc.constantFrom("Cluster", "Cluster", "Local"),
  isLeftover: fc.constantFrom(false, false, false, true),
  protocols: fc.array(fc.constantFrom(...PROTOCOLS), { minLength: 1, maxLength: 2 }),
  isNamed: fc.boolean(),
  affinitySeconds: fc.constantFrom(undefined, undefined, 10_800, 1, 3661),
  externalIps: fc.integer({ min: 0, max: 2 }),
  vips: fc.array(fc.constantFrom("VIP", "VIP", "Proxy"), { maxLength: 2 }),
  ranges: fc.subarray(RANGES),
  endpoints: fc.array(endpointArbitrary, { maxLength: 5 }),
});

const flagsArbitrary: fc.Arbitrary<KubeProxyFlags> = fc.record({
  detectLocalMode: fc.constantFrom("ClusterCIDR", "BridgeInterface", "InterfaceNamePrefix"),
  clusterCidr: fc.constantFrom("10.180.0.0/16", ""),
  podBridgeInterface: fc.constant("cbr0"),
  podInterfaceNamePrefix: fc.constant("cali"),
  masqueradeAll: fc.boolean(),
  masqueradeBit: fc.constantFrom(14, 14, 0, 31),
  nodePortAddresses: fc.constantFrom([], [], ["10.240.0.0/24"], ["127.0.0.0/8", "10.180.1.0/24"], ["primary"]),
  localhostNodePorts: fc.boolean(),
});

/** Clusters of up to eight Services. */
export const clusterArbitrary: fc.Arbitrary<RandomCluster> = fc
  .record({ draws: fc.array(serviceArbitrary, { maxLength: 8 }), flags: flagsArbitrary })
  .map(({ draws, flags }) => ({
    services: draws.map(makeService),
    endpointSlices: draws.map(makeSlice),
    flags,
  }));

function portsOf({ protocols, isNamed, type, isLeftover }: Draw, index: number): readonly ServicePortSpec[] {
  return protocols.map((protocol, port) => ({
    ...((isNamed || protocols.length > 1) && { name: `p${port}` }),
    protocol,
    port: 80 + port,
    ...((type !== "ClusterIP" || isLeftover) && { nodePort: 30_000 + index * 10 + port }),
  }));
}

function makeService(draw: Draw, index: number): Service {
  const { type, external, internal, affinitySeconds, externalIps, vips, ranges } = draw;
  const externalIPs = Array.from({ length: externalIps }, (_, each) => `192.0.2.${index * 2 + each + 1}`);
  const ingress = vips.map((ipMode, each) => ({ ip: `203.0.113.${index * 2 + each + 1}`, ipMode }));
  const isLoadBalancer = type === "LoadBalancer" || draw.isLeftover;
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: `svc-${index}`, namespace: index % 2 === 0 ? "default" : "other" },
    spec: {
      type,
      clusterIP: `10.0.0.${index + 10}`,
      ports: portsOf(draw, index),
      internalTrafficPolicy: internal,
      externalIPs,
      ...((type !== "ClusterIP" || externalIps > 0) && { externalTrafficPolicy: external }),
      ...(affinitySeconds !== undefined && {
        sessionAffinity: "ClientIP" as const,
        sessionAffinityConfig: { clientIP: { timeoutSeconds: affinitySeconds } },
      }),
      ...(isLoadBalancer && { loadBalancerSourceRanges: ranges }),
      ...(isLoadBalancer && external === "Local" && { healthCheckNodePort: 32_000 + index }),
    },
    ...(isLoadBalancer && { status: { loadBalancer: { ingress } } }),
  };
}

function makeSlice(draw: Draw, index: number): EndpointSlice {
  const namespace = index % 2 === 0 ? "default" : "other";
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: `svc-${index}-a`, namespace, labels: { "kubernetes.io/service-name": `svc-${index}` } },
    addressType: "IPv4",
    ports: portsOf(draw, index).map(({ name = "", protocol = "TCP" }, port) => ({ name, protocol, port: 8080 + port })),
    endpoints: draw.endpoints.map((endpoint, each) =>
      makeEndpoint(endpoint, `10.180.${(each % 3) + 1}.${index * 10 + each + 2}`),
    ),
  };
}

function makeEndpoint({ node, state, zones, nodes }: EndpointDraw, address: string): SliceEndpoint {
  const serving = state === "ready" || state === "serving-terminating";
  const conditions = { ready: state === "ready", serving, terminating: state.endsWith("terminating") };
  return {
    addresses: [address],
    conditions,
    ...(node !== undefined && { nodeName: node }),
    hints: {
      ...(zones !== undefined && { forZones: zones.map((name) => ({ name })) }),
      ...(nodes !== undefined && { forNodes: nodes.map((name) => ({ name })) }),
    },
  };
}
