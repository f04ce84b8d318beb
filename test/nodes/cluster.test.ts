import { describe, expect, it } from "vitest";
import { runCommand } from "../../src/apps/index.ts";
import { address, cidr, EVERYWHERE, formatIpv4, formatMac, parseInterfaceAddress } from "../../src/netstack/index.ts";
import { Cluster, type ClusterSpec, cloudEdgeRules, type Host, Network } from "../../src/nodes/index.ts";
import { after, seconds } from "../../src/sim/index.ts";

const NODES = [
  { name: "alpha", address: "10.240.0.4/24", external: "203.0.113.4", pods: "10.180.1.0/24" },
  { name: "beta", address: "10.240.0.5/24", external: "203.0.113.5", pods: "10.180.2.0/24" },
];

/** A cluster of two nodes behind an edge, and a client outside. */
function build(pins: ClusterSpec["pins"] = {}): { network: Network; cluster: Cluster; client: Host } {
  const network = new Network({ seed: 3 });
  const internet = network.addSwitch("internet");
  const vpc = network.addSwitch("vpc", 1460);
  const client = network.addHost("client");
  network.attach(client, internet, { name: "eth0", addresses: [parseInterfaceAddress("198.51.100.79/24")!] });
  const edge = network.addHost("edge", { forwarding: true });
  network.attach(edge, internet, { name: "eth0", addresses: [parseInterfaceAddress("198.51.100.1/24")!] });
  network.attach(edge, vpc, { name: "eth1", addresses: [parseInterfaceAddress("10.240.0.1/24")!] });
  const out = client.stack.interface("eth0")!;
  client.stack.addressing.routes.add({ destination: EVERYWHERE, out, via: address("198.51.100.1") });
  const cluster = new Cluster(network, {
    name: "test",
    version: "1.30",
    serviceCidr: cidr("10.0.0.0/16"),
    segment: vpc,
    gateway: address("10.240.0.1"),
    mtu: 1460,
    bridgeCallsIptables: true,
    hairpin: true,
    proxy: { clusterCidr: "10.180.0.0/16" },
    pins,
    nodes: NODES.map((node, i) => ({
      name: node.name,
      aliases: [`node${i + 1}`],
      address: parseInterfaceAddress(node.address)!,
      externalAddress: address(node.external),
      podCidr: cidr(node.pods),
    })),
  });
  const mappings = NODES.map(({ name, external, address: internal }) => ({
    name,
    external: address(external),
    internal: parseInterfaceAddress(internal)!.address,
  }));
  edge.setRules(cloudEdgeRules(mappings, "eth0"));
  return { network, cluster, client };
}

function run(network: Network, on: Host, command: string): { exitCode: number | undefined; stdout: string } {
  const process = runCommand(on, command);
  network.simulator.runUntil(() => process.exitCode !== undefined, after(network.simulator.now(), seconds(60)));
  network.simulator.runUntilQuiet();
  return { exitCode: process.exitCode, stdout: process.stdout };
}

function kubectl(cluster: Cluster, line: string): string {
  const { stdout, stderr } = cluster.kubectl(line.split(" "));
  return stdout + stderr;
}

const ECHO = "create deployment app --image=k8s.gcr.io/echoserver:1.4";
const CLIENT_ADDRESS = "| grep client_address";

describe("Cluster", () => {
  it("makes pods of a Deployment, gives them addresses and the CNI's hardware addresses, and answers on the nodePort of every node", () => {
    const { network, cluster, client } = build({
      pods: { app: [{ name: "app-1", node: "alpha" }] },
      nodePorts: { app: 31000 },
    });
    expect(kubectl(cluster, ECHO)).toBe("deployment.apps/app created\n");
    expect(kubectl(cluster, "expose deployment app --port=80 --target-port=8080 --type=NodePort")).toBe(
      "service/app exposed\n",
    );
    const pod = cluster.pod("app-1")!;
    expect(formatIpv4(pod.address!)).toBe("10.180.1.2");
    expect(formatMac(pod.stack.interface("eth0")!.mac)).toBe("0a:58:0a:b4:01:02");
    expect(run(network, client, `curl -s node1:31000 ${CLIENT_ADDRESS}`).stdout).toBe("client_address=10.180.1.1\n");
    expect(run(network, client, `curl -s 203.0.113.5:31000 ${CLIENT_ADDRESS}`).stdout).toBe(
      "client_address=10.240.0.5\n",
    );
  });

  it("follows a patch: with policy Local the client's address stays, and a node without endpoint answers nothing", () => {
    const { network, cluster, client } = build({ pods: { app: [{ node: "alpha" }] }, nodePorts: { app: 31000 } });
    kubectl(cluster, ECHO);
    kubectl(cluster, "expose deployment app --port=80 --target-port=8080 --type=NodePort");
    expect(kubectl(cluster, `patch svc app -p {"spec":{"externalTrafficPolicy":"Local"}}`)).toBe(
      "service/app patched\n",
    );
    expect(run(network, client, `curl -s node1:31000 ${CLIENT_ADDRESS}`).stdout).toBe("client_address=198.51.100.79\n");
    expect(run(network, client, "curl -s --connect-timeout 1 node2:31000").exitCode).toBe(28);
    expect(network.drops()).toEqual([["rule-drop", 1]]);
  });

  it("refuses connections to a Service without endpoints and serves again when a pod is back", () => {
    const { network, cluster, client } = build({ nodePorts: { app: 31000 } });
    kubectl(cluster, ECHO);
    kubectl(cluster, "expose deployment app --port=80 --target-port=8080 --type=NodePort");
    expect(kubectl(cluster, "scale deployment app --replicas=0")).toBe("deployment.apps/app scaled\n");
    expect(run(network, client, "curl -s node1:31000").exitCode).toBe(7);
    kubectl(cluster, "scale deployment app --replicas=2");
    expect(run(network, client, "curl -s node1:31000").exitCode).toBe(0);
  });

  it("lets a pod reach a Service with its own address, on the same node and on another, and itself with the bridge's", () => {
    const { network, cluster } = build({
      pods: { app: [{ name: "app-1", node: "alpha" }], near: [{ node: "alpha" }], far: [{ node: "beta" }] },
      clusterIps: { app: "10.0.0.99" },
    });
    kubectl(cluster, ECHO);
    kubectl(cluster, "expose deployment app --port=80 --target-port=8080");
    kubectl(cluster, "run near --image=busybox");
    kubectl(cluster, "run far --image=busybox");
    const seenFrom = (pod: string): string =>
      run(network, cluster.pod(pod)!, `wget -qO - 10.0.0.99 ${CLIENT_ADDRESS}`).stdout;
    expect(seenFrom("near")).toBe(`client_address=${formatIpv4(cluster.pod("near")!.address!)}\n`);
    expect(seenFrom("far")).toBe(`client_address=${formatIpv4(cluster.pod("far")!.address!)}\n`);
    expect(seenFrom("app-1")).toBe("client_address=10.180.1.1\n");
  });

  it("answers 127.0.0.1:nodePort on the node itself", () => {
    const { network, cluster } = build({ pods: { app: [{ node: "beta" }] }, nodePorts: { app: 31000 } });
    kubectl(cluster, ECHO);
    kubectl(cluster, "expose deployment app --port=80 --target-port=8080 --type=NodePort");
    const node = cluster.node("node1")!.host;
    expect(run(network, node, `curl -s 127.0.0.1:31000 ${CLIENT_ADDRESS}`).stdout).toBe("client_address=10.240.0.4\n");
  });

  it("serves kube-proxy's own pages on the node", () => {
    const { network, cluster } = build();
    const node = cluster.node("alpha")!.host;
    expect(run(network, node, "curl -s localhost:10249/proxyMode").stdout).toBe("iptables");
    expect(run(network, node, "curl -s -o /dev/null -w %{http_code} localhost:10256/healthz").stdout).toBe("200");
    expect(run(network, node, "curl -s -o /dev/null -w %{http_code} localhost:10256/other").stdout).toBe("404");
  });

  it("opens and closes the health check nodePort with the policy, 200 where an endpoint is and 503 where none is", () => {
    const { network, cluster } = build({ pods: { app: [{ node: "alpha" }] }, healthCheckNodePorts: { app: 32122 } });
    kubectl(cluster, ECHO);
    kubectl(cluster, "expose deployment app --port=80 --target-port=8080 --type=LoadBalancer");
    const ask = (node: string): string =>
      run(network, cluster.node(node)!.host, "curl -s -o /dev/null -w %{http_code} localhost:32122/healthz").stdout;
    expect(ask("alpha")).toBe("000");
    kubectl(cluster, `patch svc app -p {"spec":{"externalTrafficPolicy":"Local"}}`);
    expect([ask("alpha"), ask("beta")]).toEqual(["200", "503"]);
  });

  it("gives the API server's and kubectl's own words for what it refuses", () => {
    const { cluster } = build();
    expect(kubectl(cluster, "patch svc none -p {}")).toBe('Error from server (NotFound): services "none" not found\n');
    expect(kubectl(cluster, "frobnicate")).toContain('unknown command "frobnicate" for "kubectl"');
    expect(kubectl(cluster, "get gizmos")).toBe('error: the server doesn\'t have a resource type "gizmos"\n');
    expect(kubectl(cluster, "scale deployment app --replicas=many")).toContain(
      'invalid argument "many" for "--replicas" flag',
    );
  });

  it("takes a deleted pod off its bridge and gives its address to nobody at once", () => {
    const { cluster } = build({ pods: { app: [{ node: "alpha" }] } });
    kubectl(cluster, "run one --image=busybox");
    const first = cluster.pod("one")!.address!;
    kubectl(cluster, "delete pod one");
    expect(cluster.pod("one")).toBeUndefined();
    kubectl(cluster, "run two --image=busybox");
    expect(cluster.pod("two")!.address).not.toBe(first);
  });
});
