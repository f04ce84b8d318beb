import { formatIpv4 } from "../netstack/index.ts";
import { outsideAddress } from "../scenario/index.ts";
import type { LiveNetwork } from "./live-network.ts";
import { ingressAddresses } from "./live-place.ts";

/** What a client can ask: Services by their balancers and nodePorts, and the machines' own servers; `ADDRESS` or `ADDRESS:PORT`. */
export function addressesToTry({ lab, scenario, host }: LiveNetwork): string[] {
  const found: string[] = [];
  for (const cluster of lab.clusters.values()) {
    const nodes = [...cluster.nodes.values()].map(outsideAddress);
    for (const { spec, status } of cluster.api.list("Service")) {
      for (const { port, nodePort, protocol = "TCP" } of spec.ports ?? []) {
        if (protocol !== "TCP") continue;
        found.push(...ingressAddresses(status).map((address) => withPort(address, port)));
        if (nodePort !== undefined) found.push(...nodes.map((address) => withPort(address, nodePort)));
      }
    }
  }
  for (const { name, servers } of scenario.machines) {
    const address = lab.find(name)?.address;
    if (name === host.name || address === undefined) continue;
    found.push(...servers.map(({ port }) => withPort(formatIpv4(address), port)));
  }
  return found;
}

function withPort(address: string, port: number): string {
  return port === 80 ? address : `${address}:${port}`;
}
