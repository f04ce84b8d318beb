import {
  type BackendOptions,
  BackendPool,
  type Balancer,
  type BalancingMethod,
  createBalancer,
  type Delivery,
  HealthChecker,
  type HealthCheckTiming,
  type HealthProbe,
  IpipTunnel,
  PassthroughBalancer,
  type PassthroughService,
  ProxyBalancer,
  type ProxyOptions,
} from "../lb/index.ts";
import type { Ipv4Address } from "../netstack/index.ts";
import type { Random } from "../sim/index.ts";
import type { Host } from "./host.ts";

/** What a proxy tells its backends about the client, and in which words. */
export type ClientHeader = "none" | "x-forwarded-for" | "forwarded" | "proxy-v1" | "proxy-v2";

/** How a balancer forwards packets: unchanged to the backend as next hop, inside IPIP, or with the backend as destination. */
export type DeliveryKind = Delivery["kind"];

/** What kind of balancer a host is, and how it picks. */
export interface BalancerSettings {
  /** "passthrough" forwards packets, "proxy" ends the client's connection and opens its own. */
  readonly kind: "passthrough" | "proxy";
  readonly method: BalancingMethod;
  /** Of a passthrough balancer. */
  readonly delivery: DeliveryKind;
  /** Of a proxy. */
  readonly header: ClientHeader;
  readonly whenAllUnhealthy: "none" | "all";
}

/** One address and port that clients call, and how backends behind it are asked for their health: not at all without a `probe`. */
export interface FrontendSpec {
  readonly name: string;
  readonly address: Ipv4Address;
  readonly protocol: PassthroughService["protocol"];
  readonly port: number;
  /** The backend that gets the first flow, whatever the seed. */
  readonly first?: string | undefined;
  /** In place of the balancer's own. */
  readonly header?: ClientHeader | undefined;
  readonly delivery?: DeliveryKind | undefined;
  readonly method?: BalancingMethod | undefined;
}

/** A question and when it is asked. */
export interface HealthCheckSpec {
  readonly probe: HealthProbe;
  readonly timing: HealthCheckTiming;
  /** Where the questions come from; by the route when left out. */
  readonly from?: Ipv4Address | undefined;
}

/** A host that balances load: it has any number of frontends, each with backends of its own. */
export class LoadBalancer {
  readonly host: Host;
  readonly settings: BalancerSettings;
  readonly #random: Random;
  #passthrough: PassthroughBalancer | undefined;
  #tunnel: IpipTunnel | undefined;

  constructor(host: Host, settings: BalancerSettings) {
    this.host = host;
    this.settings = settings;
    this.#random = host.stack.host.random.fork("balancer");
  }

  /** Begins to serve. @throws RangeError when a proxy cannot listen. */
  open(spec: FrontendSpec): Frontend {
    const { stack } = this.host;
    const { kind, whenAllUnhealthy } = this.settings;
    const method = spec.method ?? this.settings.method;
    const pool = new BackendPool({ clock: stack.clock, whenAllUnhealthy });
    const random = this.#random.fork(spec.name);
    const balancer = createBalancer({ method, random, first: spec.first });
    const close =
      kind === "proxy" ? this.#startProxy(spec, pool, balancer) : this.#startForwarding(spec, pool, balancer);
    return new Frontend(this.host, pool, close);
  }

  #startForwarding(spec: FrontendSpec, pool: BackendPool, balancer: Balancer): () => void {
    this.#passthrough ??= new PassthroughBalancer({ stack: this.host.stack });
    const passthrough = this.#passthrough;
    const { name, address, protocol, port, delivery: kind = this.settings.delivery } = spec;
    const service = { name, address, protocol, ports: [port], pool, balancer, delivery: this.#delivery(kind) };
    passthrough.addService(service);
    this.host.stack.setHook(passthrough);
    return () => passthrough.removeService(service);
  }

  #delivery(kind: DeliveryKind): Delivery {
    if (kind !== "ipip") return { kind };
    this.#tunnel ??= new IpipTunnel({ stack: this.host.stack });
    return { kind, tunnel: this.#tunnel };
  }

  #startProxy(spec: FrontendSpec, pool: BackendPool, balancer: Balancer): () => void {
    const { name, address, port, header = this.settings.header } = spec;
    const { stack } = this.host;
    const proxy = new ProxyBalancer({ name, stack, listen: { address, port }, pool, balancer, ...HEADERS[header] });
    proxy.start();
    return () => proxy.stop();
  }
}

/** X-Forwarded-For as Amazon's balancers write it: behind what is there already. */
const HEADERS: Readonly<Record<ClientHeader, Pick<ProxyOptions, "mode" | "sendProxy">>> = {
  none: { mode: { kind: "tcp" } },
  "x-forwarded-for": { mode: { kind: "http", forwarding: { style: "x-forwarded", existing: "append" } } },
  forwarded: { mode: { kind: "http", forwarding: { style: "forwarded", existing: "append" } } },
  "proxy-v1": { mode: { kind: "tcp" }, sendProxy: "v1" },
  "proxy-v2": { mode: { kind: "tcp" }, sendProxy: "v2" },
};

/** One address and port of a balancer with its backends. */
export class Frontend {
  readonly pool: BackendPool;
  readonly #host: Host;
  readonly #close: () => void;
  #check: HealthCheckSpec | undefined;
  #checker: HealthChecker | undefined;

  constructor(host: Host, pool: BackendPool, close: () => void) {
    this.#host = host;
    this.pool = pool;
    this.#close = close;
  }

  /** Makes these the backends: who is not among them any more leaves, new ones come, the others stay as they are. */
  setBackends(wanted: readonly BackendOptions[]): void {
    for (const { name, address, port } of this.pool.backends) {
      const same = wanted.some((each) => each.name === name && each.address === address && each.port === port);
      if (!same) this.pool.remove(name);
    }
    for (const each of wanted) if (this.pool.find(each.name) === undefined) this.pool.add(each);
  }

  /** Asks backends this from now on; a change of the question begins the counting anew and leaves states as they are. */
  setHealthCheck(check: HealthCheckSpec | undefined): void {
    if (JSON.stringify(check) === JSON.stringify(this.#check)) return;
    this.#checker?.stop();
    this.#check = check;
    this.#checker = undefined;
    if (check === undefined) return;
    const { probe, timing, from } = check;
    const source = from === undefined ? {} : { from };
    this.#checker = new HealthChecker({ stack: this.#host.stack, pool: this.pool, probe, timing, ...source });
    this.#checker.start();
  }

  /** Stops serving. */
  close(): void {
    this.setHealthCheck(undefined);
    this.#close();
  }
}
