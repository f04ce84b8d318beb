import { echoServer, stunServer } from "../apps/index.ts";
import { ofKind } from "../kube/index.ts";
import { BackendPool, createBalancer, IpipTunnel, ProxyBalancer } from "../lb/index.ts";
import {
  EVERYWHERE,
  formatIpv4,
  type Ipv4Address,
  type TcpEndpoint,
  type TcpListenOptions,
} from "../netstack/index.ts";
import {
  Cluster,
  cloudEdgeRules,
  type Host,
  joinRulesets,
  LoadBalancer,
  Network,
  type NetworkOptions,
  setSysctls,
  sizeProblem,
} from "../nodes/index.ts";
import { aliasesIn } from "./aliases.ts";
import { ConfigError } from "./config-error.ts";
import type { LinkChange, MachineSpec, RouteSpec, Scenario, ScenarioCluster, ServerSpec, TunnelSpec } from "./model.ts";

/** A scenario's network, built and standing at the beginning of virtual time. */
export class Lab {
  readonly scenario: Scenario;
  readonly network: Network;
  readonly clusters: ReadonlyMap<string, Cluster>;
  readonly #aliases: ReadonlyMap<string, string>;

  constructor(scenario: Scenario, options: NetworkOptions) {
    this.scenario = scenario;
    this.#aliases = aliasesIn(scenario);
    this.network = new Network(options);
    for (const { name, mtu } of scenario.networks) this.network.addSwitch(name, mtu);
    for (const machine of scenario.machines) this.#addMachine(machine);
    for (const machine of scenario.machines) this.#startBalancer(machine);
    this.clusters = new Map(scenario.clusters.map((spec) => [spec.name, this.#addCluster(spec)]));
    this.changeLinks(scenario.links);
  }

  /** The names of all Kubernetes nodes, in the file's order. */
  get nodes(): readonly string[] {
    return this.scenario.clusters.flatMap((cluster) => cluster.nodes.map((node) => node.name));
  }

  /** A host, router, node or running pod, by its name or an alias; a pod also by `namespace/name`. */
  find(name: string): Host | undefined {
    const machine = this.network.hosts.get(this.realName(name));
    if (machine !== undefined) return machine;
    const [namespace, pod] = name.includes("/") ? name.split("/", 2) : ["default", name];
    for (const cluster of this.clusters.values()) {
      const found = cluster.pod(pod ?? "", namespace);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The name behind an alias. */
  realName(name: string): string {
    return this.#aliases.get(name) ?? name;
  }

  /** Changes what links do from now on. */
  changeLinks(changes: readonly LinkChange[]): void {
    for (const { host, interface: name, impairments } of changes) {
      const link = this.network.linkAt(host, name);
      if (impairments.out !== undefined) link?.impair("a>b", impairments.out);
      if (impairments.in !== undefined) link?.impair("b>a", impairments.in);
    }
  }

  #addMachine(spec: MachineSpec): void {
    const host = this.network.addHost(spec.name);
    setSysctls(host, spec.sysctls);
    for (const each of spec.interfaces) {
      const segment = this.network.switches.get(each.network);
      if (segment !== undefined) this.network.attach(host, segment, each);
    }
    for (const own of spec.loopback) host.stack.addAddress(host.stack.loopback, own);
    for (const tunnel of spec.tunnels) startTunnel(host, tunnel);
    for (const route of spec.routes) addRoute(host, route);
    if (spec.gateway !== undefined) addRoute(host, { to: EVERYWHERE, via: spec.gateway });
    const edge = spec.cloudEdge ? this.#edgeRules(spec) : undefined;
    const rules = edge === undefined ? spec.rules : joinRulesets(spec.rules ?? new Map(), edge);
    if (rules !== undefined) host.setRules(rules);
    if (spec.nat !== undefined) host.setNatGateway(spec.nat);
    for (const server of spec.servers) startServer(host, server);
    if (host.address !== undefined) this.#nameAddress(host.address, [spec.name, ...spec.aliases]);
  }

  #startBalancer({ name, balancer: spec }: MachineSpec): void {
    const host = this.network.hosts.get(name);
    if (spec === undefined || host === undefined) return;
    const balancer = new LoadBalancer(host, spec.settings);
    for (const { backends, ...frontend } of spec.frontends) {
      const found = backends.flatMap((backend) => {
        const address = this.network.hosts.get(this.realName(backend))?.address;
        return address === undefined ? [] : [{ name: backend, address }];
      });
      balancer.open(frontend).setBackends(found);
      this.network.nameAddress(frontend.address, frontend.name);
    }
  }

  /** The edge maps addresses on its first interface that is not a cluster's: that is where the outside is. */
  #edgeRules(spec: MachineSpec): ReturnType<typeof cloudEdgeRules> {
    const { clusters } = this.scenario;
    const outside = spec.interfaces.find(({ network }) => clusters.every((cluster) => cluster.network !== network));
    const mappings = clusters.flatMap((cluster) =>
      cluster.nodes.flatMap(({ name, address, externalAddress: external }) =>
        external === undefined ? [] : [{ name, external, internal: address.address }],
      ),
    );
    return cloudEdgeRules(mappings, outside?.name ?? "eth0");
  }

  #addCluster(spec: ScenarioCluster): Cluster {
    const segment = this.network.switches.get(spec.network);
    if (segment === undefined) throw new RangeError(`Cannot build cluster ${spec.name}: no network ${spec.network}`);
    const ports = ofKind(spec.objects, "Service").reduce((sum, service) => sum + (service.spec.ports ?? []).length, 0);
    const problem = sizeProblem(spec.proxy.mode ?? "iptables", { nodes: spec.nodes.length, ports });
    if (problem !== undefined)
      throw new ConfigError([{ file: this.scenario.file, message: `cluster ${spec.name}: ${problem}` }]);
    const cluster = new Cluster(this.network, { ...spec, segment, bridgeCallsIptables: true });
    for (const node of spec.nodes) this.#nameAddress(node.address.address, [node.name, ...node.aliases]);
    for (const object of spec.objects) cluster.api.apply(object);
    cluster.reconcile();
    return cluster;
  }

  #nameAddress(address: Ipv4Address, names: readonly string[]): void {
    for (const name of names) this.network.names.set(name, address);
  }
}

function startTunnel(host: Host, tunnel: TunnelSpec): void {
  if (tunnel.kind === "ipip") new IpipTunnel({ stack: host.stack, name: tunnel.name, addresses: tunnel.addresses });
  else host.addVxlan(tunnel);
}

function startServer(host: Host, { kind, port, to, keepAlive: time }: ServerSpec): void {
  const place = { port, ...(time !== undefined && { keepAlive: { idle: time, interval: time } }) };
  if (to !== undefined) return startProxy(host, place, to);
  if (kind === "echo") {
    echoServer(host, { ...place, version: "1.4", pod: { hostname: host.name }, startDate: host.startDate });
    return;
  }
  const [first, second] = host.stack.addressing.interfaces
    .filter((each) => each !== host.stack.loopback)
    .flatMap(({ addresses }) => addresses.map(({ address }) => address));
  if (first === undefined) return;
  stunServer(host, { addresses: second === undefined ? [first] : [first, second], ports: [port, port + 1] });
}

/** A program that takes connections and makes its own for each, as docker-proxy does: the other side sees this host. */
function startProxy(host: Host, listen: TcpListenOptions, to: TcpEndpoint): void {
  const { stack } = host;
  const { port } = listen;
  const pool = new BackendPool({ clock: stack.clock });
  pool.add({ name: formatIpv4(to.address), ...to });
  const random = stack.host.random.fork(`tcp-proxy:${port}`);
  const balancer = createBalancer({ method: { kind: "round-robin" }, random });
  const name = `tcp-proxy:${port}`;
  new ProxyBalancer({ name, stack, listen, pool, balancer, mode: { kind: "tcp" } }).start();
}

function addRoute(host: Host, { to, via }: RouteSpec): void {
  const out = host.stack.addressing.hop(via)?.out;
  if (out !== undefined) host.stack.addressing.routes.add({ destination: to, out, via });
}
