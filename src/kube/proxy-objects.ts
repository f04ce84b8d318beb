import type { ObjectChange } from "./api-server.ts";
import { ChangedServices } from "./changed-services.ts";
import type { EndpointSlice, Service } from "./model.ts";
import type { KubeProxyConfig } from "./proxy-config.ts";
import type { ProxyInput } from "./proxy-input.ts";
import { type ServicePort, servicePorts, sortServicePorts } from "./service-ports.ts";
import { SliceIndex, serviceKeyOf } from "./slice-index.ts";

/** Where rules are written from: the ports and the EndpointSlices of each Service, by `namespace/name`. What has not changed is the same object again. */
export interface ServiceSource {
  /** A Service's ports in order; none when it has no address. */
  portsOf(service: string): readonly ServicePort[];
  slicesOf(service: string): readonly EndpointSlice[];
  /** Says from now on which Services have changed; at first all. */
  changes(): ChangedServices;
}

/** These objects, which do not change. */
export function serviceSource({ services, endpointSlices }: Omit<ProxyInput, "config">): ServiceSource {
  const slices = new Map<string, EndpointSlice[]>();
  for (const slice of endpointSlices) {
    const service = serviceKeyOf(slice);
    if (service !== undefined) slices.set(service, [...(slices.get(service) ?? []), slice]);
  }
  const ports = new Map<string, ServicePort[]>();
  for (const port of servicePorts(services)) ports.set(port.serviceKey, [...(ports.get(port.serviceKey) ?? []), port]);
  return {
    portsOf: (service) => ports.get(service) ?? [],
    slicesOf: (service) => slices.get(service) ?? [],
    changes: () => new ChangedServices(ports.keys()),
  };
}

/** What all kube-proxies of a cluster see of it, followed change by change. To be told of every change. */
export class ProxyObjects implements ServiceSource {
  /** By namespace and name. */
  readonly #services = new Map<string, Service>();
  readonly #slices = new SliceIndex();
  readonly #ports = new Map<string, readonly ServicePort[]>();
  readonly #followers: ChangedServices[] = [];
  /** Those with a health check nodePort. */
  readonly #checked = new Map<string, Service>();
  #healthChecks: readonly Service[] = [];
  #revision = 0;
  #portCount = 0;

  /** Another number after each change. */
  get revision(): number {
    return this.#revision;
  }

  /** How many service ports there are. */
  get portCount(): number {
    return this.#portCount;
  }

  /** The Services that have a health check nodePort, in order; the same list as long as none of them changes. */
  get healthChecks(): readonly Service[] {
    return this.#healthChecks;
  }

  portsOf(service: string): readonly ServicePort[] {
    return this.#ports.get(service) ?? [];
  }

  slicesOf(service: string): readonly EndpointSlice[] {
    return this.#slices.of(service);
  }

  changes(): ChangedServices {
    const changes = new ChangedServices(this.#services.keys());
    this.#followers.push(changes);
    return changes;
  }

  /** All objects as one kube-proxy sees them. */
  input(config: KubeProxyConfig): ProxyInput {
    const endpointSlices = [...this.#services.keys()].flatMap((service) => this.#slices.of(service));
    return { services: [...this.#services.values()], endpointSlices, config };
  }

  follow(change: ObjectChange): void {
    const { object, before } = change;
    this.#slices.follow(change);
    if (object.kind === "EndpointSlice") for (const slice of [object, before]) this.#note(slice && serviceKeyOf(slice));
    if (object.kind === "Service") this.#followService(object, change.type === "deleted");
  }

  #followService(service: Service, isGone: boolean): void {
    const key = `${service.metadata.namespace}/${service.metadata.name}`;
    const ports = isGone ? [] : servicePorts([service]);
    if (isGone) this.#services.delete(key);
    else this.#services.set(key, service);
    this.#portCount += ports.length - this.portsOf(key).length;
    if (ports.length === 0) this.#ports.delete(key);
    else this.#ports.set(key, ports);
    this.#note(key);
    const isChecked = ports.some(({ healthCheckNodePort }) => healthCheckNodePort !== 0);
    if (!isChecked && !this.#checked.has(key)) return;
    if (isChecked) this.#checked.set(key, service);
    else this.#checked.delete(key);
    const checkedPorts = [...this.#checked.keys()].flatMap((checked) => this.portsOf(checked));
    const inOrder = new Set(sortServicePorts(checkedPorts).map(({ serviceKey }) => serviceKey));
    this.#healthChecks = [...inOrder].flatMap((checked) => this.#checked.get(checked) ?? []);
  }

  #note(service: string | undefined): void {
    if (service === undefined) return;
    this.#revision += 1;
    for (const changes of this.#followers) changes.add(service);
  }
}
