import { type ApiServer, type ControlPlanePins, healthCheckPorts, isNodeReady, type Service } from "../kube/index.ts";
import type { Ipv4Address } from "../netstack/index.ts";
import type { Random } from "../sim/index.ts";
import type { Host } from "./host.ts";
import { IngressAddresses } from "./ingress-addresses.ts";
import type { KubeNode } from "./kube-node.ts";
import type { Network } from "./network.ts";

/** MetalLB's layer 2 mode: no machine of its own; one node answers ARP for each Service's address. */
export interface Layer2Spec {
  readonly kind: "layer2";
  readonly addresses: readonly Ipv4Address[];
  /** Who may answer with the policy Local: nodes with an endpoint only, or any ready node, whose rules then drop what comes. */
  readonly leader: "endpoint-node" | "any-node";
}

interface Announced {
  readonly address: Ipv4Address;
  readonly leader: Host;
}

/**
 * What MetalLB's speakers do together: for each Service of type LoadBalancer they agree on one node, the leader, which answers ARP requests for the Service's
 * address and says so unasked when it takes over. All its traffic comes in there; the rest is kube-proxy's work.
 */
export class Layer2Announcer {
  readonly #spec: Layer2Spec;
  readonly #nodes: ReadonlyMap<string, KubeNode>;
  readonly #salt: number;
  readonly #ingress: IngressAddresses;
  readonly #announced = new Map<string, Announced>();

  constructor(
    network: Network,
    spec: Layer2Spec,
    cluster: {
      readonly pins: ControlPlanePins;
      readonly nodes: ReadonlyMap<string, KubeNode>;
      readonly random: Random;
    },
  ) {
    const { pins, nodes, random } = cluster;
    this.#spec = spec;
    this.#nodes = nodes;
    this.#salt = random.u32();
    this.#ingress = new IngressAddresses({ network, spec: { ...spec, ipMode: "VIP" }, pins, random });
  }

  /** Gives addresses to Services that wait for one; true when there was one. */
  allocate(api: ApiServer): boolean {
    return this.#ingress.allocate(api, () => true);
  }

  /** Lets the right nodes answer. */
  sync(api: ApiServer): void {
    const seen = new Set<string>();
    for (const service of api.list("Service")) {
      const address = service.spec.type === "LoadBalancer" ? this.#ingress.addressOf(service) : undefined;
      const leader = address === undefined ? undefined : this.#leaderOf(api, service);
      if (address === undefined || leader === undefined) continue;
      const key = `${service.metadata.namespace}/${service.metadata.name}`;
      seen.add(key);
      this.#announce(key, { address, leader });
    }
    for (const key of [...this.#announced.keys()]) if (!seen.has(key)) this.#withdraw(key);
  }

  /** The pinned node when it may; else every speaker finds the same one by a hash of nodes and address. */
  #leaderOf(api: ApiServer, service: Service): Host | undefined {
    const candidates = [...this.#nodes.values()].filter((node) => this.#mayLead(api, service, node));
    const pinned = candidates.find(({ name }) => name === this.#ingress.pin(service).first);
    const ranked = candidates.map((node) => ({
      node,
      rank: rankOf(`${node.name}#${service.metadata.name}`, this.#salt),
    }));
    const [best] = ranked.sort((a, b) => a.rank - b.rank);
    return (pinned ?? best?.node)?.host;
  }

  #mayLead(api: ApiServer, service: Service, { name }: KubeNode): boolean {
    const object = api.get("Node", name);
    if (object === undefined || !isNodeReady(object)) return false;
    if (this.#spec.leader === "any-node") return true;
    const [check] = healthCheckPorts([service], api.list("EndpointSlice"), name);
    // Only Services with the policy Local have a health check port.
    return check === undefined || check.localEndpoints > 0;
  }

  #announce(key: string, wanted: Announced): void {
    const known = this.#announced.get(key);
    if (known?.leader === wanted.leader && known.address === wanted.address) return;
    this.#withdraw(key);
    this.#announced.set(key, wanted);
    const { link } = wanted.leader.stack;
    const eth0 = wanted.leader.stack.interface("eth0");
    if (eth0 === undefined) return;
    link.answerFor(eth0, wanted.address);
    link.announce(eth0, wanted.address);
  }

  #withdraw(key: string): void {
    const known = this.#announced.get(key);
    const eth0 = known?.leader.stack.interface("eth0");
    if (known === undefined || eth0 === undefined) return;
    known.leader.stack.link.answerNoMoreFor(eth0, known.address);
    this.#announced.delete(key);
  }
}

function rankOf(text: string, salt: number): number {
  let hash = salt;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 15)) >>> 0;
}
