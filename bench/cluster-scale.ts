import type { ProxyMode } from "../src/kube/index.ts";
import { address, cidr, type Ipv4Address, ipv4 } from "../src/netstack/index.ts";
import { Cluster, type CniKind, type Host, type KubeNodeSpec, Network } from "../src/nodes/index.ts";

/** How large a cluster is. Each Service has a Deployment of its own, so its Pods are `pods / services`. */
export interface ClusterSize {
  readonly nodes: number;
  readonly pods: number;
  readonly services: number;
}

/** The largest cluster that Kubernetes supports, and one with as many pods to a Service on nodes of their own, so that packets go the same way. */
export const LARGEST: ClusterSize = { nodes: 5000, pods: 150_000, services: 10_000 };
export const SMALL: ClusterSize = { nodes: 20, pods: 300, services: 20 };

/** A cluster that stands, and a client on the nodes' network with a route to Services by the first node. */
export interface ScaledCluster {
  readonly network: Network;
  readonly cluster: Cluster;
  readonly client: Host;
}

/** The Service that takes datagrams too. */
export const MEASURED = 0;
const HTTP = { name: "http", port: 80, targetPort: 8080 };
export const DATAGRAMS: { readonly port: number; readonly targetPort: number } & Readonly<Record<string, unknown>> = {
  name: "datagrams",
  protocol: "UDP",
  port: 5000,
  targetPort: 5000,
};

const NODE_RANGE = ipv4(0x0a800000);
const POD_RANGE = cidr("10.0.0.0/9");
const SERVICE_RANGE = cidr("172.16.0.0/16");
const GATEWAY = address("10.128.255.254");

/** What carries packets to Services and to pods: the defaults when left out. */
export interface ClusterKind {
  readonly mode?: ProxyMode;
  readonly cni?: CniKind;
}

/** Builds a cluster of that size. */
export function buildCluster(
  size: ClusterSize,
  { mode = "iptables", cni = "bridge" }: ClusterKind = {},
): ScaledCluster {
  const network = new Network({ seed: 1 });
  const segment = network.addSwitch("vpc");
  const client = network.addHost("client");
  network.attach(client, segment, { name: "eth0", addresses: [{ address: GATEWAY, prefixLength: 16 }] });
  const cluster = new Cluster(network, {
    name: "cluster",
    version: "1.34",
    segment,
    mtu: 1500,
    bridgeCallsIptables: true,
    hairpin: true,
    serviceCidr: SERVICE_RANGE,
    nodes: Array.from({ length: size.nodes }, (_, number) => nodeSpec(number)),
    proxy: { clusterCidr: "10.0.0.0/9", mode },
    cni,
    pins: {},
  });
  for (let number = 0; number < size.services; number++) {
    cluster.api.apply(deployment(number, Math.floor(size.pods / size.services)));
    cluster.api.apply(service(number));
  }
  cluster.reconcile();
  client.addRoute(SERVICE_RANGE, nodeAddress(0));
  return { network, cluster, client };
}

export function nodeAddress(number: number): Ipv4Address {
  return ipv4(NODE_RANGE + 1 + number);
}

export function nodeName(number: number): string {
  return `node-${String(number).padStart(4, "0")}`;
}

/** The name of Service `number`, and of its Deployment. */
export function serviceName(number: number): string {
  return `web-${number}`;
}

function nodeSpec(number: number): KubeNodeSpec {
  return {
    name: nodeName(number),
    aliases: [`node${number + 1}`],
    address: { address: nodeAddress(number), prefixLength: 16 },
    podCidr: { network: ipv4(POD_RANGE.network + number * 256), prefixLength: 24 },
  };
}

function deployment(number: number, replicas: number): unknown {
  const labels = { app: serviceName(number) };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: serviceName(number) },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: "echo", image: "echoserver:1.4", ports: [{ containerPort: 8080 }] }] },
      },
    },
  };
}

function service(number: number): unknown {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: serviceName(number) },
    spec: { selector: { app: serviceName(number) }, ports: number === MEASURED ? [HTTP, DATAGRAMS] : [HTTP] },
  };
}
