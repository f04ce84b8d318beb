import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { service, slice } from "../../kube/cluster-objects.ts";
import { KernelLab, whatTheLabLacks } from "../../support/kernel-lab.ts";
import {
  BALANCED,
  CURL,
  curl,
  EP1,
  EP2,
  LOCAL,
  NODE_PORT,
  NODEPORT,
  nodeRules,
  PORTS,
  SERVERS,
  VIP,
  web,
} from "../../support/kernel-lab-cluster.ts";
import { KernelReport } from "../../support/kernel-lab-report.ts";
import type { LabScenario } from "../../support/kernel-lab-scenario.ts";
import { CLUSTER } from "../../support/kernel-lab-topologies.ts";

/* A Kubernetes cluster: kube-proxy's rules as natscope makes and prints them, in a real kernel and in natscope. */

const SCENARIOS: readonly LabScenario[] = [
  { name: "ClusterIP, same node", rules: web(), steps: [curl("bb1", VIP)] },
  { name: "ClusterIP, other node", rules: web(), steps: [curl("bb3", VIP)] },
  { name: "ClusterIP from the endpoint's node", rules: web(), steps: [curl("node1", VIP)] },
  { name: "ClusterIP from another node", rules: web(), steps: [curl("node3", VIP)] },
  { name: "ClusterIP, hairpin", rules: web(), steps: [curl("ep1", VIP)] },
  { name: "ClusterIP, masquerade all", rules: web({}, [EP1], { masqueradeAll: true }), steps: [curl("bb3", VIP)] },
  { name: "NodePort, endpoint's node", rules: web(NODEPORT), steps: [curl("client", `10.240.0.3:${NODE_PORT}`)] },
  { name: "NodePort, another node", rules: web(NODEPORT), steps: [curl("client", `10.240.0.4:${NODE_PORT}`)] },
  {
    name: "NodePort, each node in turn",
    rules: web(NODEPORT),
    steps: [3, 4, 5].map((last) => curl("client", `10.240.0.${last}:${NODE_PORT}`)),
  },
  { name: "NodePort from a pod", rules: web(NODEPORT), steps: [curl("bb3", `10.240.0.4:${NODE_PORT}`)] },
  { name: "NodePort at localhost", rules: web(NODEPORT), steps: [curl("node1", `127.0.0.1:${NODE_PORT}`)] },
  {
    name: "NodePort at another node's localhost",
    rules: web(NODEPORT),
    steps: [curl("node3", `127.0.0.1:${NODE_PORT}`)],
  },
  { name: "NodePort from the node itself", rules: web(NODEPORT), steps: [curl("node3", `10.240.0.5:${NODE_PORT}`)] },
  { name: "NodePort Local, endpoint's node", rules: web(LOCAL), steps: [curl("client", `10.240.0.3:${NODE_PORT}`)] },
  {
    name: "NodePort Local, node without endpoint",
    rules: web(LOCAL),
    steps: [curl("client", `10.240.0.4:${NODE_PORT}`)],
  },
  { name: "NodePort Local from a pod of the node", rules: web(LOCAL), steps: [curl("bb1", `10.240.0.3:${NODE_PORT}`)] },
  { name: "NodePort Local from a pod, other node", rules: web(LOCAL), steps: [curl("bb3", `10.240.0.4:${NODE_PORT}`)] },
  { name: "load balancer VIP", rules: web(BALANCED), steps: [curl("client", "203.0.113.140")] },
  {
    name: "load balancer VIP, Local",
    rules: web({ ...BALANCED, externalTrafficPolicy: "Local" }),
    steps: [curl("client", "203.0.113.141")],
  },
  {
    name: "load balancer VIP, Local, wrong node",
    rules: web({ ...BALANCED, externalTrafficPolicy: "Local" }),
    steps: [curl("client", "203.0.113.140")],
  },
  {
    name: "load balancer VIP, source range allows",
    rules: web({ ...BALANCED, loadBalancerSourceRanges: ["198.51.100.79/32"] }),
    steps: [curl("client", "203.0.113.140")],
  },
  {
    name: "load balancer VIP, source range forbids",
    rules: web({ ...BALANCED, loadBalancerSourceRanges: ["198.51.100.79/32"] }),
    steps: [curl("client", "203.0.113.140", "--interface 198.51.100.80")],
  },
  { name: "load balancer VIP from a pod", rules: web(BALANCED), steps: [curl("bb3", "203.0.113.140")] },
  { name: "no endpoints, ClusterIP from a pod", rules: web(NODEPORT, []), steps: [curl("bb3", VIP)] },
  { name: "no endpoints, ClusterIP from a node", rules: web(NODEPORT, []), steps: [curl("node3", VIP)] },
  { name: "no endpoints, NodePort", rules: web(NODEPORT, []), steps: [curl("client", `10.240.0.4:${NODE_PORT}`)] },
  { name: "no endpoints, load balancer VIP", rules: web(BALANCED, []), steps: [curl("client", "203.0.113.140")] },
  {
    name: "affinity holds a client to its endpoint",
    rules: web(
      { ...NODEPORT, sessionAffinity: "ClientIP", sessionAffinityConfig: { clientIP: { timeoutSeconds: 10800 } } },
      [EP1, EP2],
    ),
    steps: [1, 2, 3].map(() => curl("client", `10.240.0.5:${NODE_PORT}`)),
    draws: true,
  },
  {
    name: "two endpoints, one is drawn",
    rules: web(NODEPORT, [EP1, EP2]),
    steps: [curl("client", `10.240.0.5:${NODE_PORT}`)],
    draws: true,
  },
  {
    name: "UDP Service, ClusterIP and NodePort",
    rules: nodeRules({
      services: [service("dns", "10.0.0.53", { type: "NodePort", ports: ["53/UDP:30053"] })],
      slices: [slice("dns", ["5353/UDP"], [EP1])],
    }),
    steps: [
      { on: "bb3", udp: "10.0.0.53:53", from: 40001, size: 40 },
      { on: "client", udp: "10.240.0.4:30053", from: 40002, size: 40 },
    ],
    ports: [53, 30053, 40001, 40002],
  },
  {
    name: "no endpoints, UDP",
    rules: nodeRules({
      services: [service("dns", "10.0.0.53", { type: "NodePort", ports: ["53/UDP:30053"] })],
      slices: [slice("dns", ["5353/UDP"], [])],
    }),
    steps: [
      { on: "bb3", udp: "10.0.0.53:53", from: 40003, size: 40 },
      { on: "client", udp: "10.240.0.4:30053", from: 40004, size: 40 },
    ],
    ports: [53, 30053, 40003, 40004],
  },
  {
    name: "fragments through DNAT",
    rules: nodeRules({
      services: [service("dns", "10.0.0.53", { type: "NodePort", ports: ["53/UDP:30053"] })],
      slices: [slice("dns", ["5353/UDP"], [EP1])],
    }),
    steps: [{ on: "client", udp: "10.240.0.4:30053", from: 40005, size: 3000 }],
    ports: [53, 30053, 40005],
  },
  {
    name: "endpoint that does not listen answers RST",
    rules: nodeRules({
      services: [service("web", VIP, NODEPORT)],
      slices: [slice("web", ["8081"], [EP1])],
    }),
    steps: [curl("client", `10.240.0.4:${NODE_PORT}`)],
    ports: [8081],
  },
  {
    name: "ping and traceroute to a pod and a VIP",
    rules: web(NODEPORT),
    steps: [
      { on: "bb3", run: "ping -c 1 -W 1 10.244.1.5" },
      { on: "bb3", run: "traceroute -n -q 1 -N 1 -w 0.3 -m 3 10.244.1.5" },
    ],
    ports: [33434, 33435, 33436],
  },
  {
    name: "a large page through NodePort",
    rules: web(NODEPORT),
    steps: [{ on: "client", run: `${CURL} -o /dev/null http://10.240.0.4:${NODE_PORT}/9000` }],
  },
].map((scenario) => ({ ...scenario, ports: [...PORTS, ...(scenario.ports ?? [])] }));

const missing = whatTheLabLacks();
if (missing !== undefined) {
  if (process.env.CI) throw new Error(missing);
  console.warn(`test/system/kernel/cluster.test.ts is skipped: ${missing}`);
}

describe.skipIf(missing !== undefined)("a cluster does what the kernel does", () => {
  const report = new KernelReport();
  let lab: KernelLab | undefined;

  beforeAll(async () => {
    lab = await KernelLab.build(CLUSTER, SERVERS);
  });
  afterAll(async () => {
    await lab?.close();
    console.log(report.table());
  });

  it.each(SCENARIOS)("$name", async (scenario) => {
    expect(await report.compare(lab!, SERVERS, scenario)).toEqual([]);
  });
});
