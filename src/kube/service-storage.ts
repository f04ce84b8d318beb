import type { NumberRange } from "../nat/index.ts";
import { type Cidr, formatIpv4, parseIpv4 } from "./address.ts";
import { ApiError, type FieldError, invalid, invalidValue } from "./api-error.ts";
import type { Chance } from "./band-allocator.ts";
import { annotatedTrafficPolicy, HEALTH_CHECK_ANNOTATION } from "./beta-annotations.ts";
import { type ControlPlanePins, pinFor, pinnedNodePort } from "./control-plane-pins.ts";
import type { Service, ServicePortSpec, ServiceSpec } from "./model.ts";
import { ClusterIpAllocator, NODE_PORT_RANGE, NodePortAllocator } from "./service-addresses.ts";
import { withAllocatedValues, withoutUselessFields, withServiceDefaults } from "./service-defaults.ts";
import {
  allocatesNodePorts,
  isHeadless,
  needsClusterIp,
  needsHealthCheckPort,
  needsNodePorts,
} from "./service-type.ts";
import { validateService, validateServiceUpdate } from "./service-validation.ts";

export interface ServiceStorageOptions {
  /** The API server's `--service-cluster-ip-range`. */
  readonly serviceRange: Cidr;
  readonly nodePortRange?: NumberRange;
  readonly chance: Chance;
  readonly pins?: ControlPlanePins;
}

/**
 * The part of the API server that gives Services their cluster IPs and nodePorts, and takes them back
 * (pkg/registry/core/service/storage). A change that is refused leaves everything as it was.
 */
export class ServiceStorage {
  readonly #clusterIps: ClusterIpAllocator;
  readonly #nodePorts: NodePortAllocator;
  readonly #pins: ControlPlanePins;

  constructor(options: ServiceStorageOptions) {
    this.#clusterIps = new ClusterIpAllocator(options.serviceRange, options.chance);
    this.#nodePorts = new NodePortAllocator(options.nodePortRange ?? NODE_PORT_RANGE, options.chance);
    this.#pins = options.pins ?? {};
  }

  /** The address that belongs to the Service `default/kubernetes`. */
  get firstClusterIp(): string {
    return formatIpv4(this.#clusterIps.first);
  }

  /** The Service as it is stored: defaults filled in, addresses and ports allocated. @throws ApiError when it is refused. */
  create(given: Service): Service {
    const service = withServiceDefaults(given);
    refuse(service, validateService(service));
    return this.#allocating((taken) => this.#allocate(service, undefined, taken));
  }

  /** The Service as it is stored after an update. @throws ApiError when it is refused. */
  update(given: Service, old: Service): Service {
    const filled = withServiceDefaults(withoutStalePolicy(given, old));
    const next = withoutUselessFields(withAllocatedValues(filled, old), old);
    refuse(next, [...validateService(next), ...validateServiceUpdate(next, old)]);
    const stored = this.#allocating((taken) => this.#allocate(next, old, taken));
    this.#releaseUnused(old, stored);
    return stored;
  }

  delete(service: Service): void {
    this.#releaseUnused(service, undefined);
  }

  #allocating(allocate: (taken: Allocations) => Service): Service {
    const taken: Allocations = { undo: [] };
    try {
      return allocate(taken);
    } catch (error) {
      for (const undo of taken.undo) undo();
      throw error;
    }
  }

  #allocate(service: Service, old: Service | undefined, taken: Allocations): Service {
    const addressed = { ...service, spec: this.#withClusterIp(service, old, taken) };
    const ported = { ...addressed, spec: { ...addressed.spec, ...this.#withNodePorts(addressed, old, taken) } };
    return this.#withHealthCheckPort(ported, old, taken);
  }

  #withClusterIp(service: Service, old: Service | undefined, taken: Allocations): ServiceSpec {
    const { spec } = service;
    if (!needsClusterIp(service)) return spec;
    const families = { ipFamilies: ["IPv4"], ipFamilyPolicy: spec.ipFamilyPolicy ?? "SingleStack" };
    if (isHeadless(service)) return { ...spec, ...families, clusterIP: "None", clusterIPs: ["None"] };
    const clusterIP = this.#clusterIpFor(service, old, taken);
    return { ...spec, ...families, clusterIP, clusterIPs: [clusterIP] };
  }

  #clusterIpFor(service: Service, old: Service | undefined, taken: Allocations): string {
    const wanted = service.spec.clusterIP || pinFor(this.#pins.clusterIps, service.metadata) || "";
    if (old !== undefined && needsClusterIp(old) && old.spec.clusterIP === wanted && wanted !== "") return wanted;
    const address = wanted === "" ? this.#clusterIps.takeAny() : parseIpv4(wanted);
    if (address === undefined)
      throw new ApiError(
        "InternalError",
        "Error from server (InternalError): Internal error occurred: failed to allocate a serviceIP: range is full",
      );
    const problem = wanted === "" ? undefined : this.#clusterIps.take(address);
    if (problem !== undefined) {
      const detail = `failed to allocate IP ${wanted}: ${problem}`;
      throw invalid("Service", service.metadata.name, [invalidValue("spec.clusterIPs", [wanted], detail)]);
    }
    taken.undo.push(() => this.#clusterIps.release(address));
    return formatIpv4(address);
  }

  /** Ports of one Service with the same number, such as 53/TCP and 53/UDP, get the same nodePort. */
  #withNodePorts(
    service: Service,
    old: Service | undefined,
    taken: Allocations,
  ): Pick<ServiceSpec, "ports"> | undefined {
    const { ports } = service.spec;
    if (ports === undefined || !needsNodePorts(service)) return undefined;
    const own = new Set(old === undefined ? [] : nodePortsOf(old));
    const byPort = new Map<number, number>();
    const filled = ports.map((port, index) => {
      if (!port.nodePort && !allocatesNodePorts(service)) return port;
      const shared = byPort.get(port.port);
      if (shared !== undefined && (port.nodePort || shared) === shared) return { ...port, nodePort: shared };
      const requested = port.nodePort || requestedNodePort(ports, port.port);
      const nodePort = this.#nodePortFor(service, { ...port, nodePort: requested }, index, { own, taken });
      if (old !== undefined) own.add(nodePort);
      if (shared === undefined) byPort.set(port.port, nodePort);
      return { ...port, nodePort };
    });
    return { ports: filled };
  }

  #nodePortFor(
    service: Service,
    port: ServicePortSpec & { readonly nodePort: number },
    index: number,
    state: { readonly own: ReadonlySet<number>; readonly taken: Allocations },
  ): number {
    const pinned = port.nodePort === 0 ? pinnedNodePort(this.#pins, service, port) : undefined;
    const wanted = port.nodePort || pinned || 0;
    if (wanted !== 0 && state.own.has(wanted)) return wanted;
    const nodePort = wanted === 0 ? this.#nodePorts.takeAny() : wanted;
    if (nodePort === undefined)
      throw new ApiError(
        "InternalError",
        "Error from server (InternalError): Internal error occurred: failed to allocate a nodePort: range is full",
      );
    const problem = wanted === 0 ? undefined : this.#nodePorts.take(wanted);
    if (problem !== undefined)
      throw invalid("Service", service.metadata.name, [invalidValue(`spec.ports[${index}].nodePort`, wanted, problem)]);
    state.taken.undo.push(() => this.#nodePorts.release(nodePort));
    return nodePort;
  }

  #withHealthCheckPort(service: Service, old: Service | undefined, taken: Allocations): Service {
    if (!needsHealthCheckPort(service)) return service;
    const before = old !== undefined && needsHealthCheckPort(old) ? old.spec.healthCheckNodePort : undefined;
    const wanted = service.spec.healthCheckNodePort || pinFor(this.#pins.healthCheckNodePorts, service.metadata) || 0;
    const port = before ?? this.#takeHealthCheckPort(wanted, taken);
    // The API server of 1.5 told the port in an annotation.
    const annotated = annotatedTrafficPolicy(service) === undefined ? {} : { [HEALTH_CHECK_ANNOTATION]: String(port) };
    const annotations = { ...service.metadata.annotations, ...annotated };
    const metadata = Object.keys(annotated).length === 0 ? service.metadata : { ...service.metadata, annotations };
    return { ...service, metadata, spec: { ...service.spec, healthCheckNodePort: port } };
  }

  #takeHealthCheckPort(wanted: number, taken: Allocations): number {
    const port = wanted === 0 ? this.#nodePorts.takeAny() : wanted;
    const problem = wanted === 0 ? undefined : this.#nodePorts.take(wanted);
    if (port === undefined || problem !== undefined)
      throw new ApiError(
        "InternalError",
        `Error from server (InternalError): Internal error occurred: failed to allocate requested HealthCheck NodePort ${wanted}: ${problem ?? "range is full"}`,
      );
    taken.undo.push(() => this.#nodePorts.release(port));
    return port;
  }

  /** Gives back what the old Service had and the new one has not. */
  #releaseUnused(old: Service, next: Service | undefined): void {
    const kept = new Set(next === undefined ? [] : nodePortsOf(next));
    for (const port of nodePortsOf(old)) if (!kept.has(port)) this.#nodePorts.release(port);
    const address = parseIpv4(old.spec.clusterIP ?? "");
    if (address !== undefined && next?.spec.clusterIP !== old.spec.clusterIP) this.#clusterIps.release(address);
  }
}

/** What one change has taken so far, to be given back should it fail. */
interface Allocations {
  readonly undo: (() => void)[];
}

/** All ports that a Service has from the pool. */
function nodePortsOf(service: Service): readonly number[] {
  const ports = (service.spec.ports ?? []).map((port) => port.nodePort ?? 0);
  return [...new Set([...ports, service.spec.healthCheckNodePort ?? 0])].filter((port) => port !== 0);
}

/** What another port of the same number asks for by name. */
function requestedNodePort(ports: readonly ServicePortSpec[], number: number): number {
  return ports.find((port) => port.port === number && port.nodePort)?.nodePort ?? 0;
}

/** Taking the old annotation away takes its policy away. */
function withoutStalePolicy(next: Service, old: Service): Service {
  const wentAway = annotatedTrafficPolicy(old) === "Local" && annotatedTrafficPolicy(next) === undefined;
  if (!wentAway || next.spec.externalTrafficPolicy !== old.spec.externalTrafficPolicy) return next;
  const { externalTrafficPolicy: _, ...spec } = next.spec;
  return { ...next, spec };
}

function refuse(service: Service, errors: readonly FieldError[]): void {
  if (errors.length > 0) throw invalid("Service", service.metadata.name, errors);
}
