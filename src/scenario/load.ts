import {
  ApiError,
  ApiServer,
  type ControlPlanePins,
  type KubeObject,
  type KubeProxyFlags,
  kubeProxyConfig,
  type LoadBalancerPin,
} from "../kube/index.ts";
import { type Cidr, formatCidr, formatIpv4, type InterfaceAddress } from "../netstack/index.ts";
import { type LinkImpairments, VXLAN_OVERHEAD } from "../nodes/index.ts";
import { type Impairments, ms, Random, seconds } from "../sim/index.ts";
import { aliasesOf, checkReferences, clustersOf, interfaceNames, namesIn } from "./check-references.ts";
import { checkSteps } from "./check-steps.ts";
import { ConfigError } from "./config-error.ts";
import type {
  ClusterForm,
  InterfaceForm,
  LinkForm,
  LinksForm,
  LoadBalancerPinForm,
  RouterForm,
  ScenarioFile,
  StepForm,
  TunnelForm,
} from "./file-form.ts";
import { ProblemList } from "./locator.ts";
import type {
  Expectation,
  LinkChange,
  MachineSpec,
  Repetition,
  Scenario,
  ScenarioCluster,
  Step,
  TunnelSpec,
} from "./model.ts";
import { applyOverride, type Override } from "./override.ts";
import { clusterBalancer, machineBalancer } from "./read-balancer.ts";
import { type FileReader, readManifests, readManifestText } from "./read-manifests.ts";
import { readNat } from "./read-nat.ts";
import { readNodeRules } from "./read-node-rules.ts";
import { readRules } from "./read-rules.ts";
import { scenarioSchema } from "./schema.ts";
import { reportIssues } from "./schema-issues.ts";
import { type Path, readYaml } from "./yaml-source.ts";

/** A scenario file's text, and what is needed to make sense of it. */
export interface ScenarioSource {
  /** The file's name, for messages. */
  readonly file: string;
  readonly text: string;
  /** Reads files named in it. */
  readonly readFile: FileReader;
  readonly overrides?: readonly Override[];
}

const DEFAULT_MTU = 1500;
const DEFAULT_TIMEOUT = seconds(300);
/** What a shell takes to start a program: a loop has 200 connections a second, and a client that closes first never runs out of ports. */
const PROGRAM_START = ms(5);
/** kube-proxy's default for `--iptables-min-sync-period`. */
const MIN_SYNC_PERIOD = seconds(1);

/** Reads and checks a scenario. @throws ConfigError with everything that is wrong with it. */
export function loadScenario(source: ScenarioSource): Scenario {
  const { file, overrides = [] } = source;
  const { documents, problems: faults } = readYaml(file, source.text);
  if (faults.length > 0) throw new ConfigError(faults);
  const [document, second] = documents;
  if (document === undefined || document.value === null) {
    throw new ConfigError([{ file, message: "empty; expected a scenario (natscope init writes one to start from)" }]);
  }
  if (second !== undefined) {
    const message = "a second YAML document begins here; expected one scenario a file";
    throw new ConfigError([{ file, ...second.placeOf([]), message }]);
  }
  const problems = new ProblemList(file, document, overrides);
  const value = overrides.reduce(applyOverride, document.value);
  const checked = scenarioSchema.safeParse(value);
  if (!checked.success) {
    reportIssues(checked.error.issues, { schema: scenarioSchema, value, where: problems });
    throw problems.toError();
  }
  return new ScenarioLoader(source, checked.data, problems).load();
}

/** Turns a checked file into a scenario, collecting what is wrong on the way. */
class ScenarioLoader {
  readonly #source: ScenarioSource;
  readonly #form: ScenarioFile;
  readonly #problems: ProblemList;

  constructor(source: ScenarioSource, form: ScenarioFile, problems: ProblemList) {
    this.#source = source;
    this.#form = form;
    this.#problems = problems;
  }

  load(): Scenario {
    const form = this.#form;
    checkReferences(form, this.#problems);
    const machines = [
      ...Object.entries(form.hosts ?? {}).map(([name, host]) => this.#machine(name, "host", host)),
      ...Object.entries(form.routers ?? {}).map(([name, router]) => this.#machine(name, "router", router)),
    ];
    const clusters = clustersOf(form).map(({ path, name, cluster }) => this.#cluster(name, cluster, path));
    this.#checkPodNames(clusters);
    checkSteps(form, new Set(clusters.flatMap(podNames)), this.#problems);
    const scenario = {
      file: this.#source.file,
      name: form.name,
      title: form.title,
      description: form.description ?? "",
      networks: Object.entries(form.networks).map(([name, { mtu }]) => ({ name, mtu: mtu ?? DEFAULT_MTU })),
      machines,
      clusters,
      links: this.#links(form.links ?? {}),
      steps: form.steps.map((step, index) => this.#step(step, index)),
      notes: this.#problems.notes,
    };
    if (this.#problems.problems.length > 0) throw this.#problems.toError();
    return scenario;
  }

  #machine(name: string, kind: MachineSpec["kind"], form: RouterForm): MachineSpec {
    const path = [kind === "host" ? "hosts" : "routers", name];
    const rules =
      form.iptables === undefined ? undefined : readRules(form.iptables, [...path, "iptables"], this.#problems);
    if (form.cloudEdge === true && !hasExternalAddresses(this.#form)) {
      this.#problems.report([...path, "cloudEdge"], "no node has an externalAddress that could be mapped");
    }
    for (const [index, { kind: server, to, keepAlive }] of (form.servers ?? []).entries()) {
      if (server === "stun" && keepAlive !== undefined)
        this.#problems.report([...path, "servers", index], "stun has no connections to keepAlive; leave it out");
      if ((server === "tcp-proxy") === (to !== undefined)) continue;
      const remedy = to === undefined ? "a tcp-proxy needs to: ADDRESS:PORT" : "only a tcp-proxy has to; leave it out";
      this.#problems.report([...path, "servers", index], remedy);
    }
    const nat = form.nat === undefined ? undefined : readNat(form, [...path, "nat"], this.#problems);
    return {
      name,
      kind,
      aliases: form.aliases ?? [],
      interfaces: Object.entries(form.interfaces).map(([own, each]) => ({
        name: own,
        network: each.network,
        addresses: addressesOf(each),
        ...(each.mac !== undefined && { mac: each.mac }),
      })),
      ...(form.gateway !== undefined && { gateway: form.gateway }),
      routes: form.routes ?? [],
      servers: form.servers ?? [],
      sysctls: { ...(kind === "router" && { "net.ipv4.ip_forward": "1" }), ...form.sysctls },
      ...(rules !== undefined && { rules }),
      ...(nat !== undefined && { nat }),
      cloudEdge: form.cloudEdge ?? false,
      loopback: form.loopback ?? [],
      tunnels: Object.entries(form.tunnels ?? {}).map(([own, tunnel]) => tunnelSpec(own, tunnel)),
      ...(form.balancer !== undefined && { balancer: machineBalancer(form.balancer) }),
    };
  }

  #cluster(name: string, form: ClusterForm, path: Path): ScenarioCluster {
    const problems = this.#problems;
    const context = { problems, readFile: this.#source.readFile };
    const objects = form.manifests === undefined ? [] : readManifests(form.manifests, [...path, "manifests"], context);
    const proxy = proxyFlags(form);
    for (const problem of kubeProxyConfig({ name: form.nodes[0]?.name ?? "" }, proxy).problems) {
      problems.report([...path, "proxy"], problem);
    }
    const rulesOf = readNodeRules(form, [...path, "nodeRules"], problems);
    if (form.bridge !== undefined && (form.cni === "routed" || form.cni === "aws-vpc"))
      problems.report([...path, "bridge"], `there is no bridge with cni: ${form.cni}; leave one of them out`);
    if (form.vxlan !== undefined && form.cni !== "vxlan" && form.cni !== "routed")
      problems.report(
        [...path, "vxlan"],
        `there is no tunnel with cni: ${form.cni ?? "bridge"}; use cni: vxlan or routed`,
      );
    this.#checkBridgeSysctls(form, path);
    const { pins: given = {} } = form;
    const pins: ControlPlanePins = {
      ...(given.pods && { pods: given.pods }),
      ...(given.nodePorts && { nodePorts: given.nodePorts }),
      ...(given.healthCheckNodePorts && { healthCheckNodePorts: given.healthCheckNodePorts }),
      ...(given.loadBalancers && { loadBalancers: mapValues(given.loadBalancers, loadBalancerPin) }),
      ...(given.clusterIPs && { clusterIps: mapValues(given.clusterIPs, formatIpv4) }),
    };
    // What is wrong already would come up again.
    if (problems.problems.length === 0)
      tryObjects(objects, { serviceRange: form.serviceCIDR, pins }, (message) =>
        problems.report([...path, "manifests"], message),
      );
    return {
      name,
      version: form.version,
      network: form.network,
      ...(form.gateway !== undefined && { gateway: form.gateway }),
      podCidr: form.podCIDR,
      serviceCidr: form.serviceCIDR,
      mtu: form.mtu ?? this.#podMtu(form),
      cni: form.cni ?? "bridge",
      ...(form.vxlan !== undefined && { vxlan: form.vxlan }),
      ...(form.bridge !== undefined && { bridge: form.bridge }),
      hairpin: form.hairpin ?? true,
      ...(form.cpus !== undefined && { cpus: form.cpus }),
      ...(form.kernel !== undefined && { kernel: form.kernel }),
      podsAskForIpv6: form.podsAskForIpv6 ?? false,
      proxy,
      timing: { minSyncPeriod: form.proxy?.minSyncPeriod ?? MIN_SYNC_PERIOD, ...form.timing },
      nodes: form.nodes.map((node, index) => ({
        name: node.name,
        aliases: aliasesOf(this.#form, form, index),
        address: node.address,
        ...(node.externalAddress !== undefined && { externalAddress: node.externalAddress }),
        podCidr: node.podCIDR,
        labels: node.labels ?? {},
        ...rulesOf(node),
        sysctls: { ...form.sysctls, ...node.sysctls },
      })),
      pins,
      ...(form.loadBalancer !== undefined && { loadBalancer: clusterBalancer(form.loadBalancer) }),
      objects,
    };
  }

  /** The network's, less what a tunnel takes of it. */
  #podMtu({ network, cni, vxlan }: ClusterForm): number {
    const mtu = this.#form.networks[network]?.mtu ?? DEFAULT_MTU;
    return cni === "vxlan" || vxlan !== undefined ? mtu - VXLAN_OVERHEAD : mtu;
  }

  /** br_netfilter's parameters belong to bridges. */
  #checkBridgeSysctls(form: ClusterForm, path: Path): void {
    if (form.cni !== "aws-vpc" && form.cni !== "routed") return;
    const given = [form.sysctls, ...form.nodes.map(({ sysctls }) => sysctls)].flatMap((each) =>
      Object.keys(each ?? {}),
    );
    const name = given.find((each) => each.startsWith("net.bridge."));
    if (name !== undefined)
      this.#problems.report(path, `there is no bridge with cni: ${form.cni}, so ${name} means nothing; leave it out`);
  }

  /** A Pod is a box of the network as well, and its name that of its capture points. */
  #checkPodNames(clusters: readonly ScenarioCluster[]): void {
    const taken = new Set(namesIn(this.#form));
    for (const [index, { path }] of clustersOf(this.#form).entries()) {
      for (const name of clusters[index] === undefined ? [] : podNames(clusters[index])) {
        if (taken.has(name)) this.#problems.report(path, `the name of the Pod "${name}" is taken`);
        taken.add(name);
      }
    }
  }

  /** The cluster of a node; the first one when it is not told. */
  #clusterOf(node: string | undefined): string {
    const clusters = clustersOf(this.#form);
    const own = clusters.find(({ cluster }) =>
      cluster.nodes.some(
        ({ name }, index) => name === node || aliasesOf(this.#form, cluster, index).includes(node ?? ""),
      ),
    );
    return (own ?? clusters[0])?.name ?? "";
  }

  #links(form: LinksForm): LinkChange[] {
    const known = interfaceNames(this.#form);
    return Object.entries(form).flatMap(([name, link]) => {
      const end = known.get(name);
      return end === undefined ? [] : [{ ...end, impairments: impairmentsOf(link) }];
    });
  }

  #step(form: StepForm, index: number): Step {
    const path = ["steps", index];
    const { line = 1, column = 1 } = this.#problems.whereIs(path, "value");
    const base = {
      number: index + 1,
      ...(form.name !== undefined && { name: form.name }),
      place: { line, column },
      ...(form.show !== undefined && { show: form.show }),
      expect: expectationOf(form),
    };
    const cluster = form.cluster ?? clustersOf(this.#form)[0]?.name ?? "";
    if (form.kubectl !== undefined) return { ...base, kind: "kubectl", kubectl: form.kubectl, cluster };
    if (form.wait !== undefined) return { ...base, kind: "wait", duration: form.wait };
    if (form.links !== undefined) return { ...base, kind: "links", links: this.#links(form.links) };
    if (form.fail !== undefined) {
      const { node, pod = "" } = form.fail;
      const failing =
        node === undefined ? ({ what: "pod", target: pod } as const) : ({ what: "node", target: node } as const);
      return { ...base, kind: "fail", ...failing, cluster: form.cluster ?? this.#clusterOf(node) };
    }
    if (form.restore !== undefined) {
      const { node } = form.restore;
      return { ...base, kind: "restore", target: node, cluster: form.cluster ?? this.#clusterOf(node) };
    }
    if (form.apply !== undefined) {
      return {
        ...base,
        kind: "apply",
        objects: readManifestText(form.apply, [...path, "apply"], this.#problems),
        cluster,
      };
    }
    const timeout = form.timeout ?? DEFAULT_TIMEOUT;
    const repeat = form.repeat === undefined ? {} : { repeat: repetitionOf(form.repeat) };
    return { ...base, kind: "run", run: form.run ?? "", on: form.on ?? "", timeout, ...repeat };
  }
}

/** Has an API server of its own take the objects, so that what it refuses is known before the run. */
function tryObjects(
  objects: readonly KubeObject[],
  options: { readonly serviceRange: Cidr; readonly pins: ControlPlanePins },
  report: (message: string) => void,
): void {
  const api = new ApiServer({ ...options, chance: new Random(0) });
  for (const object of objects) {
    try {
      api.apply(object);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      report(error.message);
    }
  }
}

function loadBalancerPin({ address, ...pin }: LoadBalancerPinForm): LoadBalancerPin {
  return { ...pin, ...(address !== undefined && { address: formatIpv4(address) }) };
}

function tunnelSpec(name: string, { addresses = [], ...form }: TunnelForm): TunnelSpec {
  return form.kind === "ipip"
    ? { ...form, name, addresses }
    : { ...form, name, addresses, remotes: form.remotes ?? [] };
}

function addressesOf(form: InterfaceForm): readonly InterfaceAddress[] {
  return form.addresses ?? (form.address === undefined ? [] : [form.address]);
}

function hasExternalAddresses(form: ScenarioFile): boolean {
  return clustersOf(form).some(({ cluster }) => cluster.nodes.some((node) => node.externalAddress !== undefined));
}

function proxyFlags({ proxy = {}, podCIDR }: ClusterForm): KubeProxyFlags {
  const { clusterCIDR = podCIDR, minSyncPeriod: _, ...flags } = proxy;
  return { ...flags, clusterCidr: formatCidr(clusterCIDR) };
}

/** Pods that are there from the start, by name; each name once. */
function podNames({ objects, pins }: ScenarioCluster): readonly string[] {
  const pinned = Object.values(pins.pods ?? {}).flatMap((pods) => pods.flatMap(({ name }) => name ?? []));
  const single = objects.flatMap((object) => (object.kind === "Pod" ? [object.metadata.name] : []));
  return [...new Set([...pinned, ...single])];
}

/** What stands beside `in` and `out` holds for both; what stands in them goes before it. */
function impairmentsOf({ in: towards, out: away, ...both }: LinkForm): LinkImpairments {
  const inward: Partial<Impairments> = { ...both, ...towards };
  return { out: { ...both, ...away }, in: inward };
}

function repetitionOf(form: NonNullable<StepForm["repeat"]>): "nodes" | Repetition {
  if (form === "nodes") return form;
  const { times, every = PROGRAM_START, parallel = 1 } = typeof form === "number" ? { times: form } : form;
  return { times, every, parallel };
}

function expectationOf({ expect = {} }: StepForm): Expectation {
  const { exitCode, clientAddress } = expect;
  return {
    ...(exitCode !== undefined && { exitCode }),
    stdout: expect.stdout ?? [],
    stderr: expect.stderr ?? [],
    ...(clientAddress !== undefined && { clientAddress }),
    packets: (expect.packets ?? []).map(({ at, filter, count = { relation: ">=", count: 1 } }) => ({
      at,
      count,
      ...(filter !== undefined && { filter }),
    })),
  };
}

function mapValues<A, B>(record: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, change(value)]));
}
