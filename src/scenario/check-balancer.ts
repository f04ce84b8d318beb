import { formatIpv4 } from "../netstack/index.ts";
import { suggestion } from "./config-error.ts";
import type {
  BalancerForm,
  CloudBalancerForm,
  ClusterForm,
  FrontendForm,
  MachineForm,
  RouterForm,
  ScenarioFile,
} from "./file-form.ts";
import type { ProblemList } from "./locator.ts";
import type { Path } from "./yaml-source.ts";

/** Checks what a cluster's load balancer says of the rest of the scenario. */
export function checkLoadBalancer(form: ScenarioFile, cluster: ClusterForm, path: Path, problems: ProblemList): void {
  checkPins(cluster, path, problems);
  const balancer = cluster.loadBalancer;
  if (balancer === undefined || balancer.kind === "layer2") return;
  const here = [...path, "loadBalancer"];
  const machines = { ...form.hosts, ...form.routers };
  const machine = Object.hasOwn(machines, balancer.host) ? machines[balancer.host] : undefined;
  if (machine === undefined) {
    const message = `there is no host or router "${balancer.host}"${suggestion(balancer.host, Object.keys(machines))}`;
    problems.report([...here, "host"], message);
  } else if (balancer.kind === "proxy") {
    checkProxy(balancer, machine, here, problems);
  } else {
    checkPassthrough(form, balancer, here, problems);
  }
  const twin = clustersIn(form).find((other) => other !== cluster && hostOf(other) === balancer.host);
  if (twin !== undefined) problems.report([...here, "host"], `${balancer.host} is another cluster's load balancer`);
  checkHealthCheck(balancer, machine, here, problems);
}

function clustersIn(form: ScenarioFile): readonly ClusterForm[] {
  return [...(form.cluster === undefined ? [] : [form.cluster]), ...Object.values(form.clusters ?? {})];
}

function hostOf({ loadBalancer }: ClusterForm): string | undefined {
  return loadBalancer === undefined || loadBalancer.kind === "layer2" ? undefined : loadBalancer.host;
}

/** Checks what a machine's own load balancer says of the rest of the scenario. */
export function checkMachineBalancer(form: ScenarioFile, machine: RouterForm, path: Path, problems: ProblemList): void {
  const balancer = machine.balancer;
  if (balancer === undefined) return;
  const here = [...path, "balancer"];
  if (balancer.kind === "passthrough" && (machine.iptables !== undefined || machine.cloudEdge === true))
    problems.report(here, "a balancer stands alone on its machine; expected no rules beside it");
  if (balancer.kind === "passthrough" && path[0] !== "routers")
    problems.report(here, "a host forwards no packets; expected a router");
  if (balancer.kind === "proxy" && machine.servers !== undefined)
    problems.report(here, "a proxy stands alone on its machine; expected no servers beside it");
  const machines = [...Object.keys(form.hosts ?? {}), ...Object.keys(form.routers ?? {})];
  for (const [index, frontend] of balancer.frontends.entries()) {
    const place = [...here, "frontends", index];
    checkFrontendKind(balancer.kind, frontend, place, problems);
    if (balancer.kind === "proxy" && !ownAddresses(machine).includes(frontend.address))
      problems.report([...place, "address"], `${formatIpv4(frontend.address)} is no address of this machine`);
    for (const [at, name] of frontend.backends.entries()) {
      if (machines.includes(name)) continue;
      problems.report([...place, "backends", at], `there is no host or router "${name}"${suggestion(name, machines)}`);
    }
    if (frontend.first !== undefined && !frontend.backends.includes(frontend.first))
      problems.report([...place, "first"], "expected one of the backends");
  }
}

function checkFrontendKind(
  kind: BalancerForm["kind"],
  frontend: FrontendForm,
  path: Path,
  problems: ProblemList,
): void {
  if (kind === "passthrough" && frontend.header !== undefined)
    problems.report([...path, "header"], "packets are forwarded as they are; expected kind proxy with it");
  if (kind === "proxy" && frontend.delivery !== undefined)
    problems.report([...path, "delivery"], "a proxy opens connections of its own; expected kind passthrough with it");
  if (kind === "proxy" && frontend.protocol === "udp")
    problems.report([...path, "protocol"], "a proxy carries TCP; expected kind passthrough with it");
}

function checkProxy(balancer: CloudBalancerForm, machine: MachineForm, path: Path, problems: ProblemList): void {
  if (machine.balancer !== undefined || machine.servers !== undefined)
    problems.report([...path, "host"], `${balancer.host} serves already; expected a machine for the proxy alone`);
  if (balancer.delivery !== undefined)
    problems.report([...path, "delivery"], "a proxy opens connections of its own; expected kind passthrough with it");
  const own = ownAddresses(machine);
  for (const [index, address] of balancer.addresses.entries()) {
    if (own.includes(address)) continue;
    const message = `${formatIpv4(address)} is no address of ${balancer.host}, where the proxy listens; add it to an interface as ${formatIpv4(address)}/32`;
    problems.report([...path, "addresses", index], message);
  }
}

function checkPassthrough(form: ScenarioFile, balancer: CloudBalancerForm, path: Path, problems: ProblemList): void {
  const router = form.routers?.[balancer.host];
  if (router === undefined) {
    problems.report([...path, "host"], `${balancer.host} forwards no packets; expected one of the routers`);
  } else if (router.balancer !== undefined || router.iptables !== undefined || router.cloudEdge === true) {
    problems.report(
      [...path, "host"],
      `${balancer.host} has rules or a balancer of its own; expected a router for the balancer alone`,
    );
  }
  for (const key of ["header", "headers", "ipMode"] as const) {
    if (balancer[key] !== undefined && !(key === "ipMode" && balancer.ipMode === "VIP"))
      problems.report([...path, key], "packets are forwarded as they are; expected kind proxy with it");
  }
}

function checkHealthCheck(
  { healthCheck: check = {}, host }: CloudBalancerForm,
  machine: MachineForm | undefined,
  path: Path,
  problems: ProblemList,
): void {
  const here = [...path, "healthCheck"];
  const [interval, timeout] = [check.interval ?? 2e9, check.timeout ?? 1e9];
  if (timeout <= 0 || timeout > interval)
    problems.report(here, "expected a timeout above 0 and at most the interval (2s when left out)");
  if (check.from !== undefined && machine !== undefined && !ownAddresses(machine).includes(check.from))
    problems.report([...here, "from"], `${formatIpv4(check.from)} is no address of ${host}`);
}

function checkPins(cluster: ClusterForm, path: Path, problems: ProblemList): void {
  const names = cluster.nodes.map(({ name }) => name);
  for (const [service, pin] of Object.entries(cluster.pins?.loadBalancers ?? {})) {
    const here = [...path, "pins", "loadBalancers", service];
    if (cluster.loadBalancer === undefined) {
      problems.report(here, "the cluster has no loadBalancer");
      continue;
    }
    if (pin.first !== undefined && !names.includes(pin.first))
      problems.report([...here, "first"], `there is no node "${pin.first}"${suggestion(pin.first, names)}`);
    if (pin.address !== undefined && !cluster.loadBalancer.addresses.includes(pin.address))
      problems.report([...here, "address"], "expected one of the loadBalancer's addresses");
    if (pin.hostname !== undefined && !("domain" in cluster.loadBalancer))
      problems.report([...here, "hostname"], "Services get addresses; expected a domain in the loadBalancer");
  }
}

function ownAddresses({ interfaces }: MachineForm): readonly number[] {
  return Object.values(interfaces).flatMap(({ address, addresses = [] }) =>
    [...(address === undefined ? [] : [address]), ...addresses].map((own) => own.address),
  );
}
