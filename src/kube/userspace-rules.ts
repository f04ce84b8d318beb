import type { Rule, Ruleset, Target } from "../nat/index.ts";
import type { Ipv4Address } from "./address.ts";
import type { Chance } from "./band-allocator.ts";
import { collectEndpoints, type Endpoint } from "./endpoints.ts";
import { type KubeProxyConfig, primaryAddress } from "./proxy-config.ts";
import type { ProxyInput } from "./proxy-input.ts";
import {
  addressType,
  append,
  comment,
  finishSheet,
  jump,
  match,
  newRuleSheet,
  openChain,
  type Place,
  protocol,
  type RulePart,
  type RuleSheet,
  rule,
  toAddress,
} from "./rule-sheet.ts";
import { type ServicePort, servicePortKey, servicePorts } from "./service-ports.ts";

/** One service port in userspace mode: the port kube-proxy itself listens on, and where it takes connections from there. */
export interface UserspacePort {
  readonly port: ServicePort;
  readonly proxyPort: number;
  /** Ready ones only, taken in turns. */
  readonly endpoints: readonly Endpoint[];
}

/** All that kube-proxy in userspace mode sets up on a node. */
export interface UserspaceRules {
  readonly ports: readonly UserspacePort[];
  readonly rules: Ruleset;
}

/** Ports that a kernel gives to a program that asks for any (net.ipv4.ip_local_port_range). */
const EPHEMERAL = { from: 32_768, count: 28_232 };

const PORTALS_FOR_PODS: Place = { table: "nat", chain: "KUBE-PORTALS-CONTAINER" };
const PORTALS_FOR_HOST: Place = { table: "nat", chain: "KUBE-PORTALS-HOST" };
const NODE_PORTS_FOR_PODS: Place = { table: "nat", chain: "KUBE-NODEPORT-CONTAINER" };
const NODE_PORTS_FOR_HOST: Place = { table: "nat", chain: "KUBE-NODEPORT-HOST" };
const NON_LOCAL: Place = { table: "filter", chain: "KUBE-NODEPORT-NON-LOCAL" };

/**
 * What kube-proxy wrote in userspace mode, until Kubernetes 1.25 (pkg/proxy/userspace/proxier.go): every service port is led to a port
 * of kube-proxy's own on the node, which opens a connection of its own to an endpoint. Endpoints so see the node, never the client.
 * `proxyPorts` keeps ports from one call to the next; new service ports get one by chance.
 */
export function userspaceRules(
  { services, endpointSlices, config }: ProxyInput,
  chance: Chance,
  proxyPorts: ReadonlyMap<string, number> = new Map(),
): UserspaceRules {
  const endpoints = collectEndpoints(endpointSlices, config.nodeName);
  const taken = new Set(proxyPorts.values());
  const ports = servicePorts(services).map((port): UserspacePort => {
    const key = servicePortKey(port);
    const proxyPort = proxyPorts.get(key) ?? freePort(taken, chance);
    taken.add(proxyPort);
    return { port, proxyPort, endpoints: (endpoints.get(key) ?? []).filter((endpoint) => endpoint.ready) };
  });
  const sheet = newRuleSheet();
  writeHooks(sheet);
  for (const port of ports) writePort(sheet, port, config);
  return { ports, rules: finishSheet(sheet) };
}

/** Portals come first: a nodePort rule matches any address of the node. */
function writeHooks(sheet: RuleSheet): void {
  const portals = comment("handle ClusterIPs; NOTE: this must be before the NodePort rules");
  const nodePorts = comment("handle service NodePorts; NOTE: this must be the last rule in the chain");
  for (const [chain, portalPlace, nodePortPlace] of [
    ["PREROUTING", PORTALS_FOR_PODS, NODE_PORTS_FOR_PODS],
    ["OUTPUT", PORTALS_FOR_HOST, NODE_PORTS_FOR_HOST],
  ] as const) {
    append(
      sheet,
      { table: "nat", chain },
      rule([portals], jump(portalPlace.chain)),
      rule([addressType("destination", "LOCAL"), nodePorts], jump(nodePortPlace.chain)),
    );
    for (const place of [portalPlace, nodePortPlace]) openChain(sheet, place.table, place.chain);
  }
  const flow = comment("Ensure that non-local NodePort traffic can flow");
  append(sheet, { table: "filter", chain: "INPUT" }, rule([flow], jump(NON_LOCAL.chain)));
  openChain(sheet, NON_LOCAL.table, NON_LOCAL.chain);
}

function writePort(sheet: RuleSheet, { port, proxyPort }: UserspacePort, config: KubeProxyConfig): void {
  const forPods: Target = { kind: "redirect", ports: { from: proxyPort, to: proxyPort } };
  const host = primaryAddress(config);
  const forHost: Target = {
    kind: "dnat",
    addresses: { from: host, to: host },
    ports: { from: proxyPort, to: proxyPort },
  };
  append(sheet, PORTALS_FOR_PODS, portal(port, port.clusterIp, [], forPods));
  append(sheet, PORTALS_FOR_HOST, portal(port, port.clusterIp, [], forHost));
  for (const address of [...port.externalIps, ...port.loadBalancerVips]) {
    // Only what came in from outside, not over a bridge's port; and what is addressed to this node anyway.
    const notBridged = match({ kind: "physdev", isIn: { not: true } });
    append(sheet, PORTALS_FOR_PODS, portal(port, address, [notBridged], forPods));
    append(sheet, PORTALS_FOR_PODS, portal(port, address, [addressType("destination", "LOCAL")], forPods));
    append(sheet, PORTALS_FOR_HOST, portal(port, address, [addressType("destination", "LOCAL")], forHost));
  }
  if (port.nodePort === 0) return;
  const nodePort = [comment(port.name), protocol(port.protocol, port.nodePort)];
  append(sheet, NODE_PORTS_FOR_PODS, rule(nodePort, forPods));
  append(sheet, NODE_PORTS_FOR_HOST, rule(nodePort, forHost));
  const toProxy = [comment(port.name), protocol(port.protocol, proxyPort), match({ kind: "state", states: ["NEW"] })];
  append(sheet, NON_LOCAL, rule(toProxy, { kind: "accept" }));
}

function portal(port: ServicePort, address: Ipv4Address, more: readonly RulePart[], target: Target): Rule {
  return rule([comment(port.name), protocol(port.protocol, port.port), toAddress(address), ...more], target);
}

function freePort(taken: ReadonlySet<number>, chance: Chance): number {
  const start = chance.below(EPHEMERAL.count);
  for (let i = 0; i < EPHEMERAL.count; i++) {
    const candidate = EPHEMERAL.from + ((start + i) % EPHEMERAL.count);
    if (!taken.has(candidate)) return candidate;
  }
  throw new RangeError(`Cannot open a proxy port: all ${EPHEMERAL.count} are in use`);
}
