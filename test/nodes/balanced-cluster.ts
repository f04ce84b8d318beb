import { runCommand } from "../../src/apps/index.ts";
import { GCE_HEALTH_CHECK } from "../../src/lb/index.ts";
import { address, cidr, EVERYWHERE, type Ipv4Address, parseInterfaceAddress } from "../../src/netstack/index.ts";
import {
  type CloudBalancerSpec,
  Cluster,
  type ClusterSpec,
  type CniKind,
  type Host,
  Network,
} from "../../src/nodes/index.ts";
import { after, seconds } from "../../src/sim/index.ts";

/** A packet-forwarding balancer on the host `balancer`, with two addresses. */
export const FORWARDING: CloudBalancerSpec = {
  kind: "passthrough",
  host: "balancer",
  addresses: [address("203.0.113.140"), address("203.0.113.141")],
  method: { kind: "hash", key: "five-tuple" },
  delivery: "route",
  header: "none",
  headers: {},
  ipMode: "VIP",
  whenAllUnhealthy: "none",
  nodeCheck: "kube-proxy",
  timing: GCE_HEALTH_CHECK,
};

/** The same as a proxy. */
export const PROXY: CloudBalancerSpec = { ...FORWARDING, kind: "proxy", method: { kind: "round-robin" } };

export interface BalancedCluster {
  readonly network: Network;
  readonly cluster: Cluster;
  readonly client: Host;
}

/** A client on the nodes' own segment, a balancer beside it, two nodes, and a Deployment `web` whose pod runs on `alpha`. */
export function balancedCluster(
  loadBalancer: ClusterSpec["loadBalancer"],
  options: {
    readonly pins?: ClusterSpec["pins"];
    readonly cni?: CniKind;
    readonly vxlan?: ClusterSpec["vxlan"];
    readonly timing?: ClusterSpec["timing"];
  } = {},
): BalancedCluster {
  const network = new Network({ seed: 5 });
  const lan = network.addSwitch("lan");
  const client = network.addHost("client");
  network.attach(client, lan, { name: "eth0", addresses: [parseInterfaceAddress("10.240.0.79/24")!] });
  const balancer = network.addHost("balancer", { forwarding: true });
  const own = ["10.240.0.9/24", ...(loadBalancer?.kind === "proxy" ? ["203.0.113.140/32", "203.0.113.141/32"] : [])];
  network.attach(balancer, lan, { name: "eth0", addresses: own.map((text) => parseInterfaceAddress(text)!) });
  const via = address("10.240.0.9");
  client.stack.addressing.routes.add({ destination: EVERYWHERE, out: client.stack.interface("eth0")!, via });
  const cluster = new Cluster(network, {
    name: "test",
    version: "1.30",
    serviceCidr: cidr("10.0.0.0/16"),
    segment: lan,
    mtu: 1500,
    bridgeCallsIptables: true,
    hairpin: true,
    proxy: { clusterCidr: "10.180.0.0/16" },
    pins: { pods: { web: [{ node: "alpha" }] }, ...options.pins },
    ...(options.cni !== undefined && { cni: options.cni }),
    ...(options.timing !== undefined && { timing: options.timing }),
    ...(options.vxlan !== undefined && { vxlan: options.vxlan }),
    ...(loadBalancer !== undefined && { loadBalancer }),
    nodes: [node("alpha", "10.240.0.4/24", "10.180.1.0/24"), node("beta", "10.240.0.5/24", "10.180.2.0/24")],
  });
  kubectl(cluster, "create deployment web --image=echoserver:1.4");
  return { network, cluster, client };
}

function node(name: string, own: string, pods: string): ClusterSpec["nodes"][number] {
  return { name, aliases: [], address: parseInterfaceAddress(own)!, podCidr: cidr(pods) };
}

/** What kubectl says. */
export function kubectl(cluster: Cluster, line: string): string {
  const { stdout, stderr } = cluster.kubectl(line.split(" "));
  return stdout + stderr;
}

/** Whom the echo server saw when `on` asked `to`; else how curl ended. */
export function ask(network: Network, on: Host, to: string): string {
  const process = runCommand(on, `curl -s --connect-timeout 2 ${to}`);
  network.simulator.runUntil(() => process.exitCode !== undefined, after(network.simulator.now(), seconds(30)));
  return /client_address=(\S+)/.exec(process.stdout)?.[1] ?? `exit ${process.exitCode}`;
}

/** Lets time pass. */
export function wait(network: Network, duration: number): void {
  network.simulator.runTo(after(network.simulator.now(), seconds(duration)));
}

/** The ingress of a Service, as `kubectl get svc` shows it. */
export function ingressOf(cluster: Cluster, name: string): string {
  const [ingress] = cluster.api.get("Service", name)?.status?.loadBalancer?.ingress ?? [];
  return ingress?.ip ?? ingress?.hostname ?? "<pending>";
}

/** Who answers an ARP request for an address on the segment. */
export function whoAnswers(cluster: Cluster, client: Host, of: Ipv4Address): string | undefined {
  const mac = client.stack.link.neighbours.list().find((entry) => entry.address === of)?.mac;
  return [...cluster.nodes.values()].find(({ host }) => host.stack.interface("eth0")?.mac === mac)?.name;
}
