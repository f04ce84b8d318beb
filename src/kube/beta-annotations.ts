import type { Service, TrafficPolicy } from "./model.ts";

/*
 * Kubernetes 1.4 to 1.6 had no field `externalTrafficPolicy`: an annotation asked for it, first in the alpha form, then in the beta
 * form, and the API server wrote the allocated health check port into a second one.
 */

export const EXTERNAL_TRAFFIC_ANNOTATION = "service.beta.kubernetes.io/external-traffic";
export const HEALTH_CHECK_ANNOTATION = "service.beta.kubernetes.io/healthcheck-nodeport";
const ALPHA_EXTERNAL_TRAFFIC = "service.alpha.kubernetes.io/external-traffic";
const ALPHA_HEALTH_CHECK = "service.alpha.kubernetes.io/healthcheck-nodeport";

/** The policy that the annotation asks for; `undefined` without one. */
export function annotatedTrafficPolicy(service: Service): TrafficPolicy | undefined {
  const annotations = service.metadata.annotations ?? {};
  const value = annotations[EXTERNAL_TRAFFIC_ANNOTATION] ?? annotations[ALPHA_EXTERNAL_TRAFFIC];
  if (value === "OnlyLocal") return "Local";
  return value === "Global" ? "Cluster" : undefined;
}

/** The health check port that the annotation gives; `undefined` without one or when it is not a port. */
export function annotatedHealthCheckPort(service: Service): number | undefined {
  const annotations = service.metadata.annotations ?? {};
  const value = annotations[HEALTH_CHECK_ANNOTATION] ?? annotations[ALPHA_HEALTH_CHECK];
  if (value === undefined || !/^\d{1,5}$/.test(value)) return undefined;
  const port = Number(value);
  return port >= 1 && port <= 65535 ? port : undefined;
}
