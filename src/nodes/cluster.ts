import {
  ApiServer,
  bindPod,
  type ControlPlanePins,
  type Deployment,
  isPodReady,
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
  terminationSeconds,
  withReadiness,
} from "../kube/index.ts";
import type { Ruleset } from "../nat/index.ts";
import { type Cidr, formatCidr, formatIpv4, parseIpv4 } from "../netstack/index.ts";
import { after, type Random, seconds } from "../sim/index.ts";
import { type CloudBalancerSpec, CloudController } from "./cloud-controller.ts";
import { CLUSTER_DOMAIN, clusterDns } from "./cluster-dns.ts";
import type { Host } from "./host.ts";
import { startContainers } from "./images.ts";
import { KubeNode, type KubeNodeSpec, type NodeNetwork } from "./kube-node.ts";
import { type KubectlOutcome, runKubectl } from "./kubectl.ts";
import { Layer2Announcer, type Layer2Spec } from "./layer2-announcer.ts";
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
  /** What other programs than kube-proxy load on every node. */
  readonly nodeRules?: Ruleset;
  readonly pins: ControlPlanePins;
  /** Who serves Services of type LoadBalancer; they stay pending without. */
  readonly loadBalancer?: CloudBalancerSpec | Layer2Spec;
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
  /** Pods whose end is under way. */
  readonly #ending = new Set<string>();
  readonly #addresses = new Map<string, PodAddresses>();
  readonly #proxies: NodeProxy[] = [];
  readonly #balancing: CloudController | Layer2Announcer | undefined;
  readonly #answerDns: ReturnType<typeof clusterDns>;

  constructor(network: Network, spec: ClusterSpec) {
    this.spec = spec;
    this.#network = network;
    this.#random = network.simulator.random.fork(`cluster:${spec.name}`);
    const { serviceCidr: serviceRange, pins } = spec;
    this.api = new ApiServer({ serviceRange, chance: this.#random, pins, timestamp: () => network.timestamp() });
    this.#answerDns = clusterDns(this.api, network.names);
    for (const node of spec.nodes) this.#addNode(node);
    this.#addPodRoutes();
    this.#balancing = this.#startBalancing(spec);
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
    const outcome = runKubectl(this.api, argv, { version: this.#version(), now: this.#network.timestamp() });
    this.reconcile();
    return outcome;
  }

  /** Does what the objects ask for, until there is nothing left to do. @throws Error when the controllers do not come to rest. */
  reconcile(): void {
    for (let step = 0; step < RECONCILE_LIMIT; step++) {
      if (this.#stepDeployments() || this.#stepPods() || this.#stepSlices()) continue;
      if (this.#balancing?.allocate(this.api)) continue;
      for (const proxy of this.#proxies) proxy.sync(this.api);
      this.#balancing?.sync(this.api);
      this.#nameServices();
      this.#setResolvers();
      return;
    }
    throw new Error(`Cluster ${this.spec.name} does not come to rest: its controllers undo each other's work`);
  }

  #startBalancing({ loadBalancer, pins }: ClusterSpec): CloudController | Layer2Announcer | undefined {
    if (loadBalancer === undefined) return undefined;
    const random = this.#random.fork("load-balancer");
    if (loadBalancer.kind === "layer2")
      return new Layer2Announcer(this.#network, loadBalancer, { pins, nodes: this.nodes, random });
    return new CloudController(this.#network, loadBalancer, pins, random);
  }

  #addNode(spec: KubeNodeSpec): void {
    const node = new KubeNode(this.#network, this.spec, spec);
    if (this.spec.nodeRules !== undefined) node.host.setComponentRules(this.spec.nodeRules);
    this.nodes.set(spec.name, node);
    const addresses = new PodAddresses(spec.podCidr);
    // Where pods share the nodes' network, no pod gets a node's address.
    for (const { address } of this.spec.nodes) addresses.reserve(address.address);
    this.#addresses.set(spec.name, addresses);
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
    const addresses = [node.address, ...node.podNetwork.nodeAddresses];
    const about = { name: node.name, addresses, ...(object && { object }) };
    const { major, minor } = this.#version();
    const ipvsAccessFilter = major > 1 || minor >= 27;
    const { config, problems } = kubeProxyConfig(about, { ...this.spec.proxy, ipvsAccessFilter });
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
      for (const other of this.nodes.values())
        if (other !== node && other.podNetwork.needsRoutes) node.addRoute(other.spec.podCidr, other.address);
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
      if (isTerminating(pod)) this.#terminate(pod);
      else if (pod.spec.nodeName === undefined) changed = this.#schedule(pod) || changed;
      else if (podAddress(pod) === undefined) changed = this.#start(pod) || changed;
      else changed = this.#checkReadiness(pod) || changed;
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
    startContainers(host, pod, { answerDns: this.#answerDns });
    const started = startPod(pod, formatIpv4(address), formatIpv4(node.address));
    this.api.replace(withReadiness(started, true));
    return true;
  }

  #addPodHost(pod: Pod, node: KubeNode): Host | undefined {
    const pinned = this.#pinOf(pod)?.address;
    const wanted = pinned === undefined ? undefined : parseIpv4(pinned);
    const address = this.#addresses.get(node.name)?.take(wanted);
    return address === undefined ? undefined : node.podNetwork.addPod(pod.metadata.name, address);
  }

  /** Readiness gates may have been set since. */
  #checkReadiness(pod: Pod): boolean {
    const checked = withReadiness(pod, true);
    if (isPodReady(checked) === isPodReady(pod)) return false;
    this.api.replace(checked);
    return true;
  }

  /** A pod that is to end serves as long as its preStop hook takes; meanwhile its endpoint is listed as terminating. */
  #terminate(pod: Pod): void {
    const key = keyOf(pod);
    if (terminationSeconds(pod) === 0 || !this.#pods.has(key)) return this.#stop(pod);
    if (this.#ending.has(key)) return;
    const { simulator } = this.#network;
    const timer = simulator.timer(() => {
      this.#ending.delete(key);
      this.#stop(pod);
      this.reconcile();
    });
    timer.set(after(simulator.now(), seconds(terminationSeconds(pod))));
    this.#ending.add(key);
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
    running.node.podNetwork.removePod(name);
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

  /** Pods' resolv.conf as kubelet writes it: the Service kube-dns, and a search list that begins with the pod's namespace. */
  #setResolvers(): void {
    const address = parseIpv4(this.api.get("Service", "kube-dns", "kube-system")?.spec.clusterIP ?? "");
    if (address === undefined) return;
    for (const [key, { host, node }] of this.#pods) {
      if (host === node.host) continue;
      const [namespace = "default"] = key.split("/");
      const search = [`${namespace}.svc.${CLUSTER_DOMAIN}`, `svc.${CLUSTER_DOMAIN}`, CLUSTER_DOMAIN];
      host.resolverConfig = { nameservers: [address], search, ndots: 5 };
    }
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
