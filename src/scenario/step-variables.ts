import { formatIpv4 } from "../netstack/index.ts";
import type { Cluster, KubeNode } from "../nodes/index.ts";

/**
 * The variables that a step's command may use, as the tutorial's shell has them. NODES has the nodes' external addresses (internal where a node has
 * none) and NODEPORT the nodePort of the first Service with one. For every Service NAME there are NAME_SERVICE_HOST and NAME_SERVICE_PORT, as Kubernetes sets
 * them in containers, and NAME_NODEPORT.
 */
export function stepVariables(clusters: Iterable<Cluster>): Map<string, string> {
  const variables = new Map<string, string>();
  const nodes: string[] = [];
  for (const cluster of clusters) {
    for (const node of cluster.nodes.values()) nodes.push(outsideAddress(node));
    for (const { metadata, spec } of cluster.api.list("Service")) {
      const prefix = metadata.name.toUpperCase().replace(/[^A-Z0-9]/g, "_");
      const [port] = spec.ports ?? [];
      if (spec.clusterIP !== undefined && spec.clusterIP !== "None")
        variables.set(`${prefix}_SERVICE_HOST`, spec.clusterIP);
      if (port !== undefined) variables.set(`${prefix}_SERVICE_PORT`, String(port.port));
      if (port?.nodePort === undefined) continue;
      variables.set(`${prefix}_NODEPORT`, String(port.nodePort));
      if (!variables.has("NODEPORT")) variables.set("NODEPORT", String(port.nodePort));
    }
  }
  if (nodes.length > 0) variables.set("NODES", nodes.join(" "));
  return variables;
}

/** Where a node is reached from outside. */
export function outsideAddress(node: KubeNode): string {
  return formatIpv4(node.spec.externalAddress ?? node.address);
}

/** A command for the reader, with the variables that are known filled in; what stands in single quotes stays. */
export function fillIn(command: string, variables: ReadonlyMap<string, string>): string {
  return command.replace(/'[^']*'|\$\{?([A-Za-z_]\w*)\}?/g, (whole, name: string | undefined) =>
    name === undefined ? whole : (variables.get(name) ?? whole),
  );
}
