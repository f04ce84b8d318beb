import { restartCount } from "./container-restart.ts";
import type { KubernetesVersion } from "./health.ts";
import type { Deployment, EndpointSlice, KubeObject, Node, Pod, Service } from "./model.ts";
import { areContainersReady, podAddress } from "./pod.ts";
import { isNodeReady } from "./scheduler.ts";

/*
 * Objects as `kubectl get` prints them in a table. Columns have changed with the versions; the tutorial's editions show three of them.
 */

export interface TableOptions {
  readonly version: KubernetesVersion;
  /** `-o wide`. */
  readonly wide?: boolean;
  /** How many seconds old an object is; `undefined` when that is not known. */
  readonly ageSeconds: (object: KubeObject) => number | undefined;
}

/** A table of objects of one kind; each line ended. Nothing for no objects. */
export function formatKubectlTable(objects: readonly KubeObject[], options: TableOptions): string {
  const [first] = objects;
  if (first === undefined) return "";
  return formatColumns([headerFor(first.kind, options), ...objects.map((object) => rowFor(object, options))]);
}

/** An age as kubectl tells it: two units while the greater one is small. */
export function formatAge(seconds: number | undefined, version: KubernetesVersion): string {
  if (seconds === undefined) return "<unknown>";
  const whole = Math.max(0, Math.floor(seconds));
  const [minutes, hours, days] = [Math.floor(whole / 60), Math.floor(whole / 3600), Math.floor(whole / 86_400)];
  if (isBefore(version, 9)) {
    // Until 1.8 one unit was all there was.
    if (whole < 60) return `${whole}s`;
    if (minutes < 60) return `${minutes}m`;
    return hours < 24 ? `${hours}h` : `${days}d`;
  }
  if (whole < 120) return `${whole}s`;
  if (minutes < 10) return twoUnits(minutes, "m", whole % 60, "s");
  if (minutes < 180) return `${minutes}m`;
  if (hours < 8) return twoUnits(hours, "h", minutes % 60, "m");
  if (hours < 48) return `${hours}h`;
  if (hours < 192) return twoUnits(days, "d", hours % 24, "h");
  return `${days}d`;
}

function headerFor(kind: KubeObject["kind"], { version, wide = false }: TableOptions): readonly string[] {
  switch (kind) {
    case "Service":
      return [
        ...(isBefore(version, 8) ? ["NAME"] : ["NAME", "TYPE"]),
        ...["CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"],
        ...(wide ? ["SELECTOR"] : []),
      ];
    case "Node":
      return isBefore(version, 6) ? ["NAME", "STATUS", "AGE"] : ["NAME", "STATUS", "ROLES", "AGE", "VERSION"];
    case "Pod":
      return ["NAME", "READY", "STATUS", "RESTARTS", "AGE", ...(wide ? widePodColumns(version) : [])];
    case "Deployment":
      return ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"];
    case "EndpointSlice":
      return ["NAME", "ADDRESSTYPE", "PORTS", "ENDPOINTS", "AGE"];
    case "Namespace":
      return ["NAME", "STATUS", "AGE"];
    case "ServiceCIDR":
      return ["NAME", "CIDRS", "AGE"];
  }
}

function widePodColumns(version: KubernetesVersion): readonly string[] {
  return isBefore(version, 11) ? ["IP", "NODE"] : ["IP", "NODE", "NOMINATED NODE", "READINESS GATES"];
}

function rowFor(object: KubeObject, options: TableOptions): readonly string[] {
  const age = formatAge(options.ageSeconds(object), options.version);
  switch (object.kind) {
    case "Service":
      return serviceRow(object, age, options);
    case "Node":
      return nodeRow(object, age, options);
    case "Pod":
      return podRow(object, age, options);
    case "Deployment":
      return deploymentRow(object, age);
    case "EndpointSlice":
      return sliceRow(object, age);
    case "Namespace":
      return [object.metadata.name, "Active", age];
    case "ServiceCIDR":
      return [object.metadata.name, object.spec.cidrs.join(","), age];
  }
}

function serviceRow(service: Service, age: string, { version, wide }: TableOptions): readonly string[] {
  const { spec } = service;
  const selector = Object.entries(spec.selector ?? {}).map(([key, value]) => `${key}=${value}`);
  return [
    service.metadata.name,
    ...(isBefore(version, 8) ? [] : [spec.type ?? "ClusterIP"]),
    spec.clusterIP || (isBefore(version, 8) ? "" : "<none>"),
    externalAddress(service, version),
    servicePorts(service),
    age,
    ...(wide ? [selector.join(",") || "<none>"] : []),
  ];
}

function externalAddress(service: Service, version: KubernetesVersion): string {
  const { type, externalIPs = [], externalName } = service.spec;
  const ingress = (service.status?.loadBalancer?.ingress ?? []).map((entry) => entry.ip ?? entry.hostname ?? "");
  if (type === "ExternalName") return externalName ?? "";
  if (type === "LoadBalancer") return [...ingress, ...externalIPs].join(",") || "<pending>";
  if (externalIPs.length > 0) return externalIPs.join(",");
  return type === "NodePort" && isBefore(version, 8) ? "<nodes>" : "<none>";
}

function servicePorts(service: Service): string {
  const ports = (service.spec.ports ?? []).map(({ port, nodePort, protocol = "TCP" }) =>
    nodePort ? `${port}:${nodePort}/${protocol}` : `${port}/${protocol}`,
  );
  return ports.join(",") || "<none>";
}

function nodeRow(node: Node, age: string, { version }: TableOptions): readonly string[] {
  const ready = isNodeReady(node) ? "Ready" : "NotReady";
  const status = node.spec?.unschedulable === true ? `${ready},SchedulingDisabled` : ready;
  if (isBefore(version, 6)) return [node.metadata.name, status, age];
  const roles = Object.keys(node.metadata.labels ?? {})
    .filter((label) => label.startsWith("node-role.kubernetes.io/"))
    .map((label) => label.slice("node-role.kubernetes.io/".length));
  const kubelet = node.status?.nodeInfo?.kubeletVersion ?? `v${version.major}.${version.minor}.0`;
  return [node.metadata.name, status, roles.sort().join(",") || "<none>", age, kubelet];
}

function podRow(pod: Pod, age: string, { version, wide }: TableOptions): readonly string[] {
  const count = pod.spec.containers.length;
  const address = [podAddress(pod) ?? "<none>", pod.spec.nodeName ?? "<none>"];
  const extra = isBefore(version, 11) ? [] : ["<none>", "<none>"];
  return [
    pod.metadata.name,
    `${areContainersReady(pod) ? count : 0}/${count}`,
    podStatus(pod),
    String(restartCount(pod)),
    age,
    ...(wide ? [...address, ...extra] : []),
  ];
}

function podStatus(pod: Pod): string {
  if (pod.metadata.deletionTimestamp !== undefined) return "Terminating";
  const phase = pod.status?.phase ?? "Pending";
  if (phase === "Succeeded") return "Completed";
  if (phase === "Failed") return "Error";
  const [first] = (pod.status?.containerStatuses ?? []).filter(({ ready }) => !ready);
  const reason = first?.state?.waiting?.reason ?? first?.state?.terminated?.reason;
  if (reason !== undefined) return reason;
  return phase === "Pending" && pod.spec.nodeName !== undefined ? "ContainerCreating" : phase;
}

function deploymentRow(deployment: Deployment, age: string): readonly string[] {
  const wanted = deployment.spec.replicas ?? 1;
  const { replicas = 0, readyReplicas = 0 } = deployment.status ?? {};
  return [deployment.metadata.name, `${readyReplicas}/${wanted}`, String(replicas), String(readyReplicas), age];
}

/** Three addresses at most, and how many there are beside. */
function sliceRow(slice: EndpointSlice, age: string): readonly string[] {
  const SHOWN = 3;
  const addresses = (slice.endpoints ?? []).flatMap((endpoint) => endpoint.addresses);
  const more = addresses.length > SHOWN ? ` + ${addresses.length - SHOWN} more...` : "";
  const ports = (slice.ports ?? []).map((port) => String(port.port ?? "*")).join(",") || "<unset>";
  const shown = addresses.slice(0, SHOWN).join(",") || "<unset>";
  return [slice.metadata.name, slice.addressType, ports, shown + more, age];
}

/** Columns as wide as their widest cell and three more; the last one ends where its text ends. */
function formatColumns(rows: readonly (readonly string[])[]): string {
  const GAP = 3;
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)) + GAP);
  return rows
    .map((row) => row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))))
    .map((cells) => `${cells.join("")}\n`)
    .join("");
}

function twoUnits(great: number, greatUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${great}${greatUnit}` : `${great}${greatUnit}${small}${smallUnit}`;
}

/** Before Kubernetes 1.`minor`. */
function isBefore(version: KubernetesVersion, minor: number): boolean {
  return version.major < 1 || (version.major === 1 && version.minor < minor);
}
