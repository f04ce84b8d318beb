import { annotatedHealthCheckPort, annotatedTrafficPolicy } from "./beta-annotations.ts";
import type { LoadBalancerIngress, Service, ServicePortSpec, ServiceSpec } from "./model.ts";
import { needsClusterIp, needsExternalTrafficPolicy, needsHealthCheckPort, needsNodePorts } from "./service-type.ts";

/** Fills in what the API server fills in before it looks at a Service (pkg/apis/core/v1 SetDefaults_Service). */
export function withServiceDefaults(service: Service): Service {
  const given = withAnnotatedPolicy(service);
  const { spec } = given;
  const type = spec.type ?? "ClusterIP";
  const filled: ServiceSpec = {
    ...spec,
    type,
    sessionAffinity: spec.sessionAffinity ?? "None",
    ...(spec.ports === undefined ? {} : { ports: spec.ports.map(withPortDefaults) }),
    ...(spec.sessionAffinity === "ClientIP" ? { sessionAffinityConfig: affinityConfig(spec) } : {}),
    ...(type === "ExternalName" ? {} : { internalTrafficPolicy: spec.internalTrafficPolicy ?? "Cluster" }),
    ...(type === "LoadBalancer" ? { allocateLoadBalancerNodePorts: spec.allocateLoadBalancerNodePorts ?? true } : {}),
  };
  const typed = { ...given, spec: filled };
  if (!needsExternalTrafficPolicy(typed)) return typed;
  return { ...typed, spec: { ...filled, externalTrafficPolicy: spec.externalTrafficPolicy ?? "Cluster" } };
}

/** An address without a mode is a virtual one. */
export function withIngressDefaults(ingress: readonly LoadBalancerIngress[]): readonly LoadBalancerIngress[] {
  return ingress.map((entry) => (entry.ip === undefined ? entry : { ...entry, ipMode: entry.ipMode ?? "VIP" }));
}

/**
 * Keeps what was allocated when an update does not mention it: an applied manifest seldom has cluster IP and nodePorts in it
 * (patchAllocatedValues).
 */
export function withAllocatedValues(next: Service, old: Service): Service {
  let spec = next.spec;
  if (needsClusterIp(old) && needsClusterIp(next)) {
    const clusterIP = spec.clusterIP ?? "";
    if (clusterIP === "" || clusterIP === old.spec.clusterIP) spec = { ...spec, ...clusterIpFields(old.spec) };
  }
  if (needsNodePorts(old) && needsNodePorts(next))
    spec = { ...spec, ports: withOldNodePorts(spec.ports ?? [], old.spec.ports ?? []) };
  if (needsHealthCheckPort(old) && needsHealthCheckPort(next) && !spec.healthCheckNodePort)
    spec = { ...spec, ...pick(old.spec, "healthCheckNodePort") };
  return { ...next, spec };
}

/** Takes out what a Service's new type has no use for, unless the update itself asks for it (dropTypeDependentFields). */
export function withoutUselessFields(next: Service, old: Service): Service {
  const spec: { -readonly [K in keyof ServiceSpec]: ServiceSpec[K] } = { ...next.spec };
  if (needsClusterIp(old) && !needsClusterIp(next) && spec.clusterIP === old.spec.clusterIP) {
    delete spec.clusterIP;
    delete spec.clusterIPs;
    delete spec.ipFamilies;
    delete spec.ipFamilyPolicy;
    delete spec.internalTrafficPolicy;
  }
  if (needsNodePorts(old) && !needsNodePorts(next) && sameNodePorts(spec.ports, old.spec.ports))
    spec.ports = (spec.ports ?? []).map(({ nodePort: _, ...port }) => port);
  if (
    needsHealthCheckPort(old) &&
    !needsHealthCheckPort(next) &&
    spec.healthCheckNodePort === old.spec.healthCheckNodePort
  )
    delete spec.healthCheckNodePort;
  if (old.spec.type === "LoadBalancer" && next.spec.type !== "LoadBalancer") {
    if (spec.allocateLoadBalancerNodePorts === old.spec.allocateLoadBalancerNodePorts)
      delete spec.allocateLoadBalancerNodePorts;
  }
  if (needsExternalTrafficPolicy(old) && !needsExternalTrafficPolicy(next)) {
    if (spec.externalTrafficPolicy === old.spec.externalTrafficPolicy) delete spec.externalTrafficPolicy;
  }
  return { ...next, spec };
}

/** The annotation of Kubernetes 1.4 to 1.6 means the field of today, and wins over its default. */
function withAnnotatedPolicy(service: Service): Service {
  const policy = annotatedTrafficPolicy(service);
  if (policy === undefined || !needsExternalTrafficPolicy(service)) return service;
  const port = annotatedHealthCheckPort(service);
  const healthCheck = port === undefined || service.spec.healthCheckNodePort ? {} : { healthCheckNodePort: port };
  return { ...service, spec: { ...service.spec, externalTrafficPolicy: policy, ...healthCheck } };
}

function withPortDefaults(port: ServicePortSpec): ServicePortSpec {
  const targetPort =
    port.targetPort === undefined || port.targetPort === 0 || port.targetPort === "" ? port.port : port.targetPort;
  return { ...port, protocol: port.protocol ?? "TCP", targetPort };
}

function affinityConfig(spec: ServiceSpec): NonNullable<ServiceSpec["sessionAffinityConfig"]> {
  return { clientIP: { timeoutSeconds: spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800 } };
}

function clusterIpFields(spec: ServiceSpec): Partial<ServiceSpec> {
  return {
    ...pick(spec, "clusterIP"),
    ...pick(spec, "clusterIPs"),
    ...pick(spec, "ipFamilies"),
    ...pick(spec, "ipFamilyPolicy"),
  };
}

/** Ports are recognized by their names; everything else about them may have changed. */
function withOldNodePorts(
  ports: readonly ServicePortSpec[],
  old: readonly ServicePortSpec[],
): readonly ServicePortSpec[] {
  const kept = new Set(ports.map((port) => port.nodePort ?? 0));
  const used = new Set(old.map((port) => port.nodePort ?? 0).filter((nodePort) => kept.has(nodePort)));
  const byName = new Map(old.map((port) => [port.name ?? "", port.nodePort ?? 0]));
  return ports.map((port) => {
    const nodePort = byName.get(port.name ?? "") ?? 0;
    if (port.nodePort || nodePort === 0 || used.has(nodePort)) return port;
    used.add(nodePort);
    return { ...port, nodePort };
  });
}

function sameNodePorts(a: readonly ServicePortSpec[] = [], b: readonly ServicePortSpec[] = []): boolean {
  const ports = (list: readonly ServicePortSpec[]) => list.map((port) => port.nodePort ?? 0).sort((x, y) => x - y);
  return ports(a).join() === ports(b).join();
}

function pick<K extends keyof ServiceSpec>(spec: ServiceSpec, key: K): Partial<Pick<ServiceSpec, K>> {
  return spec[key] === undefined ? {} : ({ [key]: spec[key] } as Pick<ServiceSpec, K>);
}
