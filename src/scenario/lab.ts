import { echoServer } from "../apps/index.ts";
import { EVERYWHERE, type Ipv4Address } from "../netstack/index.ts";
import { Cluster, cloudEdgeRules, type Host, Network, type NetworkOptions } from "../nodes/index.ts";
import type { Link } from "../sim/index.ts";
import { aliasesIn } from "./aliases.ts";
import type { LinkChange, MachineSpec, RouteSpec, Scenario, ScenarioCluster } from "./model.ts";
import { joinRulesets } from "./rulesets.ts";

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
      const link = this.#linkAt(`${host}/${name}`);
      if (impairments.out !== undefined) link?.impair("a>b", impairments.out);
      if (impairments.in !== undefined) link?.impair("b>a", impairments.in);
    }
  }

  /** Links are named after both their ends, the machine's first. */
  #linkAt(end: string): Link | undefined {
    for (const [name, link] of this.network.links) if (name.startsWith(`${end}-`)) return link;
    return undefined;
  }

  #addMachine(spec: MachineSpec): void {
    const host = this.network.addHost(spec.name, spec.sysctls);
    host.setConntrack(spec.conntrack);
    for (const each of spec.interfaces) {
      const segment = this.network.switches.get(each.network);
      if (segment !== undefined) this.network.attach(host, segment, each);
    }
    for (const route of spec.routes) addRoute(host, route);
    if (spec.gateway !== undefined) addRoute(host, { to: EVERYWHERE, via: spec.gateway });
    const edge = spec.cloudEdge ? this.#edgeRules(spec) : undefined;
    const rules = edge === undefined ? spec.rules : joinRulesets(spec.rules ?? new Map(), edge);
    if (rules !== undefined) host.setRules(rules);
    for (const { port } of spec.servers) {
      echoServer(host, { port, version: "1.4", pod: { hostname: spec.name }, startDate: host.startDate });
    }
    if (host.address !== undefined) this.#nameAddress(host.address, [spec.name, ...spec.aliases]);
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
    const cluster = new Cluster(this.network, { ...spec, segment, bridgeCallsIptables: true, hairpin: true });
    for (const node of spec.nodes) this.#nameAddress(node.address.address, [node.name, ...node.aliases]);
    for (const object of spec.objects) cluster.api.apply(object);
    cluster.reconcile();
    return cluster;
  }

  #nameAddress(address: Ipv4Address, names: readonly string[]): void {
    for (const name of names) this.network.names.set(name, address);
  }
}

function addRoute(host: Host, { to, via }: RouteSpec): void {
  const out = host.stack.addressing.hop(via)?.out;
  if (out !== undefined) host.stack.addressing.routes.add({ destination: to, out, via });
}
