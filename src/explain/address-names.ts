import { formatIpv4 } from "../netstack/index.ts";
import type { Lab } from "../scenario/index.ts";

/** Whose an address is: machines', Pods', external addresses' and Services'. */
export function addressNames(lab: Lab): Map<string, string> {
  const names = new Map<string, string>();
  for (const [name, address] of lab.network.hosts.awaited()) names.set(formatIpv4(address), name);
  for (const host of lab.network.hosts.built()) {
    for (const { name, addresses } of host.stack.addressing.interfaces) {
      if (name === "lo") continue;
      for (const { address } of addresses) names.set(formatIpv4(address), host.name);
    }
  }
  for (const { nodes } of lab.scenario.clusters) {
    for (const { name, externalAddress } of nodes)
      if (externalAddress !== undefined) names.set(formatIpv4(externalAddress), `${name}, external`);
  }
  for (const cluster of lab.clusters.values()) {
    for (const { metadata, spec } of cluster.api.list("Service")) {
      const { clusterIP } = spec;
      if (clusterIP !== undefined && clusterIP !== "None")
        names.set(clusterIP, `Service ${metadata.namespace}/${metadata.name}`);
    }
  }
  return names;
}
