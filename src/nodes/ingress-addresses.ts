import { type ApiServer, type ControlPlanePins, type LoadBalancerPin, pinFor, type Service } from "../kube/index.ts";
import { formatIpv4, type Ipv4Address, parseIpv4 } from "../netstack/index.ts";
import type { Random } from "../sim/index.ts";
import type { Network } from "./network.ts";

/** What Services of type LoadBalancer get. */
export interface IngressSpec {
  /** Given out in this order. */
  readonly addresses: readonly Ipv4Address[];
  /** Services get a name in this domain instead of an address, as Amazon's do. */
  readonly domain?: string;
  /** `Proxy` keeps kube-proxy from writing rules for the address. */
  readonly ipMode: "VIP" | "Proxy";
}

interface Allocation {
  readonly network: Network;
  readonly spec: IngressSpec;
  readonly pins: ControlPlanePins;
  readonly random: Random;
}

/** Gives Services of type LoadBalancer their addresses, and knows which has which. */
export class IngressAddresses {
  readonly #options: Allocation;
  readonly #hostnames = new Map<string, Ipv4Address>();

  constructor(options: Allocation) {
    this.#options = options;
  }

  /**
   * Gives addresses to Services that wait for one and that `canServe` agrees to; true when there was one. A Service stays pending when none is left, and
   * loses its address when it is of another type.
   */
  allocate(api: ApiServer, canServe: (service: Service) => boolean): boolean {
    let changed = false;
    for (const service of api.list("Service")) {
      const { name, namespace } = service.metadata;
      const has = this.addressOf(service) !== undefined;
      if (service.spec.type !== "LoadBalancer") {
        if (has) api.setStatus({ kind: "Service", name, namespace }, { ...service.status, loadBalancer: {} });
        changed ||= has;
        continue;
      }
      const address = has || !canServe(service) ? undefined : this.#freeAddress(api, service);
      if (address === undefined) continue;
      const ingress = this.#ingress(service, address);
      api.setStatus({ kind: "Service", name, namespace }, { ...service.status, loadBalancer: { ingress: [ingress] } });
      this.#options.network.nameAddress(address, `${name}.${namespace}.lb`);
      changed = true;
    }
    return changed;
  }

  /** The address that a Service was given. */
  addressOf(service: Service): Ipv4Address | undefined {
    const [ingress] = service.status?.loadBalancer?.ingress ?? [];
    if (ingress?.ip !== undefined) return parseIpv4(ingress.ip);
    return ingress?.hostname === undefined ? undefined : this.#hostnames.get(ingress.hostname);
  }

  /** What the scenario fixes for a Service. */
  pin({ metadata }: Service): LoadBalancerPin {
    return pinFor(this.#options.pins.loadBalancers, metadata) ?? {};
  }

  #freeAddress(api: ApiServer, service: Service): Ipv4Address | undefined {
    const { spec, pins } = this.#options;
    const taken = new Set(api.list("Service").map((each) => this.addressOf(each)));
    const asked = this.pin(service).address ?? service.spec.loadBalancerIP;
    const wanted = asked === undefined || asked === "" ? undefined : parseIpv4(asked);
    const pinned = new Set(Object.values(pins.loadBalancers ?? {}).map(({ address }) => address));
    return spec.addresses.find(
      (each) => !taken.has(each) && (wanted === undefined ? !pinned.has(formatIpv4(each)) : each === wanted),
    );
  }

  #ingress(service: Service, address: Ipv4Address): { ip: string; ipMode: "VIP" | "Proxy" } | { hostname: string } {
    const { spec, random, network } = this.#options;
    if (spec.domain === undefined) return { ip: formatIpv4(address), ipMode: spec.ipMode };
    const drawn = `a${random.u32().toString(16).padStart(8, "0")}-${random.below(2 ** 31)}.${spec.domain}`;
    const name = this.pin(service).hostname ?? drawn;
    this.#hostnames.set(name, address);
    network.names.set(name, address);
    return { hostname: name };
  }
}
