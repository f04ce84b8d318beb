import type { Service } from "./model.ts";
import { isExternalPolicyLocal } from "./service-ports.ts";

/*
 * What a Service's type calls for (pkg/registry/core/service/storage). A Service without a type is a ClusterIP one.
 */

export function isHeadless(service: Service): boolean {
  return service.spec.clusterIP === "None";
}

export function needsClusterIp(service: Service): boolean {
  return service.spec.type !== "ExternalName";
}

/** Whether nodePorts make sense at all; see {@link allocatesNodePorts} for whether missing ones are filled in. */
export function needsNodePorts(service: Service): boolean {
  return service.spec.type === "NodePort" || service.spec.type === "LoadBalancer";
}

export function allocatesNodePorts(service: Service): boolean {
  if (service.spec.type === "NodePort") return true;
  return service.spec.type === "LoadBalancer" && service.spec.allocateLoadBalancerNodePorts !== false;
}

export function needsHealthCheckPort(service: Service): boolean {
  return service.spec.type === "LoadBalancer" && isExternalPolicyLocal(service);
}

/** Whether outsiders may come in, so that externalTrafficPolicy means something. */
export function needsExternalTrafficPolicy(service: Service): boolean {
  const { type = "ClusterIP", externalIPs = [] } = service.spec;
  return needsNodePorts(service) || (type === "ClusterIP" && externalIPs.length > 0);
}
