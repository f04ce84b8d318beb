import { describe, expect, test } from "vitest";
import { iptablesRules } from "../../src/kube/index.ts";
import { ANYWHERE, BOTH, expectFlow, type Group, HERE, LOCAL, NONE, rowsOf, THERE, VIP } from "./flow-table.ts";

const GROUPS: readonly Group[] = [
  {
    title: "policies Cluster, endpoints here and there",
    parts: ANYWHERE,
    endpoints: BOTH,
    rows: `
      pod > cluster-ip | here there | -
      pod-elsewhere > cluster-ip | here there | -
      endpoint > cluster-ip | here there | here
      node > cluster-ip | here there | here there
      bridge > cluster-ip | here there | -
      outside > cluster-ip | here there | here there
      pod > cluster-ip:81 | untouched | -
      pod > node-port | here there | here there
      pod-elsewhere > node-port | here there | here there
      endpoint > node-port | here there | here there
      node > node-port | here there | here there
      outside > node-port | here there | here there
      outside > bridge:node-port | here there | here there
      localhost > localhost:node-port | here there | here there
      pod > other-node:node-port | untouched | -
      outside > vip | here there | here there
      pod > vip | here there | here there
      node > vip | here there | here there
      outside > vip:node-port | untouched | -
      outside > external-ip | here there | here there
      pod > external-ip | here there | here there
      node > external-ip | here there | here there
      outside > external-ip:node-port | untouched | -
      outside > health-check | untouched | -
    `,
  },
  {
    title: "policies Cluster, the only endpoint elsewhere",
    parts: ANYWHERE,
    endpoints: THERE,
    rows: `
      pod > cluster-ip | there | -
      outside > node-port | there | there
      outside > vip | there | there
      node > node-port | there | there
      localhost > localhost:node-port | there | there
    `,
  },
  {
    title: "policies Cluster, the only endpoint here",
    parts: ANYWHERE,
    endpoints: HERE,
    rows: `
      pod > cluster-ip | here | -
      outside > node-port | here | here
      endpoint > cluster-ip | here | here
      node > vip | here | here
    `,
  },
  {
    title: "no endpoints",
    parts: ANYWHERE,
    endpoints: NONE,
    rows: `
      pod > cluster-ip | reject | -
      node > cluster-ip | reject | -
      outside > cluster-ip | reject | -
      outside > node-port | reject | -
      pod > node-port | reject | -
      node > node-port | reject | -
      localhost > localhost:node-port | reject | -
      outside > vip | reject | -
      pod > vip | reject | -
      node > vip | untouched | -
      outside > external-ip | reject | -
      node > external-ip | untouched | -
      pod > other-node:node-port | untouched | -
    `,
  },
  {
    title: "no endpoints, VIPs that are addresses of the node",
    parts: ANYWHERE,
    endpoints: NONE,
    ownsVips: true,
    rows: `
      node > vip | reject | -
      node > external-ip | reject | -
      outside > vip | reject | -
      outside > vip:node-port | reject | -
    `,
  },
  {
    title: "no ready endpoints",
    parts: ANYWHERE,
    endpoints: ["10.180.1.5 node1 not-ready", "10.180.2.6 node2 terminating"],
    rows: `
      pod > cluster-ip | reject | -
      outside > node-port | reject | -
    `,
  },
  {
    title: "policies Cluster, endpoints that serve while they terminate",
    parts: ANYWHERE,
    endpoints: ["10.180.1.5 node1 serving-terminating", "10.180.2.6 node2 serving-terminating"],
    rows: `
      pod > cluster-ip | here there | -
      outside > node-port | here there | here there
    `,
  },
  {
    title: "policies Cluster, a terminating endpoint beside a ready one",
    parts: ANYWHERE,
    endpoints: ["10.180.1.5 node1 serving-terminating", "10.180.2.6 node2"],
    rows: `
      pod > cluster-ip | there | -
      outside > node-port | there | there
    `,
  },
  {
    title: "external policy Local, endpoints here and there",
    parts: LOCAL,
    endpoints: BOTH,
    rows: `
      pod > cluster-ip | here there | -
      node > cluster-ip | here there | here there
      outside > cluster-ip | here there | here there
      outside > node-port | here | -
      outside > vip | here | -
      outside > external-ip | here | -
      pod > node-port | here there | -
      pod-elsewhere > node-port | here there | -
      endpoint > node-port | here there | here
      endpoint > vip | here there | here
      pod > vip | here there | -
      pod > external-ip | here there | -
      node > node-port | here there | here there
      bridge > node-port | here there | -
      localhost > localhost:node-port | here there | here there
      node > vip | here there | here there
      node > external-ip | here there | here there
      outside > vip:node-port | untouched | -
      outside > health-check | untouched | -
    `,
  },
  {
    title: "external policy Local, the only endpoint elsewhere",
    parts: LOCAL,
    endpoints: THERE,
    rows: `
      pod > cluster-ip | there | -
      node > cluster-ip | there | there
      outside > node-port | drop | -
      outside > bridge:node-port | drop | -
      outside > vip | drop | -
      outside > external-ip | drop | -
      pod > node-port | there | -
      pod-elsewhere > node-port | there | -
      pod > vip | there | -
      node > node-port | there | there
      localhost > localhost:node-port | there | there
      node > vip | there | there
      node > external-ip | there | there
      outside > health-check | untouched | -
    `,
  },
  {
    title: "external policy Local, the only endpoint here",
    parts: LOCAL,
    endpoints: HERE,
    rows: `
      outside > node-port | here | -
      outside > vip | here | -
      pod > vip | here | -
      endpoint > vip | here | here
      node > vip | here | here
    `,
  },
  {
    title: "external policy Local, no endpoints",
    parts: LOCAL,
    endpoints: NONE,
    rows: `
      pod > cluster-ip | reject | -
      outside > node-port | reject | -
      outside > vip | reject | -
      pod > vip | reject | -
      node > vip | untouched | -
    `,
  },
  {
    title: "external policy Local, a terminating endpoint here and a ready one elsewhere",
    parts: LOCAL,
    endpoints: ["10.180.1.5 node1 serving-terminating", "10.180.2.6 node2"],
    rows: `
      pod > cluster-ip | there | -
      outside > node-port | here | -
      pod > node-port | there | -
      node > node-port | there | there
    `,
  },
  {
    title: "external policy Local, only elsewhere an endpoint that serves while it terminates",
    parts: LOCAL,
    endpoints: ["10.180.2.6 node2 serving-terminating"],
    rows: `
      outside > node-port | drop | -
      pod > node-port | there | -
      pod > cluster-ip | there | -
    `,
  },
  {
    title: "external policy Local without a way to tell pods",
    parts: LOCAL,
    endpoints: BOTH,
    flags: { clusterCidr: "" },
    rows: `
      pod > node-port | here | -
      pod > vip | here | -
      node > vip | here there | here there
      outside > vip | here | -
      outside > cluster-ip | here there | -
      node > cluster-ip | here there | -
      endpoint > cluster-ip | here there | here
    `,
  },
  {
    title: "external policy Local without a way to tell pods, the only endpoint elsewhere",
    parts: LOCAL,
    endpoints: THERE,
    flags: { clusterCidr: "" },
    rows: `
      pod > node-port | drop | -
      pod > vip | drop | -
      node > vip | there | there
    `,
  },
  {
    title: "internal policy Local, endpoints here and there",
    parts: { ...ANYWHERE, internalTrafficPolicy: "Local" },
    endpoints: BOTH,
    rows: `
      pod > cluster-ip | here | -
      endpoint > cluster-ip | here | here
      node > cluster-ip | here | here
      outside > cluster-ip | here | here
      outside > node-port | here there | here there
      pod > vip | here there | here there
      outside > external-ip | here there | here there
    `,
  },
  {
    title: "internal policy Local, the only endpoint elsewhere",
    parts: { ...ANYWHERE, internalTrafficPolicy: "Local" },
    endpoints: THERE,
    rows: `
      pod > cluster-ip | drop | -
      node > cluster-ip | drop | -
      outside > cluster-ip | drop | -
      outside > node-port | there | there
      pod > node-port | there | there
    `,
  },
  {
    title: "internal policy Local, no endpoints",
    parts: { internalTrafficPolicy: "Local" },
    endpoints: NONE,
    rows: `
      pod > cluster-ip | reject | -
      node > cluster-ip | reject | -
    `,
  },
  {
    title: "internal policy Local on a cluster IP alone",
    parts: { internalTrafficPolicy: "Local" },
    endpoints: ["10.180.1.5 node1 serving-terminating", "10.180.2.6 node2"],
    rows: `
      pod > cluster-ip | here | -
      outside > cluster-ip | here | here
    `,
  },
  {
    title: "both policies Local, endpoints here and there",
    parts: { ...LOCAL, internalTrafficPolicy: "Local" },
    endpoints: BOTH,
    rows: `
      pod > cluster-ip | here | -
      node > cluster-ip | here | here
      outside > node-port | here | -
      pod > node-port | here there | -
      node > vip | here there | here there
    `,
  },
  {
    title: "both policies Local, the only endpoint elsewhere",
    parts: { ...LOCAL, internalTrafficPolicy: "Local" },
    endpoints: THERE,
    rows: `
      pod > cluster-ip | drop | -
      outside > vip | drop | -
      pod > vip | there | -
      node > vip | there | there
    `,
  },
  {
    title: "masqueradeAll",
    parts: ANYWHERE,
    endpoints: BOTH,
    flags: { masqueradeAll: true },
    rows: `
      pod > cluster-ip | here there | here there
      outside > cluster-ip | here there | here there
      outside > node-port | here there | here there
    `,
  },
  {
    title: "masqueradeAll and external policy Local",
    parts: LOCAL,
    endpoints: BOTH,
    flags: { masqueradeAll: true },
    rows: `
      pod > cluster-ip | here there | here there
      outside > node-port | here | -
      pod > node-port | here there | -
    `,
  },
  {
    title: "no way to tell pods, policies Cluster",
    parts: ANYWHERE,
    endpoints: BOTH,
    flags: { clusterCidr: "" },
    rows: `
      outside > cluster-ip | here there | -
      node > cluster-ip | here there | -
      outside > node-port | here there | here there
    `,
  },
  {
    title: "pods told by their bridge",
    parts: LOCAL,
    endpoints: BOTH,
    flags: { detectLocalMode: "BridgeInterface", podBridgeInterface: "cbr0" },
    rows: `
      pod > cluster-ip | here there | -
      pod-elsewhere > cluster-ip | here there | here there
      pod > node-port | here there | -
      pod-elsewhere > node-port | here | -
      node > cluster-ip | here there | here there
    `,
  },
  {
    title: "pods told by their interfaces' names",
    parts: LOCAL,
    endpoints: BOTH,
    flags: { detectLocalMode: "InterfaceNamePrefix", podInterfaceNamePrefix: "cb" },
    rows: `
      pod > cluster-ip | here there | -
      outside > cluster-ip | here there | here there
      pod > vip | here there | -
    `,
  },
  {
    title: "source ranges that cover the client and the node",
    parts: { ...ANYWHERE, loadBalancerSourceRanges: ["198.51.100.0/24", "10.240.0.0/16"] },
    endpoints: BOTH,
    ownsVips: true,
    rows: `
      outside > vip | here there | here there
      node > vip | here there | here there
      node-as-vip > vip | here there | here there
      pod > vip | drop | -
      pod > node-port | here there | here there
      pod > external-ip | here there | here there
    `,
  },
  {
    title: "source ranges that cover nobody here",
    parts: { ...ANYWHERE, loadBalancerSourceRanges: ["203.0.113.0/28"] },
    endpoints: BOTH,
    rows: `
      outside > vip | drop | -
      pod > vip | drop | -
      node > vip | drop | -
      outside > node-port | here there | here there
      outside > external-ip | here there | here there
      pod > cluster-ip | here there | -
    `,
  },
  {
    title: "source ranges that cover nobody here, VIP on the node",
    parts: { ...ANYWHERE, loadBalancerSourceRanges: ["198.51.100.0/24"] },
    endpoints: BOTH,
    ownsVips: true,
    rows: `
      node > vip | drop | -
      node-as-vip > vip | drop | -
    `,
  },
  {
    title: "source ranges under external policy Local",
    parts: { ...LOCAL, loadBalancerSourceRanges: ["198.51.100.0/24", "10.180.0.0/16"] },
    endpoints: BOTH,
    rows: `
      outside > vip | here | -
      pod > vip | here there | -
      node > vip | drop | -
    `,
  },
  {
    title: "source ranges under external policy Local, the only endpoint elsewhere",
    parts: { ...LOCAL, loadBalancerSourceRanges: ["10.180.0.0/16"] },
    endpoints: THERE,
    rows: `
      outside > vip | drop | -
      pod > vip | there | -
    `,
  },
  {
    title: "source ranges without endpoints",
    parts: { ...ANYWHERE, loadBalancerSourceRanges: ["203.0.113.0/28"] },
    endpoints: NONE,
    rows: `
      outside > vip | reject | -
    `,
  },
  {
    title: "a source range of everybody",
    parts: { ...ANYWHERE, loadBalancerSourceRanges: ["0.0.0.0/0"] },
    endpoints: BOTH,
    rows: `
      outside > vip | here there | here there
      pod > vip | here there | here there
    `,
  },
  {
    title: "nodePorts on one of the node's addresses only",
    parts: ANYWHERE,
    endpoints: BOTH,
    flags: { nodePortAddresses: ["10.240.0.0/16"] },
    rows: `
      outside > node-port | here there | here there
      outside > bridge:node-port | untouched | -
      localhost > localhost:node-port | untouched | -
    `,
  },
  {
    title: "nodePorts on the primary address only",
    parts: ANYWHERE,
    endpoints: BOTH,
    flags: { nodePortAddresses: ["primary"] },
    rows: `
      outside > node-port | here there | here there
      outside > bridge:node-port | untouched | -
      localhost > localhost:node-port | untouched | -
    `,
  },
  {
    title: "nodePorts on loopback only",
    parts: ANYWHERE,
    endpoints: BOTH,
    flags: { nodePortAddresses: ["127.0.0.0/8"] },
    rows: `
      outside > node-port | untouched | -
      localhost > localhost:node-port | here there | here there
    `,
  },
  {
    title: "no nodePorts on localhost",
    parts: ANYWHERE,
    endpoints: BOTH,
    flags: { localhostNodePorts: false },
    rows: `
      localhost > localhost:node-port | untouched | -
      outside > node-port | here there | here there
    `,
  },
  {
    title: "UDP to a Service that has only TCP",
    parts: ANYWHERE,
    endpoints: BOTH,
    protocol: "udp",
    rows: `
      pod > cluster-ip | untouched | -
      outside > node-port | untouched | -
      outside > vip | untouched | -
    `,
  },
  {
    title: "a nodePort on a Service of type ClusterIP",
    parts: { ports: ["80:31000"], externalTrafficPolicy: "Local" },
    endpoints: BOTH,
    rows: `
      outside > node-port | here there | here there
      pod > node-port | here there | here there
    `,
  },
  {
    title: "a VIP on a Service of type ClusterIP",
    parts: { ports: ["80"], loadBalancerIps: [VIP] },
    endpoints: BOTH,
    rows: `
      outside > vip | here there | here there
    `,
  },
  {
    title: "external IPs and external policy Local on a Service of type ClusterIP",
    parts: { externalIPs: ["192.0.2.10"], externalTrafficPolicy: "Local" },
    endpoints: BOTH,
    rows: `
      outside > external-ip | here | -
      pod > external-ip | here there | -
      node > external-ip | here there | here there
    `,
  },
];

const ROWS = rowsOf(GROUPS);

describe("iptables rules of node1", () => {
  test.each(ROWS)("%s", (_name, group, row) => {
    expectFlow(iptablesRules, group, row);
  });

  test("more than 120 rows were traced", () => {
    expect(ROWS.length).toBeGreaterThan(120);
  });
});
