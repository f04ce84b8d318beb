import {
  type Cidr,
  contains,
  formatCidr,
  formatInterfaceAddress,
  formatIpv4,
  type InterfaceAddress,
  type Ipv4Address,
  lastAddress,
  subnetOf,
} from "../netstack/index.ts";
import { checkLoadBalancer, checkMachineBalancer } from "./check-balancer.ts";
import { listed, suggestion } from "./config-error.ts";
import type { ClusterForm, LinksForm, MachineForm, ScenarioFile } from "./file-form.ts";
import type { ProblemList } from "./locator.ts";
import type { Path } from "./yaml-source.ts";

/** An interface with its addresses, wherever in the file it is described. */
interface Placed {
  readonly path: Path;
  readonly owner: string;
  readonly network: string;
  readonly own: InterfaceAddress;
}

/** Checks that what a scenario's parts say of each other fits: names that are used exist, and addresses can work. */
export function checkReferences(form: ScenarioFile, problems: ProblemList): void {
  const placed: Placed[] = [];
  for (const [kind, machines] of [["hosts", form.hosts] as const, ["routers", form.routers] as const]) {
    for (const [name, machine] of Object.entries(machines ?? {})) {
      placed.push(...checkMachine(form, machine, [kind, name], problems));
    }
  }
  for (const { path, cluster } of clustersOf(form)) placed.push(...checkCluster(form, cluster, path, problems));
  checkNames(form, problems);
  checkAddresses(placed, problems);
  checkLinks(form, form.links ?? {}, ["links"], problems);
}

/** All clusters of a file with their paths and names; the single one is called `cluster`. */
export function clustersOf(
  form: ScenarioFile,
): { readonly path: Path; readonly name: string; readonly cluster: ClusterForm }[] {
  const several = Object.entries(form.clusters ?? {});
  return [
    ...(form.cluster === undefined ? [] : [{ path: ["cluster"], name: "cluster", cluster: form.cluster }]),
    ...several.map(([name, cluster]) => ({ path: ["clusters", name], name, cluster })),
  ];
}

/** The names that a node has besides its own: what the file says, else node1, node2, … in the only cluster. */
export function aliasesOf(form: ScenarioFile, cluster: ClusterForm, index: number): readonly string[] {
  const given = cluster.nodes[index]?.alias;
  if (given !== undefined) return [given];
  return clustersOf(form).length === 1 ? [`node${index + 1}`] : [];
}

/** Reports links that do not end at an interface of the scenario. */
export function checkLinks(form: ScenarioFile, links: LinksForm, path: Path, problems: ProblemList): void {
  const known = interfaceNames(form);
  for (const name of Object.keys(links)) {
    if (!known.has(name)) {
      const message = `there is no interface "${name}"${suggestion(name, [...known.keys()])}`;
      problems.problems.push({ ...problems.whereIs([...path, name], "key"), message });
    }
  }
}

/** Every interface that the file describes: `client/eth0`, and a node's under its alias too, with the host's own name. */
export function interfaceNames(
  form: ScenarioFile,
): ReadonlyMap<string, { readonly host: string; readonly interface: string }> {
  const names = new Map<string, { host: string; interface: string }>();
  for (const [host, machine] of [...Object.entries(form.hosts ?? {}), ...Object.entries(form.routers ?? {})]) {
    for (const name of Object.keys(machine.interfaces)) names.set(`${host}/${name}`, { host, interface: name });
  }
  for (const { cluster } of clustersOf(form)) {
    for (const [index, node] of cluster.nodes.entries()) {
      const found = { host: node.name, interface: "eth0" };
      for (const name of [node.name, ...aliasesOf(form, cluster, index)]) names.set(`${name}/eth0`, found);
    }
  }
  return names;
}

function checkMachine(form: ScenarioFile, machine: MachineForm, path: Path, problems: ProblemList): Placed[] {
  const placed: Placed[] = [];
  const owner = String(path[1]);
  for (const [name, each] of Object.entries(machine.interfaces)) {
    const here = [...path, "interfaces", name];
    checkNetwork(form, each.network, [...here, "network"], problems);
    if (each.address !== undefined && each.addresses !== undefined) {
      problems.report(here, "expected either address or addresses, got both");
    }
    if (each.address !== undefined)
      placed.push({ path: [...here, "address"], owner, network: each.network, own: each.address });
    for (const [index, own] of (each.addresses ?? []).entries()) {
      placed.push({ path: [...here, "addresses", index], owner, network: each.network, own });
    }
  }
  const own = placed.map((each) => each.own);
  if (machine.gateway !== undefined) checkNextHop(machine.gateway, own, [...path, "gateway"], problems);
  for (const [index, route] of (machine.routes ?? []).entries()) {
    checkNextHop(route.via, own, [...path, "routes", index, "via"], problems);
  }
  checkMachineBalancer(form, machine, path, problems);
  const ports = (machine.servers ?? []).map((server) => server.port);
  for (const [index, port] of ports.entries()) {
    if (ports.indexOf(port) < index)
      problems.report([...path, "servers", index], `port ${port} is taken by another server`);
  }
  return placed;
}

function checkNetwork(form: ScenarioFile, name: string, path: Path, problems: ProblemList): void {
  if (Object.hasOwn(form.networks, name)) return;
  problems.report(path, `there is no network "${name}"${suggestion(name, Object.keys(form.networks))}`);
}

function checkNextHop(via: Ipv4Address, own: readonly InterfaceAddress[], path: Path, problems: ProblemList): void {
  if (own.some((each) => each.address === via)) {
    problems.report(path, `${formatIpv4(via)} is its own address; expected a neighbour's`);
  } else if (!own.some((each) => contains(subnetOf(each.address, each.prefixLength), via))) {
    const subnets = own.map((each) => formatCidr(subnetOf(each.address, each.prefixLength)));
    const expected = subnets.length === 0 ? "but it has no address at all" : `expected one in ${subnets.join(" or ")}`;
    problems.report(path, `${formatIpv4(via)} is not a neighbour; ${expected}`);
  }
}

function checkCluster(form: ScenarioFile, cluster: ClusterForm, path: Path, problems: ProblemList): Placed[] {
  checkNetwork(form, cluster.network, [...path, "network"], problems);
  checkRanges(cluster, path, problems);
  checkPins(cluster, path, problems);
  checkLoadBalancer(form, cluster, path, problems);
  const own = cluster.nodes.map((node) => node.address);
  if (cluster.gateway !== undefined) checkNextHop(cluster.gateway, own, [...path, "gateway"], problems);
  return cluster.nodes.map((node, index) => ({
    path: [...path, "nodes", index, "address"],
    owner: node.name,
    network: cluster.network,
    own: node.address,
  }));
}

function checkRanges(cluster: ClusterForm, path: Path, problems: ProblemList): void {
  if (overlap(cluster.podCIDR, cluster.serviceCIDR)) {
    problems.report(
      [...path, "serviceCIDR"],
      `overlaps podCIDR ${formatCidr(cluster.podCIDR)}; expected a range of its own`,
    );
  }
  for (const [index, node] of cluster.nodes.entries()) {
    const here = [...path, "nodes", index];
    const { podCIDR } = node;
    if (!contains(cluster.podCIDR, podCIDR.network) || podCIDR.prefixLength < cluster.podCIDR.prefixLength) {
      problems.report([...here, "podCIDR"], `expected a part of the cluster's podCIDR ${formatCidr(cluster.podCIDR)}`);
    }
    if (podCIDR.prefixLength > 29)
      problems.report([...here, "podCIDR"], "expected at least a /29: room for a bridge and pods");
    const other = cluster.nodes.findIndex((each, at) => at < index && overlap(each.podCIDR, podCIDR));
    if (other >= 0) problems.report([...here, "podCIDR"], `overlaps the one of ${cluster.nodes[other]?.name}`);
    const ranges = cluster.cni === "aws-vpc" ? [cluster.serviceCIDR] : [cluster.podCIDR, cluster.serviceCIDR];
    for (const range of ranges) {
      if (contains(range, node.address.address)) {
        problems.report(
          [...here, "address"],
          `${formatIpv4(node.address.address)} is inside ${formatCidr(range)}, which is for pods or Services`,
        );
      }
    }
  }
}

function checkPins(cluster: ClusterForm, path: Path, problems: ProblemList): void {
  const names = cluster.nodes.map((node) => node.name);
  for (const [deployment, pods] of Object.entries(cluster.pins?.pods ?? {})) {
    for (const [index, pod] of pods.entries()) {
      const here = [...path, "pins", "pods", deployment, index];
      if (pod.node !== undefined && !names.includes(pod.node)) {
        problems.report([...here, "node"], `there is no node "${pod.node}"${suggestion(pod.node, names)}`);
      }
    }
  }
  for (const [service, address] of Object.entries(cluster.pins?.clusterIPs ?? {})) {
    if (!contains(cluster.serviceCIDR, address)) {
      const here = [...path, "pins", "clusterIPs", service];
      problems.report(here, `${formatIpv4(address)} is outside serviceCIDR ${formatCidr(cluster.serviceCIDR)}`);
    }
  }
}

/** The names of all boxes and networks, and their aliases. */
export function namesIn(form: ScenarioFile): readonly string[] {
  const machines = [...Object.entries(form.hosts ?? {}), ...Object.entries(form.routers ?? {})];
  const nodes = clustersOf(form).flatMap(({ cluster }) =>
    cluster.nodes.flatMap((node, index) => [node.name, ...aliasesOf(form, cluster, index)]),
  );
  return [
    ...Object.keys(form.networks),
    ...machines.flatMap(([name, { aliases = [] }]) => [name, ...aliases]),
    ...nodes,
  ];
}

/** Boxes, networks and aliases share one namespace: commands and capture points use them all. */
function checkNames(form: ScenarioFile, problems: ProblemList): void {
  const owners = new Map<string, string>();
  const claim = (name: string, owner: string, path: Path): void => {
    const other = owners.get(name);
    if (other !== undefined) {
      problems.problems.push({ ...problems.whereIs(path, "key"), message: `the name "${name}" is taken by ${other}` });
    } else {
      owners.set(name, owner);
    }
  };
  for (const name of Object.keys(form.networks)) claim(name, "a network", ["networks", name]);
  for (const [kind, machines] of [["hosts", form.hosts] as const, ["routers", form.routers] as const]) {
    for (const [name, machine] of Object.entries(machines ?? {})) {
      claim(name, `a ${kind === "hosts" ? "host" : "router"}`, [kind, name]);
      for (const [index, alias] of (machine.aliases ?? []).entries())
        claim(alias, name, [kind, name, "aliases", index]);
    }
  }
  for (const { path, cluster } of clustersOf(form)) {
    for (const [index, node] of cluster.nodes.entries()) {
      claim(node.name, "a node", [...path, "nodes", index, "name"]);
      for (const alias of aliasesOf(form, cluster, index)) claim(alias, node.name, [...path, "nodes", index, "alias"]);
    }
  }
}

function checkAddresses(placed: readonly Placed[], problems: ProblemList): void {
  const taken = new Map<string, Placed>();
  for (const each of placed) {
    const { path, network, own } = each;
    const key = `${network} ${own.address}`;
    const twin = taken.get(key);
    const complaint = objectToAddress(own) ?? objectToPlace(each, twin, placed);
    if (complaint !== undefined) problems.report(path, complaint);
    if (twin === undefined) taken.set(key, each);
  }
}

function objectToAddress(own: InterfaceAddress): string | undefined {
  const text = formatInterfaceAddress(own);
  const subnet = subnetOf(own.address, own.prefixLength);
  const isEdge = own.prefixLength < 31 && (own.address === subnet.network || own.address === lastAddress(subnet));
  if (isEdge)
    return `${text} is its subnet's ${own.address === subnet.network ? "network" : "broadcast"} address; expected one between`;
  return isHostAddress(own.address) ? undefined : `${text} is not an address that a host can have`;
}

function objectToPlace(self: Placed, twin: Placed | undefined, placed: readonly Placed[]): string | undefined {
  const { network, own } = self;
  if (twin !== undefined) return `${formatIpv4(own.address)} is taken on network ${network} by ${twin.owner}`;
  const subnet = subnetOf(own.address, own.prefixLength);
  const isOther = (each: Placed): boolean => each !== self && each.network === network;
  // Whoever has a /32 is reached by routes.
  if (own.prefixLength > 30 || !placed.some(isOther)) return undefined;
  if (placed.some((each) => isOther(each) && contains(subnet, each.own.address))) return undefined;
  const subnets = new Set(
    placed.filter(isOther).map((each) => formatCidr(subnetOf(each.own.address, each.own.prefixLength))),
  );
  return `${formatInterfaceAddress(own)} shares no subnet with anyone on network ${network}; there is ${listed([...subnets])}`;
}

/** Not loopback, multicast, reserved or 0.0.0.0/8 (RFC 1122 §3.2.1.3). */
function isHostAddress(address: Ipv4Address): boolean {
  const first = address >>> 24;
  return first !== 0 && first !== 127 && first < 224;
}

function overlap(a: Cidr, b: Cidr): boolean {
  return contains(a, b.network) || contains(b, a.network);
}
