import type { ObjectChange } from "./api-server.ts";
import type { EndpointSlice, Service } from "./model.ts";
import type { KubeProxyConfig } from "./proxy-config.ts";
import type { ProxyInput } from "./proxy-input.ts";
import { type ServicePort, servicePorts, sortServicePorts } from "./service-ports.ts";
import { SliceIndex, serviceKeyOf } from "./slice-index.ts";

/** Where rules are written from: service ports in order, and the EndpointSlices of each. What has not changed is the same object again. */
export interface ServiceSource {
  /** Another number after each change. */
  readonly revision: number;
  readonly ports: readonly ServicePort[];
  /** Those of the Service `namespace/name`. */
  slicesOf(service: string): readonly EndpointSlice[];
}

/** These objects, which do not change. */
export function serviceSource({ services, endpointSlices }: Omit<ProxyInput, "config">): ServiceSource {
  const slices = new Map<string, EndpointSlice[]>();
  for (const slice of endpointSlices) {
    const service = serviceKeyOf(slice);
    if (service !== undefined) slices.set(service, [...(slices.get(service) ?? []), slice]);
  }
  return {
    revision: 0,
    ports: servicePorts(services),
    slicesOf: (service) => slices.get(service) ?? [],
  };
}

/** What all kube-proxies of a cluster see of it, followed change by change. To be told of every change. */
export class ProxyObjects implements ServiceSource {
  /** By namespace and name. */
  readonly #services = new Map<string, Service>();
  readonly #slices = new SliceIndex();
  readonly #byService = new Map<string, readonly ServicePort[]>();
  #ports: readonly ServicePort[] | undefined;
  #healthChecks: readonly Service[] = [];
  /** The service ports that they were found among. */
  #checksFor: readonly ServicePort[] | undefined;
  #revision = 0;

  get revision(): number {
    return this.#revision;
  }

  get ports(): readonly ServicePort[] {
    this.#ports ??= sortServicePorts([...this.#byService.values()].flat());
    return this.#ports;
  }

  /** The Services that have a health check nodePort; the same list as long as none of them changes. */
  get healthChecks(): readonly Service[] {
    if (this.#checksFor === this.ports) return this.#healthChecks;
    this.#checksFor = this.ports;
    const now = this.#servicesWithHealthCheck();
    const isSame = now.length === this.#healthChecks.length && now.every((each, i) => each === this.#healthChecks[i]);
    if (!isSame) this.#healthChecks = now;
    return this.#healthChecks;
  }

  slicesOf(service: string): readonly EndpointSlice[] {
    return this.#slices.of(service);
  }

  /** All objects as one kube-proxy sees them. */
  input(config: KubeProxyConfig): ProxyInput {
    const endpointSlices = [...this.#services.keys()].flatMap((service) => this.#slices.of(service));
    return { services: [...this.#services.values()], endpointSlices, config };
  }

  follow(change: ObjectChange): void {
    const { type, object } = change;
    this.#slices.follow(change);
    if (object.kind === "EndpointSlice") this.#revision += 1;
    if (object.kind !== "Service") return;
    this.#revision += 1;
    this.#ports = undefined;
    const key = `${object.metadata.namespace}/${object.metadata.name}`;
    if (type === "deleted") {
      this.#services.delete(key);
      this.#byService.delete(key);
    } else {
      this.#services.set(key, object);
      this.#byService.set(key, servicePorts([object]));
    }
  }

  #servicesWithHealthCheck(): readonly Service[] {
    const keys = new Set(
      this.ports.filter((port) => port.healthCheckNodePort !== 0).map(({ serviceKey }) => serviceKey),
    );
    return [...keys].flatMap((key) => this.#services.get(key) ?? []);
  }
}
