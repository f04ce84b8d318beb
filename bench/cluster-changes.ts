import type { Pod } from "../src/kube/index.ts";
import { type Ipv4Address, parseIpv4 } from "../src/netstack/index.ts";
import type { Cluster } from "../src/nodes/index.ts";
import { after, seconds } from "../src/sim/index.ts";
import { DATAGRAMS, MEASURED, nodeAddress, nodeName, type ScaledCluster, serviceName } from "./cluster-scale.ts";

/** A datagram that shows whether a node goes by the new rules. */
export interface Probe {
  /** The node whose rules are asked: its number. */
  readonly by: number;
  readonly to: Ipv4Address;
  readonly port: number;
  readonly arrives: boolean;
}

/** Something that changes in a cluster, and what packets show when it has. Several of one kind follow each other, so each gets its round. */
export interface ClusterChange {
  readonly name: string;
  apply(built: ScaledCluster, round: number): readonly Probe[];
}

/** Every kind of change that reaches nodes' rules, in an order in which each finds what it needs. */
export const CHANGES: readonly ClusterChange[] = [
  { name: "a Service gets a port", apply: (built, round) => changePorts(built, [7000 + round], 7000 + round, true) },
  { name: "a Service loses a port", apply: (built, round) => changePorts(built, [], 7000 + round, false) },
  { name: "a Service is added", apply: (built, round) => addService(built, round) },
  { name: "its type is NodePort", apply: (built, round) => becomeNodePort(built, round) },
  { name: "externalTrafficPolicy is Local", apply: (built, round) => keepTrafficLocal(built, round) },
  { name: "it gets an external IP", apply: (built, round) => addExternalIp(built, round) },
  { name: "its type is LoadBalancer, with source ranges", apply: (built, round) => becomeBalanced(built, round) },
  {
    name: "sessionAffinity is ClientIP",
    apply: (built, round) => patchOwn(built, round, { sessionAffinity: "ClientIP" }),
  },
  {
    name: "trafficDistribution is PreferSameNode",
    apply: (built, round) => patchOwn(built, round, { trafficDistribution: "PreferSameNode" }),
  },
  { name: "internalTrafficPolicy is Local", apply: (built, round) => keepInternalTrafficLocal(built, round) },
  { name: "a Service is deleted", apply: (built, round) => deleteService(built, round) },
  { name: "a Deployment is scaled up", apply: (built, round) => scale(built, round, 40) },
  { name: "a Deployment is scaled down", apply: (built, round) => scale(built, round, 15) },
  { name: "a pod is deleted", apply: (built, round) => deletePod(built, round) },
  { name: "a node fails", apply: (built, round) => failNode(built, round) },
  { name: "a node is back", apply: (built, round) => restoreNode(built, round) },
  { name: "a node moves to another zone", apply: (built, round) => moveNode(built, round) },
  { name: "100 Services are added", apply: (built, round) => addServices(built, round, 100) },
];

/** Nodes of which some have an endpoint of the measured Service, and others have none. */
export function endpointNodes({ cluster }: ScaledCluster): ReadonlySet<string> {
  return new Set(measuredPods(cluster).map(({ spec }) => spec.nodeName ?? ""));
}

/** The pods of the measured Service's Deployment. */
export function measuredPods({ api }: Cluster): readonly Pod[] {
  const owner = api.require({ kind: "Deployment", name: serviceName(MEASURED) });
  return api.ownedBy(owner).filter((object): object is Pod => object.kind === "Pod");
}

function changePorts(built: ScaledCluster, added: readonly number[], asked: number, arrives: boolean): Probe[] {
  const { cluster } = built;
  const http = { name: "http", port: 80, targetPort: 8080 };
  const more = added.map((port) => ({ ...DATAGRAMS, name: `more-${port}`, port }));
  cluster.api.patch(measured(), { spec: { ports: [http, DATAGRAMS, ...more] } }, "merge");
  const to = clusterIp(cluster, serviceName(MEASURED));
  return [asked, asked + 1].map((by) => ({ by: by * 13, to, port: asked, arrives }));
}

function addService(built: ScaledCluster, round: number): Probe[] {
  const { cluster } = built;
  cluster.api.apply(newService(ownName(round)));
  return toOwn(built, round, true);
}

function becomeNodePort(built: ScaledCluster, round: number): Probe[] {
  patchOwn(built, round, { type: "NodePort" });
  return [
    { ...nodePortOf(built, round, round * 17), arrives: true },
    { ...nodePortOf(built, round, round * 17 + 5), arrives: true },
  ];
}

/** Traffic to a node's own address goes to the node's own endpoints only. */
function keepTrafficLocal(built: ScaledCluster, round: number): Probe[] {
  patchOwn(built, round, { externalTrafficPolicy: "Local" });
  const [with_, without] = nodesWithAndWithout(built, round);
  return [
    { ...nodePortOf(built, round, with_), arrives: true },
    { ...nodePortOf(built, round, without), arrives: false },
  ];
}

function addExternalIp(built: ScaledCluster, round: number): Probe[] {
  const ip = `172.16.255.${round + 1}`;
  patchOwn(built, round, { externalIPs: [ip] });
  const [with_, without] = nodesWithAndWithout(built, round);
  const to = parsed(ip);
  return [
    { by: with_, to, port: DATAGRAMS.port, arrives: true },
    { by: without, to, port: DATAGRAMS.port, arrives: false },
  ];
}

/** Who is outside the ranges is not let in. */
function becomeBalanced(built: ScaledCluster, round: number): Probe[] {
  const { cluster } = built;
  patchOwn(built, round, {
    type: "LoadBalancer",
    externalTrafficPolicy: "Cluster",
    loadBalancerSourceRanges: ["10.200.0.0/16"],
  });
  const ip = `172.16.254.${round + 1}`;
  cluster.api.setStatus({ kind: "Service", name: ownName(round) }, { loadBalancer: { ingress: [{ ip }] } });
  return [{ by: round * 19, to: parsed(ip), port: DATAGRAMS.port, arrives: false }, ...toOwn(built, round, true)];
}

function keepInternalTrafficLocal(built: ScaledCluster, round: number): Probe[] {
  patchOwn(built, round, { internalTrafficPolicy: "Local" });
  const to = clusterIp(built.cluster, ownName(round));
  const [with_, without] = nodesWithAndWithout(built, round);
  return [
    { by: with_, to, port: DATAGRAMS.port, arrives: true },
    { by: without, to, port: DATAGRAMS.port, arrives: false },
  ];
}

function deleteService(built: ScaledCluster, round: number): Probe[] {
  const to = clusterIp(built.cluster, ownName(round));
  built.cluster.api.delete({ kind: "Service", name: ownName(round) });
  return [{ by: round * 31, to, port: DATAGRAMS.port, arrives: false }];
}

function scale(built: ScaledCluster, round: number, replicas: number): Probe[] {
  built.cluster.api.scale({ name: serviceName(MEASURED) }, replicas);
  return toMeasured(built, round);
}

function deletePod(built: ScaledCluster, round: number): Probe[] {
  const [pod] = measuredPods(built.cluster);
  built.cluster.api.delete({ kind: "Pod", name: pod?.metadata.name ?? "" });
  return toMeasured(built, round);
}

/** Until the control plane has noticed. */
function failNode(built: ScaledCluster, round: number): Probe[] {
  const [with_] = nodesWithAndWithout(built, round);
  built.cluster.failNode(nodeName(with_));
  wait(built, 70);
  return toMeasured(built, round);
}

function restoreNode(built: ScaledCluster, round: number): Probe[] {
  for (const { metadata } of built.cluster.api.list("Node")) {
    const node = built.cluster.api.get("Node", metadata.name);
    if (node?.status?.conditions?.some(({ type, status }) => type === "Ready" && status !== "True"))
      built.cluster.restoreNode(metadata.name);
  }
  wait(built, 30);
  return toMeasured(built, round);
}

function moveNode(built: ScaledCluster, round: number): Probe[] {
  built.cluster.api.label({ kind: "Node", name: nodeName(round) }, { "topology.kubernetes.io/zone": `zone-${round}` });
  return toMeasured(built, round);
}

function addServices(built: ScaledCluster, round: number, count: number): Probe[] {
  const { cluster } = built;
  for (let number = 0; number < count; number++) cluster.api.apply(newService(`many-${round}-${number}`));
  const to = clusterIp(cluster, `many-${round}-${count - 1}`);
  return [{ by: round * 37, to, port: DATAGRAMS.port, arrives: true }];
}

function patchOwn(built: ScaledCluster, round: number, spec: Readonly<Record<string, unknown>>): Probe[] {
  built.cluster.api.patch({ kind: "Service", name: ownName(round) }, { spec }, "merge");
  return toOwn(built, round, true);
}

function newService(name: string): unknown {
  const spec = { selector: { app: serviceName(MEASURED) }, ports: [DATAGRAMS] };
  return { apiVersion: "v1", kind: "Service", metadata: { name }, spec };
}

/** The Service that changes in a round. */
function ownName(round: number): string {
  return `own-${round}`;
}

function measured(): { readonly kind: "Service"; readonly name: string } {
  return { kind: "Service", name: serviceName(MEASURED) };
}

function toOwn(built: ScaledCluster, round: number, arrives: boolean): Probe[] {
  const to = clusterIp(built.cluster, ownName(round));
  return [round * 23, round * 23 + 7].map((by) => ({ by, to, port: DATAGRAMS.port, arrives }));
}

function toMeasured(built: ScaledCluster, round: number): Probe[] {
  const to = clusterIp(built.cluster, serviceName(MEASURED));
  return [round * 29 + 1, round * 29 + 11].map((by) => ({ by, to, port: DATAGRAMS.port, arrives: true }));
}

function nodePortOf({ cluster }: ScaledCluster, round: number, by: number): Omit<Probe, "arrives"> {
  const port = cluster.api.get("Service", ownName(round))?.spec.ports?.[0]?.nodePort;
  if (port === undefined) throw new Error(`${ownName(round)} has no nodePort`);
  return { by, to: nodeAddress(by % cluster.nodes.size), port };
}

function nodesWithAndWithout(built: ScaledCluster, round: number): readonly [number, number] {
  const own = endpointNodes(built);
  const numbers = Array.from(built.cluster.nodes.keys(), (_, number) => number);
  const with_ = numbers.filter((number) => own.has(nodeName(number)));
  const without = numbers.filter((number) => !own.has(nodeName(number)));
  return [pick(with_, round), pick(without, round)];
}

function pick(numbers: readonly number[], round: number): number {
  const picked = numbers[round % numbers.length];
  if (picked === undefined) throw new Error("the cluster has no such node");
  return picked;
}

function wait({ network, cluster }: ScaledCluster, count: number): void {
  cluster.reconcile();
  network.simulator.runTo(after(network.simulator.now(), seconds(count)));
}

function clusterIp(cluster: Cluster, service: string): Ipv4Address {
  return parsed(cluster.api.get("Service", service)?.spec.clusterIP ?? "");
}

function parsed(text: string): Ipv4Address {
  const address = parseIpv4(text);
  if (address === undefined) throw new Error(`${text} is no address`);
  return address;
}
