import {
  ApiServer,
  bindPod,
  ControllerManager,
  type ControlPlanePins,
  isPodReady,
  isTerminating,
  type KubeProxyConfig,
  type KubeProxyFlags,
  type KubernetesVersion,
  kubeProxyConfig,
  type ObjectChange,
  type Pod,
  parseKubernetesVersion,
  podAddress,
  referenceTo,
  SliceIndex,
  startPod,
  terminationSeconds,
  WorkQueue,
  withReadiness,
} from "../kube/index.ts";
import { type Cidr, formatCidr, formatIpv4, type Ipv4Address, parseIpv4, SharedRoutes } from "../netstack/index.ts";
import { after, type Random, seconds } from "../sim/index.ts";
import { type CloudBalancerSpec, CloudController } from "./cloud-controller.ts";
import { clusterDns } from "./cluster-dns.ts";
import { type ClusterTiming, DEFAULT_TIMING } from "./cluster-timing.ts";
import { ContainerRestarts } from "./container-restarts.ts";
import type { Host } from "./host.ts";
import { startContainers } from "./images.ts";
import { KubeNode, type KubeNodeSpec, type NodeNetwork } from "./kube-node.ts";
import { type KubectlOutcome, runKubectl } from "./kubectl.ts";
import { Layer2Announcer, type Layer2Spec } from "./layer2-announcer.ts";
import type { Network } from "./network.ts";
import { NodeMonitor } from "./node-monitor.ts";
import { NodeProxy } from "./node-proxy.ts";
import { PodAddresses } from "./pod-addresses.ts";
import { podResolver } from "./pod-resolver.ts";
import { sizeProblem } from "./proxy-data-plane.ts";
import { SharedProxy } from "./shared-proxy.ts";
import { SyncSchedule } from "./sync-schedule.ts";
import { overlayWays } from "./vxlan-overlay.ts";

/** A Kubernetes cluster as it is built: its nodes, ranges, network plugin and kube-proxy. */
export interface ClusterSpec extends NodeNetwork {
  readonly name: string;
  /** Of Kubernetes, such as `1.13`: changes displayed texts only. */
  readonly version: string;
  readonly serviceCidr: Cidr;
  readonly nodes: readonly KubeNodeSpec[];
  readonly proxy: KubeProxyFlags;
  readonly pins: ControlPlanePins;
  /** How long failures take to be noticed and changes to be done; {@link DEFAULT_TIMING} when left out. */
  readonly timing?: Partial<ClusterTiming>;
  /** Programs in pods ask DNS for AAAA records as well: as glibc does where an interface has an IPv6 address, if only a link-local one. */
  readonly podsAskForIpv6?: boolean;
  /** Who serves Services of type LoadBalancer; they stay pending without. */
  readonly loadBalancer?: CloudBalancerSpec | Layer2Spec;
}

/** Steps the controllers may take until nothing changes; more means that they undo each other's work. */
const RECONCILE_LIMIT = 1000;

interface RunningPod {
  readonly node: KubeNode;
  /** Of its host in the network; that of the node itself for a pod on the host network. */
  readonly hostName: string;
  readonly address: Ipv4Address;
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
  readonly #controllers: ControllerManager;
  readonly #slices = new SliceIndex();
  readonly #pods = new Map<string, RunningPod>();
  /** Pods that the API server has forgotten. */
  readonly #gone = new Set<string>();
  /** Services whose addresses captures may not have a name for yet. */
  readonly #unnamed = new WorkQueue();
  /** Whether anything has changed since the cluster was last at rest. */
  #isChanged = true;
  readonly #aliases = new Map<string, KubeNode>();
  /** Pods whose end is under way. */
  readonly #ending = new Set<string>();
  readonly #addresses = new Map<string, PodAddresses>();
  /** The nodes' own: where pods share their network, no pod gets one of them. */
  readonly #reserved: ReadonlySet<Ipv4Address>;
  readonly #proxies = new Map<string, NodeProxy>();
  /** All nodes' kube-proxies hear of a change at the same time, and write their rules at the same time. */
  readonly #proxySchedule: SyncSchedule;
  readonly #monitor: NodeMonitor;
  readonly #restarts: ContainerRestarts;
  readonly #proxy: SharedProxy;
  /** As {@link ProxyObjects.revision} was when the nodes were last told. */
  #proxiesKnow: number | undefined;
  readonly #balancing: CloudController | Layer2Announcer | undefined;
  readonly #answerDns: ReturnType<typeof clusterDns>;
  #dnsAddress: Ipv4Address | undefined;

  constructor(network: Network, spec: ClusterSpec) {
    this.spec = spec;
    this.#network = network;
    this.#random = network.simulator.random.fork(`cluster:${spec.name}`);
    const { serviceCidr: serviceRange, pins } = spec;
    this.api = new ApiServer({ serviceRange, chance: this.#random, pins, timestamp: () => network.timestamp() });
    this.api.watch((change) => this.#note(change));
    this.#controllers = new ControllerManager(this.api, { chance: this.#random, pins, slices: this.#slices });
    this.#proxy = new SharedProxy(this.api, this.#version());
    this.#answerDns = clusterDns(this.api, network.names);
    const clock = network.simulator;
    const timing = { ...DEFAULT_TIMING, ...spec.timing };
    const watched = { api: this.api, clock, timing, reconcile: () => this.reconcile() };
    this.#monitor = new NodeMonitor({
      ...watched,
      podsOn: (node) => this.#controllers.podsOn(node),
      heard: (node) => this.#heard(node),
    });
    this.#restarts = new ContainerRestarts({ ...watched, start: (pod) => this.#startPrograms(pod) });
    this.#proxySchedule = new SyncSchedule(clock, timing.minSyncPeriod, () => this.#syncProxies());
    this.#reserved = new Set(spec.nodes.map(({ address }) => address.address));
    for (const node of spec.nodes) this.#addNode(node);
    this.#addPodRoutes();
    this.#balancing = this.#startBalancing(spec);
  }

  /** A node by its name or an alias. */
  node(name: string): KubeNode | undefined {
    return this.nodes.get(name) ?? this.#aliases.get(name);
  }

  /** A running pod's host, by the pod's name; for a pod on the host network its node. */
  pod(name: string, namespace = "default"): Host | undefined {
    const running = this.#pods.get(`${namespace}/${name}`);
    return running && this.#network.hosts.get(running.hostName);
  }

  /** Whether the kube-proxies have written what there was to write. */
  get isSettled(): boolean {
    return !this.#proxySchedule.isPending;
  }

  /** A node fails: it is off the network from now on, and nothing is heard of its kubelet and kube-proxy. @throws RangeError when there is no such node. */
  failNode(name: string): void {
    const node = this.#nodeNamed(name);
    this.#network.setConnected(node.name, "eth0", false);
    this.#monitor.fail(node.name);
    // From now on it does what it was last told to: it makes its rules of that before the others are told something else.
    void node.host.netfilter;
  }

  /** A node that had failed is back on the network. @throws RangeError when there is no such node. */
  restoreNode(name: string): void {
    const node = this.#nodeNamed(name);
    this.#network.setConnected(node.name, "eth0", true);
    this.#monitor.restore(node.name);
  }

  /** A pod's programs end by themselves; its kubelet will notice. @throws RangeError when no such pod runs. */
  crashPod(name: string, namespace = "default"): void {
    const pod = this.api.get("Pod", name, namespace);
    const host = this.pod(name, namespace);
    if (pod === undefined || host === undefined)
      throw new RangeError(`Cannot fail pod ${namespace}/${name}: it does not run`);
    if (!pod.spec.hostNetwork) host.stack.endPrograms();
    else for (const port of containerPorts(pod)) host.stack.tcp.endListening(port);
    this.#restarts.crashed(pod);
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
      if (this.#controllers.stepDeployments() || this.#stepPods() || this.#controllers.stepSlices()) continue;
      if (!this.#isChanged) return;
      if (this.#balancing?.allocate(this.api)) continue;
      this.#isChanged = false;
      this.#proxySchedule.request();
      this.#balancing?.sync(this.api);
      this.#nameServices();
      this.#setResolvers();
      return;
    }
    throw new Error(`Cluster ${this.spec.name} does not come to rest: its controllers undo each other's work`);
  }

  #syncProxies(): void {
    this.#proxy.catchUp();
    const { revision } = this.#proxy.objects;
    if (revision === this.#proxiesKnow) return;
    const size = { nodes: this.nodes.size, ports: this.#proxy.objects.portCount };
    const problem = sizeProblem(this.spec.proxy.mode ?? "iptables", size);
    if (problem !== undefined) throw new RangeError(`Cannot write the rules of cluster ${this.spec.name}: ${problem}`);
    this.#proxiesKnow = revision;
    for (const [node, proxy] of this.#proxies) if (!this.#monitor.isOut(node)) proxy.sync();
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
    if (spec.rules !== undefined) node.host.setComponentRules(spec.rules);
    this.nodes.set(spec.name, node);
    for (const alias of spec.aliases) this.#aliases.set(alias, node);
    this.#addresses.set(spec.name, new PodAddresses(spec.podCidr, this.#reserved));
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
    this.#proxies.set(spec.name, new NodeProxy(node.host, this.#proxyConfig(node), this.#proxy));
  }

  /** @throws RangeError when kube-proxy would refuse its flags. */
  #proxyConfig(node: KubeNode): KubeProxyConfig {
    const object = this.api.get("Node", node.name);
    const addresses = [node.address, ...node.podNetworkAddresses];
    const { tcpBeLiberal } = node.host.conntrack;
    const about = { name: node.name, addresses, tcpBeLiberal, ...(object && { object }) };
    const { major, minor } = this.#version();
    const ipvsAccessFilter = major > 1 || minor >= 27;
    const { config, problems } = kubeProxyConfig(about, {
      ...this.spec.proxy,
      ipvsAccessFilter,
      serviceCidrs: [formatCidr(this.spec.serviceCidr)],
    });
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

  #addPodRoutes(): void {
    const nodes = [...this.nodes.values()];
    const routes = new SharedRoutes(nodes.map(({ spec, address }) => ({ destination: spec.podCidr, via: address })));
    const overlay = overlayWays(nodes.map(({ spec, address }) => ({ podCidr: spec.podCidr, address })));
    for (const node of nodes) node.leadToPods(routes, overlay);
  }

  #note(change: ObjectChange): void {
    this.#isChanged = true;
    this.#slices.follow(change);
    const { kind, metadata } = change.object;
    if (kind === "Service") this.#unnamed.add(metadata.namespace, metadata.name);
    if (change.type === "deleted" && change.object.kind === "Pod") this.#gone.add(keyOf(change.object));
  }

  /** Brings each pod one step on: to a node, to life, to its end. */
  #stepPods(): boolean {
    let changed = false;
    for (const pod of this.#controllers.takePods()) {
      // Nobody is there to do anything; when its node is heard again, it comes up again.
      if (this.#monitor.isOut(pod.spec.nodeName ?? "")) continue;
      if (isTerminating(pod)) this.#terminate(pod);
      else if (podAddress(pod) !== undefined) changed = this.#checkReadiness(pod) || changed;
      else if (pod.spec.nodeName === undefined ? this.#place(pod) : this.#start(pod)) changed = true;
      else this.#controllers.giveBack(pod);
    }
    for (const key of this.#gone) {
      const [namespace = "", name = ""] = key.split("/");
      if (this.api.get("Pod", name, namespace) === undefined) this.#remove(key);
    }
    this.#gone.clear();
    return changed;
  }

  /** Finds a pod its node, which starts it at once unless something stands in the way. */
  #place(pod: Pod): boolean {
    const pinned = this.#controllers.pinOf(pod)?.node;
    const wanted = pinned === undefined ? undefined : this.node(pinned)?.name;
    const name = wanted ?? this.#controllers.place(pod);
    if (name === undefined) return false;
    const bound = bindPod(pod, name);
    if (this.#monitor.isOut(name) || !this.#start(bound)) this.api.replace(bound);
    return true;
  }

  #start(pod: Pod): boolean {
    const node = this.nodes.get(pod.spec.nodeName ?? "");
    const address = node && (pod.spec.hostNetwork ? node.address : this.#takeAddress(pod, node));
    if (node === undefined || address === undefined) return false;
    const hostName = pod.spec.hostNetwork ? node.name : pod.metadata.name;
    this.#pods.set(keyOf(pod), { node, hostName, address });
    if (pod.spec.hostNetwork) startContainers(node.host, pod, { answerDns: this.#answerDns });
    else node.podNetwork.addPod(hostName, address, (host) => this.#boot(host, pod));
    const started = startPod(pod, formatIpv4(address), formatIpv4(node.address));
    this.api.replace(withReadiness(started, true));
    this.#controllers.done(pod);
    return true;
  }

  #nodeNamed(name: string): KubeNode {
    const node = this.node(name);
    if (node === undefined) throw new RangeError(`Cannot fail or restore node ${name}: the cluster has none`);
    return node;
  }

  /** A node's kubelet can act again: it does what its pods' objects say, and its kube-proxy writes its rules. */
  #heard(node: string): void {
    for (const pod of this.#controllers.podsOn(node)) this.#controllers.giveBack(pod);
    this.#proxies.get(node)?.sync();
    this.reconcile();
  }

  #startPrograms(pod: Pod): void {
    const host = this.pod(pod.metadata.name, pod.metadata.namespace);
    if (host !== undefined) startContainers(host, pod, { answerDns: this.#answerDns });
  }

  #boot(host: Host, pod: Pod): void {
    this.#setResolver(host, pod);
    startContainers(host, pod, { answerDns: this.#answerDns });
  }

  #takeAddress(pod: Pod, node: KubeNode): Ipv4Address | undefined {
    const pinned = this.#controllers.pinOf(pod)?.address;
    const wanted = pinned === undefined ? undefined : parseIpv4(pinned);
    return this.#addresses.get(node.name)?.take(wanted);
  }

  /** Readiness gates may have been set since. */
  #checkReadiness(pod: Pod): boolean {
    const checked = withReadiness(pod, !this.#restarts.isDown(pod));
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
    if (running.hostName === running.node.name) return;
    this.#addresses.get(running.node.name)?.giveBack(running.address);
    running.node.podNetwork.removePod(running.hostName);
  }

  /** Pods' resolv.conf, once there is a Service kube-dns. */
  #setResolvers(): void {
    const address = parseIpv4(this.api.get("Service", "kube-dns", "kube-system")?.spec.clusterIP ?? "");
    if (address === undefined || address === this.#dnsAddress) return;
    this.#dnsAddress = address;
    for (const [key, { hostName, node }] of this.#pods) {
      const [namespace, name = ""] = key.split("/");
      const pod = this.api.get("Pod", name, namespace);
      const host = hostName === node.name ? undefined : this.#network.hosts.builtHost(hostName);
      if (host !== undefined && pod !== undefined) this.#setResolver(host, pod);
    }
  }

  #setResolver(host: Host, pod: Pod): void {
    if (this.#dnsAddress === undefined) return;
    host.resolverConfig = podResolver(pod, this.#dnsAddress, this.spec.podsAskForIpv6 ?? false);
  }

  #nameServices(): void {
    for (const { namespace, name } of this.#unnamed.take()) {
      const address = parseIpv4(this.api.get("Service", name, namespace)?.spec.clusterIP ?? "");
      if (address !== undefined) this.#network.nameAddress(address, `${name}.${namespace}.svc`);
    }
  }
}

function containerPorts({ spec }: Pod): readonly number[] {
  return spec.containers.flatMap(({ ports = [] }) => ports.map(({ containerPort }) => containerPort));
}

function keyOf(pod: Pod): string {
  return `${pod.metadata.namespace}/${pod.metadata.name}`;
}
