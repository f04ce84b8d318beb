import { collectEndpoints, type Endpoint } from "./endpoints.ts";
import type { EndpointSlice, Node, Service } from "./model.ts";
import type { ProxyMode } from "./proxy-config.ts";
import { type ServicePort, servicePortKey, servicePorts } from "./service-ports.ts";

/*
 * What kube-proxy answers to those who ask how it is: load balancers on a Service's health check nodePort, and everybody on its own
 * ports 10256 and 10249. Bodies and headers have changed with the versions.
 */

/** A Kubernetes version as far as texts depend on it: `1.27`. */
export interface KubernetesVersion {
  readonly major: number;
  readonly minor: number;
}

/** An HTTP answer without what the server adds to each one, such as Date and Content-Length. */
export interface HealthAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** One health check nodePort on one node. */
export interface HealthCheckPort {
  readonly nodePort: number;
  readonly namespace: string;
  readonly service: string;
  /** Endpoints on this node that are ready; terminating ones never count, even while they still get traffic. */
  readonly localEndpoints: number;
}

/** Reads `1.27`, `v1.27.3`, `1.5`; `undefined` for anything else. */
export function parseKubernetesVersion(text: string): KubernetesVersion | undefined {
  const match = /^v?(\d+)\.(\d+)(\.\d+)?([-+].*)?$/.exec(text);
  return match === null ? undefined : { major: Number(match[1]), minor: Number(match[2]) };
}

/** The health check nodePorts that a node serves, one a Service. */
export function healthCheckPorts(
  services: readonly Service[],
  slices: readonly EndpointSlice[],
  nodeName: string,
): readonly HealthCheckPort[] {
  const endpoints = collectEndpoints(slices, nodeName);
  const byService = new Map<string, ServicePort[]>();
  for (const port of servicePorts(services)) {
    if (port.healthCheckNodePort === 0) continue;
    const key = `${port.namespace}/${port.service}`;
    byService.set(key, [...(byService.get(key) ?? []), port]);
  }
  return [...byService.values()].flatMap((ports) => {
    const [first] = ports;
    if (first === undefined) return [];
    const all = ports.flatMap((port) => endpoints.get(servicePortKey(port)) ?? []);
    const { healthCheckNodePort, namespace, service } = first;
    return [{ nodePort: healthCheckNodePort, namespace, service, localEndpoints: countLocal(all) }];
  });
}

/** What a health check nodePort answers, whatever the path and method. */
export function healthCheckAnswer(
  port: HealthCheckPort,
  proxyHealthy: boolean,
  version: KubernetesVersion,
): HealthAnswer {
  if (isBefore(version, 1, 7)) return plainTextAnswer(port);
  // Before 1.27 nobody asked whether kube-proxy itself was well.
  const tellsProxy = !isBefore(version, 1, 27);
  const status = port.localEndpoints > 0 && (proxyHealthy || !tellsProxy) ? 200 : 503;
  const lines = [
    "{",
    '\t"service": {',
    `\t\t"namespace": ${JSON.stringify(port.namespace)},`,
    `\t\t"name": ${JSON.stringify(port.service)}`,
    "\t},",
    `\t"localEndpoints": ${port.localEndpoints}${tellsProxy ? "," : ""}`,
    ...(tellsProxy ? [`\t"serviceProxyHealthy": ${proxyHealthy}`] : []),
    "}",
  ];
  const weight = ["X-Load-Balancing-Endpoint-Weight", String(port.localEndpoints)] as const;
  return {
    status,
    headers: [
      ["Content-Type", "application/json"],
      ["X-Content-Type-Options", "nosniff"],
      ...(isBefore(version, 1, 28) ? [] : [weight]),
    ],
    body: lines.join("\n"),
  };
}

/** What kube-proxy knows about itself when it is asked on port 10256. Times are RFC 3339 with nanoseconds. */
export interface ProxyHealth {
  readonly healthy: boolean;
  readonly lastUpdated: string;
  readonly currentTime: string;
  /** Its own Node; `undefined` while it has not seen one. */
  readonly node: Node | undefined;
}

/** `/healthz` and `/livez` on port 10256; `undefined` for paths that are not found. */
export function proxyHealthAnswer(
  path: string,
  health: ProxyHealth,
  version: KubernetesVersion,
): HealthAnswer | undefined {
  const isLivez = path === "/livez" && !isBefore(version, 1, 28);
  if (path !== "/healthz" && !isLivez) return undefined;
  const knowsNode = !isBefore(version, 1, 28);
  const eligible = isNodeEligible(health.node);
  const ok = health.healthy && (isLivez || !knowsNode || eligible);
  return {
    status: ok ? 200 : 503,
    headers: [
      ["Content-Type", "application/json"],
      ["X-Content-Type-Options", "nosniff"],
    ],
    body: proxyHealthBody(health, version, knowsNode && !isLivez ? eligible : undefined),
  };
}

/** Written by hand in Go until 1.33, blanks and all, and as JSON with the state of each family since 1.34. */
function proxyHealthBody(health: ProxyHealth, version: KubernetesVersion, nodeEligible: boolean | undefined): string {
  const { lastUpdated, currentTime, healthy } = health;
  if (!isBefore(version, 1, 34)) {
    const eligible = nodeEligible === undefined ? {} : { nodeEligible };
    return JSON.stringify({
      lastUpdated,
      currentTime,
      ...eligible,
      healthy,
      status: { IPv4: { lastUpdated, healthy } },
    });
  }
  const times = `"lastUpdated": ${JSON.stringify(lastUpdated)},"currentTime": ${JSON.stringify(currentTime)}`;
  return nodeEligible === undefined ? `{${times}}` : `{${times}, "nodeEligible": ${nodeEligible}}`;
}

/** `/proxyMode` and `/healthz` on 127.0.0.1:10249; `undefined` for paths that are not served here. */
export function proxyMetricsAnswer(path: string, mode: ProxyMode): HealthAnswer | undefined {
  const text = { "/proxyMode": mode, "/healthz": "ok" }[path];
  if (text === undefined) return undefined;
  return {
    status: 200,
    headers: [
      ["Content-Type", "text/plain; charset=utf-8"],
      ["X-Content-Type-Options", "nosniff"],
    ],
    body: text,
  };
}

function plainTextAnswer(port: HealthCheckPort): HealthAnswer {
  const count = port.localEndpoints;
  return {
    status: count > 0 ? 200 : 503,
    headers: [["Content-Type", "text/plain"]],
    body: count > 0 ? `${count} Service Endpoints found` : "No Service Endpoints Found",
  };
}

/** Several ports of one Service lead to the same Pods: they are counted by address. */
function countLocal(endpoints: readonly Endpoint[]): number {
  return new Set(endpoints.filter((endpoint) => endpoint.local && endpoint.ready).map((endpoint) => endpoint.address))
    .size;
}

/** A node that is about to go should get no new connections. */
function isNodeEligible(node: Node | undefined): boolean {
  if (node === undefined) return true;
  const leaving = (node.spec?.taints ?? []).some((taint) => taint.key === "ToBeDeletedByClusterAutoscaler");
  return node.metadata.deletionTimestamp === undefined && !leaving;
}

function isBefore(version: KubernetesVersion, major: number, minor: number): boolean {
  return version.major < major || (version.major === major && version.minor < minor);
}
