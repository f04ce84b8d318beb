import { endpointChainName, type ServiceChainKind, serviceChainName } from "./chain-names.ts";
import { categorizeEndpoints, type Endpoint, type EndpointCategories, type Locality } from "./endpoints.ts";
import {
  isExternallyAccessible,
  type ServicePort,
  servicePortKey,
  usesClusterEndpoints,
  usesLocalEndpoints,
} from "./service-ports.ts";

/** What is to be done with one service port's traffic, decided before a rule is written. */
export interface ServicePlan {
  readonly port: ServicePort;
  readonly endpoints: EndpointCategories;
  /** Endpoint chosen for traffic to the cluster IP exist, and for traffic from outside to anything else. */
  readonly hasInternal: boolean;
  readonly hasExternal: boolean;
  /** Whether the chains for the two policies, for external traffic and for source ranges are needed. */
  readonly usesClusterChain: boolean;
  readonly usesLocalChain: boolean;
  readonly usesExternalChain: boolean;
  readonly usesFirewallChain: boolean;
}

/** What becomes of traffic for which there is no endpoint: refused when there is none anywhere, dropped when only here. */
export interface NoEndpointVerdict {
  readonly verdict: "reject" | "drop";
  readonly reason: string;
}

export function planService(
  port: ServicePort,
  endpointsByPort: ReadonlyMap<string, readonly Endpoint[]>,
  locality: Locality,
): ServicePlan {
  const endpoints = categorizeEndpoints(endpointsByPort.get(servicePortKey(port)) ?? [], port, locality);
  const { cluster, local, hasAny } = endpoints;
  return {
    port,
    endpoints,
    hasInternal: hasAny && !(port.internalPolicyLocal && local.length === 0),
    hasExternal: hasAny && !(port.externalPolicyLocal && local.length === 0),
    usesClusterChain: cluster.length > 0 && usesClusterEndpoints(port),
    usesLocalChain: local.length > 0 && usesLocalEndpoints(port),
    // Needed even without endpoints for outsiders: pods and the node itself may still use those elsewhere.
    usesExternalChain: hasAny && isExternallyAccessible(port),
    usesFirewallChain: hasAny && port.loadBalancerVips.length > 0 && port.sourceRanges.length > 0,
  };
}

export function noEndpointVerdict(plan: ServicePlan): NoEndpointVerdict {
  const { hasAny } = plan.endpoints;
  return {
    verdict: hasAny ? "drop" : "reject",
    reason: `${plan.port.name} has no ${hasAny ? "local " : ""}endpoints`,
  };
}

/** The protocol as chain names and rules have it. */
export function protocolName(port: ServicePort): "tcp" | "udp" | "sctp" {
  return ({ TCP: "tcp", UDP: "udp", SCTP: "sctp" } as const)[port.protocol];
}

/** The chains that each service port and endpoint has, by what they are for. The two kernel interfaces name them differently. */
export interface ServiceChainNames {
  /** Chooses among endpoints under the policy Cluster. */
  cluster(port: ServicePort): string;
  /** Chooses among endpoints under the policy Local. */
  local(port: ServicePort): string;
  /** Takes traffic to anything but the cluster IP. */
  external(port: ServicePort): string;
  /** Takes traffic to load balancer addresses that are kept to source ranges. */
  firewall(port: ServicePort): string;
  /** Leads to one endpoint. */
  endpoint(port: ServicePort, endpoint: Endpoint): string;
  /** Marks what is to be masqueraded. */
  readonly markMasquerade: string;
}

export const IPTABLES_CHAINS: ServiceChainNames = {
  cluster: (port) => chainNameOf("SVC", port),
  local: (port) => chainNameOf("SVL", port),
  external: (port) => chainNameOf("EXT", port),
  firewall: (port) => chainNameOf("FW", port),
  endpoint: (port, endpoint) => endpointChainName(port.name, protocolName(port), endpoint.text),
  markMasquerade: "KUBE-MARK-MASQ",
};

const chainNames = new WeakMap<ServicePort, Map<ServiceChainKind, string>>();

/** Kept, as it is asked for once for each rule that jumps there. */
function chainNameOf(kind: ServiceChainKind, port: ServicePort): string {
  const known = chainNames.get(port) ?? new Map<ServiceChainKind, string>();
  chainNames.set(port, known);
  const name = known.get(kind) ?? serviceChainName(kind, port.name, protocolName(port));
  known.set(kind, name);
  return name;
}

export function internalPolicyChain(port: ServicePort, names: ServiceChainNames): string {
  return port.internalPolicyLocal ? names.local(port) : names.cluster(port);
}

export function externalPolicyChain(port: ServicePort, names: ServiceChainNames): string {
  return port.externalPolicyLocal ? names.local(port) : names.cluster(port);
}
