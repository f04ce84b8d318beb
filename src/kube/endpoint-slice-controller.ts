import type { Chance } from "./band-allocator.ts";
import { SERVICE_NAME_LABEL, ZONE_LABEL } from "./endpoints.ts";
import type { EndpointHints, EndpointSlice, Node, Pod, Service, SliceEndpoint, SlicePort } from "./model.ts";
import { isFinished, isPodReady, isTerminating, podAddress, selects } from "./pod.ts";
import { randomSuffix } from "./random-names.ts";
import { isHeadless } from "./service-type.ts";

const MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by";
const CONTROLLER = "endpointslice-controller.k8s.io";
const HEADLESS_LABEL = "service.kubernetes.io/headless";
/** The default of `--max-endpoints-per-slice`. */
const MAX_ENDPOINTS = 100;

export interface SliceInput {
  readonly service: Service;
  /** In the order of their names; those that are not selected are left out. */
  readonly pods: readonly Pod[];
  readonly nodeOf: (name: string) => Node | undefined;
  /** Those of other Services and those made by hand are left alone. */
  readonly slices: readonly EndpointSlice[];
}

/** What has to be done so that the slices say what the Pods are. */
export interface SliceChanges {
  readonly put: readonly EndpointSlice[];
  readonly delete: readonly EndpointSlice[];
}

/**
 * The EndpointSlices of a Service from the Pods it selects. A Service without a selector keeps the slices that somebody made by hand.
 * Pods for which a named targetPort means different numbers get slices of their own.
 */
export function reconcileSlices(input: SliceInput, chance: Chance): SliceChanges {
  const { service, slices } = input;
  const own = slices.filter((slice) => isManagedFor(slice, service));
  if (service.spec.selector === undefined || service.spec.type === "ExternalName") return { put: [], delete: own };
  const wanted = chunks(groupByPorts(input));
  const put: EndpointSlice[] = [];
  for (const [index, { ports, endpoints }] of wanted.entries()) {
    const old = own[index];
    const slice = newSlice(
      service,
      old?.metadata.name ?? `${service.metadata.name}-${randomSuffix(chance)}`,
      ports,
      endpoints,
    );
    if (old === undefined || JSON.stringify(content(old)) !== JSON.stringify(content(slice))) put.push(slice);
  }
  return { put, delete: own.slice(wanted.length) };
}

interface SliceContent {
  readonly ports: readonly SlicePort[];
  readonly endpoints: readonly SliceEndpoint[];
}

function isManagedFor(slice: EndpointSlice, service: Service): boolean {
  const labels = slice.metadata.labels ?? {};
  return (
    slice.metadata.namespace === service.metadata.namespace &&
    labels[SERVICE_NAME_LABEL] === service.metadata.name &&
    labels[MANAGED_BY_LABEL] === CONTROLLER
  );
}

function groupByPorts(input: SliceInput): readonly SliceContent[] {
  const { service, pods, nodeOf } = input;
  const groups = new Map<string, { ports: readonly SlicePort[]; endpoints: SliceEndpoint[] }>();
  const same = portsOfAnyPod(service);
  const sameKey = JSON.stringify(same);
  for (const pod of pods) {
    const address = podAddress(pod);
    if (address === undefined || isFinished(pod) || !isSelected(pod, service)) continue;
    const ports = same ?? portsFor(service, pod);
    const key = same === undefined ? JSON.stringify(ports) : sameKey;
    const group = groups.get(key) ?? { ports, endpoints: [] };
    groups.set(key, group);
    group.endpoints.push(sliceEndpoint(service, pod, address, nodeOf));
  }
  return [...groups.values()];
}

function isSelected(pod: Pod, service: Service): boolean {
  const { namespace } = service.metadata;
  return pod.metadata.namespace === namespace && selects(service.spec.selector ?? {}, pod.metadata.labels);
}

/** At most {@link MAX_ENDPOINTS} to a slice, and one empty slice where there is nothing: it says that there is nothing. */
function chunks(groups: readonly SliceContent[]): readonly SliceContent[] {
  if (groups.length === 0) return [{ ports: [], endpoints: [] }];
  return groups.flatMap(({ ports, endpoints }) => {
    const count = Math.ceil(endpoints.length / MAX_ENDPOINTS);
    return Array.from({ length: count }, (_, index) => ({
      ports,
      endpoints: endpoints.slice(index * MAX_ENDPOINTS, (index + 1) * MAX_ENDPOINTS),
    }));
  });
}

/** The Service's ports as all Pods have them; `undefined` where Pods are asked, as the Service names a port of theirs. */
function portsOfAnyPod({ spec: { ports = [] } }: Service): readonly SlicePort[] | undefined {
  if (ports.some(({ targetPort }) => typeof targetPort === "string")) return undefined;
  return ports.map(({ name = "", protocol = "TCP", port, targetPort }) => ({
    name,
    protocol,
    port: typeof targetPort === "number" ? targetPort : port,
  }));
}

/** The Service's ports as this Pod has them; a named one that it does not have is left out. */
function portsFor(service: Service, pod: Pod): readonly SlicePort[] {
  const found: SlicePort[] = [];
  for (const port of service.spec.ports ?? []) {
    const protocol = port.protocol ?? "TCP";
    const target = port.targetPort ?? port.port;
    const number = typeof target === "number" ? target : namedPort(pod, target, protocol);
    if (number !== undefined) found.push({ name: port.name ?? "", protocol, port: number });
  }
  return found;
}

function namedPort(pod: Pod, name: string, protocol: string): number | undefined {
  const ports = pod.spec.containers.flatMap((container) => container.ports ?? []);
  return ports.find((port) => port.name === name && (port.protocol ?? "TCP") === protocol)?.containerPort;
}

function sliceEndpoint(service: Service, pod: Pod, address: string, nodeOf: SliceInput["nodeOf"]): SliceEndpoint {
  const serving = isPodReady(pod);
  const terminating = isTerminating(pod);
  const ready = service.spec.publishNotReadyAddresses === true || (serving && !terminating);
  const { nodeName, hostname, subdomain } = pod.spec;
  const zone = nodeName === undefined ? undefined : nodeOf(nodeName)?.metadata.labels?.[ZONE_LABEL];
  const hints = ready ? hintsFor(service, nodeName, zone) : undefined;
  // Field by field: a large cluster has some hundred thousands.
  const endpoint: Writable<SliceEndpoint> = { addresses: [address], conditions: { ready, serving, terminating } };
  if (hostname !== undefined && subdomain === service.metadata.name) endpoint.hostname = hostname;
  if (nodeName !== undefined) endpoint.nodeName = nodeName;
  if (zone !== undefined) endpoint.zone = zone;
  if (hints !== undefined) endpoint.hints = hints;
  endpoint.targetRef = { kind: "Pod", namespace: pod.metadata.namespace, name: pod.metadata.name };
  return endpoint;
}

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** `trafficDistribution`: an endpoint is for its own zone, or for its own node. */
function hintsFor(service: Service, nodeName: string | undefined, zone: string | undefined): EndpointHints | undefined {
  const distribution = service.spec.trafficDistribution;
  const forZones = zone === undefined ? undefined : [{ name: zone }];
  if (distribution === "PreferClose" || distribution === "PreferSameZone") return forZones && { forZones };
  if (distribution !== "PreferSameNode" || nodeName === undefined) return undefined;
  return { ...(forZones && { forZones }), forNodes: [{ name: nodeName }] };
}

function newSlice(
  service: Service,
  name: string,
  ports: readonly SlicePort[],
  endpoints: readonly SliceEndpoint[],
): EndpointSlice {
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name,
      namespace: service.metadata.namespace,
      labels: {
        ...service.metadata.labels,
        ...(isHeadless(service) ? { [HEADLESS_LABEL]: "" } : {}),
        [SERVICE_NAME_LABEL]: service.metadata.name,
        [MANAGED_BY_LABEL]: CONTROLLER,
      },
      ownerReferences: [{ kind: "Service", name: service.metadata.name, controller: true }],
    },
    addressType: "IPv4",
    endpoints,
    ports,
  };
}

function content({ metadata, endpoints, ports }: EndpointSlice): unknown {
  return [metadata.labels, endpoints, ports];
}
