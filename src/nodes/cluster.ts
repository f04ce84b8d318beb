import {
  ApiServer,
  bindPod,
  type ControlPlanePins,
  type Deployment,
  isTerminating,
  type KubeProxyConfig,
  type KubeProxyFlags,
  type KubernetesVersion,
  kubeProxyConfig,
  type Pod,
  type PodPin,
  parseKubernetesVersion,
  pinFor,
  podAddress,
  reconcileDeployment,
  reconcileSlices,
  referenceTo,
  scheduleNode,
  startPod,
  withReadiness,
} from "../kube/index.ts";
import { type Cidr, formatCidr, formatIpv4, parseIpv4 } from "../netstack/index.ts";
import type { Random } from "../sim/index.ts";
import type { Host } from "./host.ts";
import { startContainers } from "./images.ts";
import { bridgeAddress, KubeNode, type KubeNodeSpec, type NodeNetwork } from "./kube-node.ts";
import { type KubectlOutcome, runKubectl } from "./kubectl.ts";
import type { Network } from "./network.ts";
import { NodeProxy } from "./node-proxy.ts";
import { PodAddresses } from "./pod-addresses.ts";

export interface ClusterSpec extends NodeNetwork {
  readonly name: string;
  /** Of Kubernetes, such as `1.13`: changes displayed texts only. */
  readonly version: string;
  readonly serviceCidr: Cidr;
  readonly nodes: readonly KubeNodeSpec[];
  readonly proxy: KubeProxyFlags;
  readonly pins: ControlPlanePins;
}

/** Steps the controllers may take until nothing changes; more means that they undo each other's work. */
const RECONCILE_LIMIT = 1000;

interface RunningPod {
  readonly host: Host;
  readonly node: KubeNode;
}

/**
 * A Kubernetes cluster in the network: the API server, the controllers, and on each node what kubelet and kube-proxy make of the objects. A change takes
 * effect when {@link reconcile} is called: Deployments become Pods, Pods get nodes, addresses and their programs, Services get endpoints, and every
 * node's rules are written anew.
 */
export class Cluster {
  readonly spec: ClusterSpec;
  readonly api: ApiServer;
  readonly nodes: Map<string, KubeNode> = new Map();
  readonly #network: Network;
  readonly #random: Random;
  readonly #pods = new Map<string, RunningPod>();
  readonly #addresses = new Map<string, PodAddresses>();
  readonly #proxies: NodeProxy[] = [];

  constructor(network: Network, spec: ClusterSpec) {
    this.spec = spec;
    this.#network = network;
    this.#random = network.simulator.random.fork(`cluster:${spec.name}`);
    this.api = new ApiServer({ serviceRange: spec.serviceCidr, chance: this.#random, pins: spec.pins });
    for (const node of spec.nodes) this.#addNode(node);
    this.#addPodRoutes();
  }

  /** A node by its name or an alias. */
  node(name: string): KubeNode | undefined {
    return this.nodes.get(name) ?? [...this.nodes.values()].find(({ spec }) => spec.aliases.includes(name));
  }

  /** A running pod's host, by the pod's name; for a pod on the host network its node. */
  pod(name: string, namespace = "default"): Host | undefined {
    return this.#pods.get(`${namespace}/${name}`)?.host;
  }

  /** Runs a kubectl command line, `kubectl` itself left out, and does what it asks for. */
  kubectl(argv: readonly string[]): KubectlOutcome {
    const outcome = runKubectl(this.api, argv, this.#version());
    this.reconcile();
    return outcome;
  }

  /** Does what the objects ask for, until there is nothing left to do. @throws Error when the controllers do not come to rest. */
  reconcile(): void {
    for (let step = 0; step < RECONCILE_LIMIT; step++) {
      if (this.#stepDeployments() || this.#stepPods() || this.#stepSlices()) continue;
      for (const proxy of this.#proxies) proxy.sync(this.api);
      this.#nameServices();
      return;
    }
    throw new Error(`Cluster ${this.spec.name} does not come to rest: its controllers undo each other's work`);
  }

  #addNode(spec: KubeNodeSpec): void {
    const node = new KubeNode(this.#network, this.spec, spec);
    this.nodes.set(spec.name, node);
    this.#addresses.set(spec.name, new PodAddresses(spec.podCidr));
    const external =
      spec.externalAddress === undefined ? [] : [{ type: "ExternalIP", address: formatIpv4(spec.externalAddress) }];
    this.api.create({
      apiVersion: "v1",
      kind: "Node",
      metadata: { name: spec.name, labels: { "kubernetes.io/hostname": spec.name, ...spec.labels } },
      spec: { podCIDR: formatCidr(spec.podCidr) },
      status: {
        addresses: [{ type: "InternalIP", address: formatIpv4(spec.address.address) }, ...external],
        conditions: [{ type: "Ready", status: "True" }],
        nodeInfo: { kubeletVersion: `v${this.spec.version}` },
      },
    });
    if (spec.externalAddress !== undefined) this.#network.nameAddress(spec.externalAddress, `${spec.name}-external`);
    this.#proxies.push(new NodeProxy(node.host, this.#proxyConfig(node), this.#version()));
  }

  /** @throws RangeError when kube-proxy would refuse its flags. */
  #proxyConfig(node: KubeNode): KubeProxyConfig {
    const object = this.api.get("Node", node.name);
    const addresses = [node.address, bridgeAddress(node.spec.podCidr)];
    const about = { name: node.name, addresses, ...(object && { object }) };
    const { config, problems } = kubeProxyConfig(about, this.spec.proxy);
    if (problems.length > 0) throw new RangeError(`Cannot start kube-proxy on ${node.name}: ${problems.join("; ")}`);
    return config;
  }

  /** @throws RangeError when the version is none. */
  #version(): KubernetesVersion {
    const version = parseKubernetesVersion(this.spec.version);
    if (version === undefined)
      throw new RangeError(`Cannot read Kubernetes version "${this.spec.version}": expected one like 1.13`);
    return version;
  }

  /** Each node knows the way to every other node's pods, as a cloud's route controller or a host-gw CNI sets it. */
  #addPodRoutes(): void {
    for (const node of this.nodes.values()) {
      for (const other of this.nodes.values()) if (other !== node) node.addRoute(other.spec.podCidr, other.address);
    }
  }

  #stepDeployments(): boolean {
    let changed = false;
    for (const deployment of this.api.list("Deployment")) {
      const naming = { chance: this.#random, pins: this.#pinsOf(deployment) };
      const changes = reconcileDeployment(deployment, this.api.list("Pod"), naming);
      for (const pod of changes.create) this.api.create(pod);
      for (const pod of changes.delete) this.api.delete(referenceTo(pod));
      changed ||= changes.create.length + changes.delete.length > 0;
    }
    return changed;
  }

  /** Brings each pod one step on: to a node, to life, to its end. */
  #stepPods(): boolean {
    let changed = false;
    for (const pod of this.api.list("Pod")) {
      if (isTerminating(pod)) this.#stop(pod);
      else if (pod.spec.nodeName === undefined) changed = this.#schedule(pod) || changed;
      else if (podAddress(pod) === undefined) changed = this.#start(pod) || changed;
    }
    for (const key of this.#pods.keys()) {
      const [namespace = "", name = ""] = key.split("/");
      if (this.api.get("Pod", name, namespace) === undefined) this.#remove(key);
    }
    return changed;
  }

  #stepSlices(): boolean {
    let changed = false;
    for (const service of this.api.list("Service")) {
      const [pods, nodes, slices] = [this.api.list("Pod"), this.api.list("Node"), this.api.list("EndpointSlice")];
      const changes = reconcileSlices({ service, pods, nodes, slices }, this.#random);
      for (const slice of changes.put) this.api.apply(slice);
      for (const slice of changes.delete) this.api.remove(referenceTo(slice));
      changed ||= changes.put.length + changes.delete.length > 0;
    }
    return changed;
  }

  #schedule(pod: Pod): boolean {
    const nodes = this.api.list("Node");
    const pinned = this.#pinOf(pod)?.node;
    const wanted = pinned === undefined ? undefined : this.node(pinned)?.name;
    const name = wanted ?? scheduleNode(pod, nodes, this.api.list("Pod"), this.#random);
    if (name === undefined) return false;
    this.api.replace(bindPod(pod, name));
    return true;
  }

  #start(pod: Pod): boolean {
    const node = this.nodes.get(pod.spec.nodeName ?? "");
    if (node === undefined) return false;
    const host = pod.spec.hostNetwork ? node.host : this.#addPodHost(pod, node);
    const address = host?.address;
    if (host === undefined || address === undefined) return false;
    this.#pods.set(keyOf(pod), { host, node });
    startContainers(host, pod);
    const started = startPod(pod, formatIpv4(address), formatIpv4(node.address));
    this.api.replace(withReadiness(started, true));
    return true;
  }

  #addPodHost(pod: Pod, node: KubeNode): Host | undefined {
    const pinned = this.#pinOf(pod)?.address;
    const wanted = pinned === undefined ? undefined : parseIpv4(pinned);
    const address = this.#addresses.get(node.name)?.take(wanted);
    return address === undefined ? undefined : node.addPod(pod.metadata.name, address);
  }

  #stop(pod: Pod): void {
    this.#remove(keyOf(pod));
    this.api.remove(referenceTo(pod));
  }

  #remove(key: string): void {
    const running = this.#pods.get(key);
    if (running === undefined) return;
    this.#pods.delete(key);
    if (running.host === running.node.host) return;
    const { address, name } = running.host;
    if (address !== undefined) this.#addresses.get(running.node.name)?.giveBack(address);
    running.node.removePod(name);
  }

  #pinsOf(deployment: Deployment): readonly PodPin[] {
    return pinFor(this.spec.pins.pods, deployment.metadata) ?? [];
  }

  /** A pod's pin: that of its own name, or its owner's of the same name. */
  #pinOf(pod: Pod): PodPin | undefined {
    const owner = pod.metadata.ownerReferences?.[0]?.name ?? pod.metadata.name;
    const pins = pinFor(this.spec.pins.pods, { namespace: pod.metadata.namespace, name: owner }) ?? [];
    return pins.find(({ name }) => name === pod.metadata.name) ?? pins.find(({ name }) => name === undefined);
  }

  #nameServices(): void {
    for (const { metadata, spec } of this.api.list("Service")) {
      const address = spec.clusterIP === undefined ? undefined : parseIpv4(spec.clusterIP);
      if (address !== undefined) this.#network.nameAddress(address, `${metadata.name}.${metadata.namespace}.svc`);
    }
  }
}

function keyOf(pod: Pod): string {
  return `${pod.metadata.namespace}/${pod.metadata.name}`;
}
