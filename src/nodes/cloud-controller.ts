import {
  type ApiServer,
  type ControlPlanePins,
  healthCheckNodePortOf,
  isNodeReady,
  type Node,
  pinFor,
  type Service,
} from "../kube/index.ts";
import type { BackendOptions, BalancingMethod, HealthCheckTiming } from "../lb/index.ts";
import { type Ipv4Address, parseIpv4 } from "../netstack/index.ts";
import type { Random } from "../sim/index.ts";
import { IngressAddresses, type IngressSpec } from "./ingress-addresses.ts";
import {
  type BalancerSettings,
  type ClientHeader,
  type Frontend,
  type FrontendSpec,
  LoadBalancer,
} from "./load-balancer.ts";
import type { Network } from "./network.ts";

/**
 * What nodes are asked when a Service's policy is Cluster: kube-proxy's health on port 10256, whether the nodePort takes connections, or nothing.
 * With the policy Local it is always the Service's healthCheckNodePort.
 */
export type NodeCheck = "kube-proxy" | "node-port" | "none";

/** A cloud's load balancer for Services of type LoadBalancer. */
export interface CloudBalancerSpec extends BalancerSettings, IngressSpec {
  /** The host on which it runs. */
  readonly host: string;
  /** By Service, in place of the balancer's own. */
  readonly headers: Readonly<Record<string, ClientHeader>>;
  readonly nodeCheck: NodeCheck;
  readonly timing: HealthCheckTiming;
  readonly checkFrom?: Ipv4Address;
}

interface Wanted {
  readonly service: Service;
  readonly spec: FrontendSpec;
  readonly nodePort: number;
}

const PROTOCOLS = { TCP: "tcp", UDP: "udp", SCTP: "sctp" } as const;

/** kube-proxy's health port (pkg/cluster/ports). */
const KUBE_PROXY_HEALTH = 10_256;
/** Nodes with this label get nothing from cloud balancers (KEP-1143). */
const EXCLUDE_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers";

/**
 * The cloud's part of the control plane: gives Services of type LoadBalancer their addresses, and keeps the balancer's frontends, backends and health
 * checks as the objects say. Every ready node is a backend, whether it has an endpoint or not: health checks sort that out.
 */
export class CloudController {
  readonly #spec: CloudBalancerSpec;
  readonly #ingress: IngressAddresses;
  readonly #balancer: LoadBalancer;
  readonly #served = new Map<string, Frontend>();

  /** @throws RangeError when the balancer's host is not there. */
  constructor(network: Network, spec: CloudBalancerSpec, pins: ControlPlanePins, random: Random) {
    const host = network.hosts.get(spec.host);
    if (host === undefined) throw new RangeError(`Cannot build a load balancer: no host ${spec.host}`);
    this.#spec = spec;
    this.#ingress = new IngressAddresses({ network, spec, pins, random });
    this.#balancer = new LoadBalancer(host, spec);
  }

  /** Gives addresses to Services that wait for one; true when there was one. */
  allocate(api: ApiServer): boolean {
    return this.#ingress.allocate(api, (service) => this.#canServe(service));
  }

  /** Makes the balancer what the objects say. */
  sync(api: ApiServer): void {
    const wanted = new Map(api.list("Service").flatMap((service) => this.#wanted(service)));
    // Who takes over an address can listen only when the one before has stopped.
    for (const [key, frontend] of this.#served) {
      if (wanted.has(key)) continue;
      frontend.close();
      this.#served.delete(key);
    }
    const nodes = api.list("Node").filter(isEligible);
    for (const [key, { service, spec, nodePort }] of wanted) {
      const frontend = this.#served.get(key) ?? this.#balancer.open(spec);
      this.#served.set(key, frontend);
      frontend.setBackends(nodes.flatMap((node) => this.#backend(node, nodePort)));
      frontend.setHealthCheck(this.#healthCheck(service, nodePort));
    }
  }

  /** A Service's frontends, each under a key with everything that cannot change while it serves. */
  #wanted(service: Service): readonly (readonly [key: string, wanted: Wanted])[] {
    const address = service.spec.type === "LoadBalancer" ? this.#ingress.addressOf(service) : undefined;
    if (address === undefined) return [];
    const { metadata } = service;
    const method = service.spec.sessionAffinity === "ClientIP" ? affine(this.#spec.method) : this.#spec.method;
    return (service.spec.ports ?? []).map(({ port, nodePort = 0, protocol = "TCP" }) => {
      const spec: FrontendSpec = {
        name: `${metadata.namespace}/${metadata.name}`,
        address,
        port,
        protocol: PROTOCOLS[protocol],
        method,
        first: this.#ingress.pin(service).first,
        header: pinFor(this.#spec.headers, metadata),
      };
      return [JSON.stringify(spec), { service, spec, nodePort }];
    });
  }

  /** A proxy opens its connections to the nodePort; forwarded packets keep the port that the client called. */
  #backend(node: Node, nodePort: number): readonly BackendOptions[] {
    const internal = node.status?.addresses?.find(({ type }) => type === "InternalIP")?.address ?? "";
    const address = parseIpv4(internal);
    if (address === undefined) return [];
    return [{ name: node.metadata.name, address, ...(this.#spec.kind === "proxy" && { port: nodePort }) }];
  }

  #healthCheck(service: Service, nodePort: number): Parameters<Frontend["setHealthCheck"]>[0] {
    const { timing, nodeCheck, checkFrom: from } = this.#spec;
    const port = healthCheckNodePortOf(service);
    if (port !== 0) return { probe: { kind: "http", port, path: "/healthz" }, timing, from };
    if (nodeCheck === "none" || (nodeCheck === "node-port" && nodePort === 0)) return undefined;
    if (nodeCheck === "node-port") return { probe: { kind: "tcp", port: nodePort }, timing, from };
    return { probe: { kind: "http", port: KUBE_PROXY_HEALTH, path: "/healthz" }, timing, from };
  }

  /** Proxies carry TCP only, to nodePorts; forwarded packets may be of any kind. */
  #canServe({ spec: { ports = [] } }: Service): boolean {
    if (this.#spec.kind === "passthrough") return true;
    return ports.every(({ protocol = "TCP", nodePort }) => protocol === "TCP" && nodePort !== undefined);
  }
}

/** With session affinity clouds leave ports out of the hash: CLIENT_IP at Google, SourceIP at Azure. */
function affine(method: BalancingMethod): BalancingMethod {
  if (method.kind !== "hash" && method.kind !== "maglev") return method;
  return method.key === "five-tuple" ? { ...method, key: "two-tuple" } : method;
}

function isEligible(node: Node): boolean {
  return isNodeReady(node) && node.metadata.labels?.[EXCLUDE_LABEL] === undefined;
}
