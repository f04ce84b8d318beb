import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { service, slice } from "../../kube/cluster-objects.ts";
import { KernelLab, whatTheLabLacks } from "../../support/kernel-lab.ts";
import {
  CURL,
  curl,
  EP1,
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
import { CALICO, FLANNEL } from "../../support/kernel-lab-topologies.ts";

/* Other pod networks than a routed bridge: VXLAN between nodes as flannel sets it up, and Calico's routed veth pairs. */

const UDP_SERVICE = {
  services: [service("dns", "10.0.0.53", { type: "NodePort", ports: ["53/UDP:30053"] })],
  slices: [slice("dns", ["5353/UDP"], [EP1])],
};

const SCENARIOS: readonly LabScenario[] = [
  { name: "pod to pod, other node", rules: {}, steps: [curl("bb3", "10.244.1.5:8080")] },
  { name: "node to pod, other node", rules: {}, steps: [curl("node3", "10.244.1.5:8080")] },
  { name: "ClusterIP, same node", rules: web(), steps: [curl("bb1", VIP)] },
  { name: "ClusterIP, other node", rules: web(), steps: [curl("bb3", VIP)] },
  { name: "ClusterIP from another node", rules: web(), steps: [curl("node3", VIP)] },
  { name: "ClusterIP from the endpoint's node", rules: web(), steps: [curl("node1", VIP)] },
  { name: "NodePort, endpoint's node", rules: web(NODEPORT), steps: [curl("client", `10.240.0.3:${NODE_PORT}`)] },
  { name: "NodePort, another node", rules: web(NODEPORT), steps: [curl("client", `10.240.0.4:${NODE_PORT}`)] },
  { name: "NodePort from a pod", rules: web(NODEPORT), steps: [curl("bb3", `10.240.0.4:${NODE_PORT}`)] },
  { name: "NodePort Local, endpoint's node", rules: web(LOCAL), steps: [curl("client", `10.240.0.3:${NODE_PORT}`)] },
  {
    name: "NodePort Local, node without endpoint",
    rules: web(LOCAL),
    steps: [curl("client", `10.240.0.4:${NODE_PORT}`)],
  },
  {
    name: "a large page through NodePort",
    rules: web(NODEPORT),
    steps: [{ on: "client", run: `${CURL} -o /dev/null http://10.240.0.4:${NODE_PORT}/9000` }],
  },
  {
    name: "UDP Service, ClusterIP and NodePort",
    rules: nodeRules(UDP_SERVICE),
    steps: [
      { on: "bb3", udp: "10.0.0.53:53", from: 40001, size: 40 },
      { on: "client", udp: "10.240.0.4:30053", from: 40002, size: 40 },
    ],
    ports: [53, 30053, 40001, 40002],
  },
  {
    name: "fragments between pods",
    rules: nodeRules(UDP_SERVICE),
    steps: [{ on: "bb3", udp: "10.244.1.5:5353", from: 40003, size: 3000 }],
    ports: [40003],
  },
  {
    name: "ping and traceroute between pods",
    rules: web(),
    steps: [
      { on: "bb3", run: "ping -c 1 -W 1 10.244.1.5" },
      { on: "bb3", run: "traceroute -n -q 1 -N 1 -w 0.3 -m 4 10.244.1.5" },
    ],
    ports: [33434, 33435, 33436, 33437],
  },
].map((scenario) => ({ ...scenario, ports: [...PORTS, 4789, ...(scenario.ports ?? [])] }));

const missing = whatTheLabLacks();
if (missing !== undefined) {
  if (process.env.CI) throw new Error(missing);
  console.warn(`test/system/kernel/pod-networks.test.ts is skipped: ${missing}`);
}

describe.skipIf(missing !== undefined).each([
  ["flannel's VXLAN", FLANNEL],
  ["Calico's routes", CALICO],
])("a cluster with %s does what the kernel does", (network, topology) => {
  const report = new KernelReport();
  let lab: KernelLab | undefined;

  beforeAll(async () => {
    lab = await KernelLab.build(topology, SERVERS);
  });
  afterAll(async () => {
    await lab?.close();
    console.log(report.table());
  });

  it.each(SCENARIOS)("$name", async (scenario) => {
    expect(await report.compare(lab!, SERVERS, { ...scenario, name: `${network}: ${scenario.name}` })).toEqual([]);
  });
});
