import { type Cidr, type Ipv4Address, parseSloppyCidr, parseSloppyIpv4 } from "./address.ts";
import { annotatedHealthCheckPort, annotatedTrafficPolicy } from "./beta-annotations.ts";
import type { Service, ServicePortSpec, ServiceProtocol } from "./model.ts";

/** Services that carry it belong to another proxy, named by its value. */
const SERVICE_PROXY_NAME = "service.kubernetes.io/service-proxy-name";
/** Set by the endpoint controllers on what belongs to headless Services; kube-proxy does not even watch these. */
const HEADLESS = "service.kubernetes.io/headless";
const DEFAULT_AFFINITY_SECONDS = 10_800;

/** One port of one Service as kube-proxy sees it: everything that rules are made from (pkg/proxy/serviceport.go). */
export interface ServicePort {
  readonly namespace: string;
  readonly service: string;
  /** `ns/name`: joined once, as ten thousand are looked up by it at every change. */
  readonly serviceKey: string;
  /** Whether it is the first of its Service's in the order in which rules are written. */
  readonly isFirst: boolean;
  readonly portName: string;
  readonly protocol: ServiceProtocol;
  /** `ns/name:portname`, or `ns/name` for an unnamed port. Without the protocol, in comments and hashes alike. */
  readonly name: string;
  readonly clusterIp: Ipv4Address;
  readonly port: number;
  /** 0 for none. Honoured whatever the Service's type. */
  readonly nodePort: number;
  /** 0 for none. */
  readonly healthCheckNodePort: number;
  readonly externalIps: readonly Ipv4Address[];
  readonly loadBalancerVips: readonly Ipv4Address[];
  readonly sourceRanges: readonly Cidr[];
  readonly externalPolicyLocal: boolean;
  readonly internalPolicyLocal: boolean;
  /** How long a client stays with its endpoint; `undefined` without session affinity. */
  readonly affinitySeconds: number | undefined;
}

/**
 * The service ports of these Services, headless and ExternalName ones left out, sorted by name and then protocol. kube-proxy itself
 * goes through a Go map, in an order that differs from run to run; ours is fixed so that equal input gives equal rules.
 */
export function servicePorts(services: readonly Service[]): readonly ServicePort[] {
  const byKey = new Map<string, ServicePort>();
  for (const service of services) {
    if (isOtherProxysObject(service.metadata.labels)) continue;
    const clusterIp = clusterIpOf(service);
    if (clusterIp === undefined) continue;
    for (const port of service.spec.ports ?? []) {
      const record = servicePort(service, port, clusterIp);
      byKey.set(servicePortKey(record), record);
    }
  }
  const seen = new Set<string>();
  return sortServicePorts([...byKey.values()]).map((port) => {
    const isFirst = !seen.has(port.serviceKey);
    seen.add(port.serviceKey);
    return isFirst ? { ...port, isFirst } : port;
  });
}

/** The order in which rules are written: by name, then protocol. */
export function sortServicePorts(ports: readonly ServicePort[]): readonly ServicePort[] {
  return [...ports].sort(compareServicePorts);
}

/** Which of two comes first in that order; 0 for versions of the same one. */
export function compareServicePorts(a: ServicePort, b: ServicePort): number {
  return compare(a.name, b.name) || compare(a.protocol, b.protocol);
}

/** Identifies a service port: name and protocol. */
export function servicePortKey(port: Pick<ServicePort, "namespace" | "service" | "portName" | "protocol">): string {
  return `${port.namespace}/${port.service}:${port.portName}/${port.protocol}`;
}

/** Objects that kube-proxy's watch leaves out by their labels. */
export function isOtherProxysObject(labels: Readonly<Record<string, string>> | undefined): boolean {
  return labels !== undefined && (SERVICE_PROXY_NAME in labels || HEADLESS in labels);
}

/** Reachable by something other than its cluster IP. */
export function isExternallyAccessible(port: ServicePort): boolean {
  return port.nodePort !== 0 || port.loadBalancerVips.length > 0 || port.externalIps.length > 0;
}

/** Whether any traffic may go to endpoints on every node: pods and nodes take that short cut even where outsiders are kept local. */
export function usesClusterEndpoints(port: ServicePort): boolean {
  return !port.internalPolicyLocal || isExternallyAccessible(port);
}

/** Whether any traffic is kept on this node's endpoints. */
export function usesLocalEndpoints(port: ServicePort): boolean {
  return port.internalPolicyLocal || (port.externalPolicyLocal && isExternallyAccessible(port));
}

function servicePort(service: Service, port: ServicePortSpec, clusterIp: Ipv4Address): ServicePort {
  const { spec, metadata } = service;
  const portName = port.name ?? "";
  return {
    namespace: metadata.namespace,
    service: metadata.name,
    serviceKey: `${metadata.namespace}/${metadata.name}`,
    isFirst: false,
    portName,
    protocol: port.protocol ?? "TCP",
    name:
      portName === "" ? `${metadata.namespace}/${metadata.name}` : `${metadata.namespace}/${metadata.name}:${portName}`,
    clusterIp,
    port: port.port,
    nodePort: port.nodePort ?? 0,
    healthCheckNodePort: healthCheckNodePortOf(service),
    externalIps: (spec.externalIPs ?? []).map(parseSloppyIpv4).filter((ip) => ip !== undefined),
    loadBalancerVips: loadBalancerVipsOf(service),
    sourceRanges: sourceRangesOf(service),
    externalPolicyLocal: isExternalPolicyLocal(service),
    internalPolicyLocal: spec.internalTrafficPolicy === "Local",
    affinitySeconds: affinitySecondsOf(service),
  };
}

function clusterIpOf(service: Service): Ipv4Address | undefined {
  const { spec } = service;
  const first = spec.clusterIP ?? spec.clusterIPs?.[0] ?? "";
  if (spec.type === "ExternalName" || first === "" || first === "None") return undefined;
  for (const text of [first, ...(spec.clusterIPs ?? [])]) {
    const ip = parseSloppyIpv4(text);
    if (ip !== undefined) return ip;
  }
  return undefined;
}

/** A load balancer in mode `Proxy`, or one known by a host name only, gets its traffic from the outside network, not by rules. */
function loadBalancerVipsOf(service: Service): readonly Ipv4Address[] {
  const ingress = service.status?.loadBalancer?.ingress ?? [];
  const vips = ingress.filter((entry) => entry.ip !== undefined && (entry.ipMode ?? "VIP") === "VIP");
  return vips.map((entry) => parseSloppyIpv4(entry.ip ?? "")).filter((ip) => ip !== undefined);
}

function sourceRangesOf(service: Service): readonly Cidr[] {
  const ranges = (service.spec.loadBalancerSourceRanges ?? []).map(parseSloppyCidr);
  return ranges.filter((range) => range !== undefined);
}

/** The policy only counts where outsiders can come in (pkg/api/v1/service ExternallyAccessible). */
export function isExternalPolicyLocal(service: Service): boolean {
  const { type = "ClusterIP", externalIPs = [] } = service.spec;
  const takesOutsiders =
    type === "NodePort" || type === "LoadBalancer" || (type === "ClusterIP" && externalIPs.length > 0);
  return takesOutsiders && (service.spec.externalTrafficPolicy ?? annotatedTrafficPolicy(service)) === "Local";
}

/** 0 unless the Service is a LoadBalancer with the policy Local. */
export function healthCheckNodePortOf(service: Service): number {
  if (service.spec.type !== "LoadBalancer" || !isExternalPolicyLocal(service)) return 0;
  return service.spec.healthCheckNodePort ?? annotatedHealthCheckPort(service) ?? 0;
}

function affinitySecondsOf(service: Service): number | undefined {
  if (service.spec.sessionAffinity !== "ClientIP") return undefined;
  return service.spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? DEFAULT_AFFINITY_SECONDS;
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
