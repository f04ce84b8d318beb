import type { Match, Rule } from "../nat/index.ts";
import { contains } from "./address.ts";
import type { Endpoint } from "./endpoints.ts";
import { type KubeProxyConfig, type LocalDetector, primaryAddress } from "./proxy-config.ts";
import {
  addressType,
  comment,
  fromAddress,
  fromRange,
  jump,
  match,
  notFromRange,
  openChain,
  protocol,
  type RulePart,
  type RuleSheet,
  rule,
  toAddress,
} from "./rule-sheet.ts";
import { externalPolicyChain, internalPolicyChain, type ServiceChainNames, type ServicePlan } from "./service-plan.ts";
import type { ServicePort } from "./service-ports.ts";

/*
 * A service port's own chains: KUBE-SVC- and KUBE-SVL- choose an endpoint, KUBE-EXT- decides who gets which of the two, KUBE-FW-
 * keeps load balancer traffic to its source ranges, KUBE-SEP- rewrites the destination.
 */

/** How the chains are written. */
export interface ChainOptions {
  readonly config: KubeProxyConfig;
  readonly names: ServiceChainNames;
  /** `few` leaves out those in front of endpoints, as kube-proxy does in large clusters. */
  readonly comments: "all" | "few";
}

/** The chains that choose and reach endpoints. */
export function writeServiceChains(sheet: RuleSheet, plan: ServicePlan, options: ChainOptions): void {
  const { port, endpoints } = plan;
  const { names } = options;
  if (plan.hasInternal) writeInternalHead(sheet, port, options);
  if (plan.usesExternalChain) openChain(sheet, "nat", names.external(port)).push(...externalRules(plan, options));
  if (plan.usesClusterChain)
    openChain(sheet, "nat", names.cluster(port)).push(...choiceRules(port, endpoints.cluster, options));
  if (plan.usesLocalChain)
    openChain(sheet, "nat", names.local(port)).push(...choiceRules(port, endpoints.local, options));
  for (const endpoint of endpoints.reachable)
    openChain(sheet, "nat", names.endpoint(port, endpoint)).push(...endpointRules(port, endpoint, options));
}

/** KUBE-FW-: lets sources in the given ranges through to the external chain. Others come out untranslated. */
export function writeFirewallChain(sheet: RuleSheet, plan: ServicePlan, { config, names }: ChainOptions): void {
  if (!plan.usesFirewallChain) return;
  openChain(sheet, "nat", names.firewall(plan.port)).push(...firewallRules(plan.port, config, names));
}

/**
 * Masquerades traffic to the cluster IP that no pod of this node sent: the endpoint may be on another node, and its answer has to come
 * back here to be translated. The destination is matched once more, because external traffic comes through this chain too.
 */
function writeInternalHead(sheet: RuleSheet, port: ServicePort, { config, names }: ChainOptions): void {
  if (!config.masqueradeAll && config.detector === undefined) return;
  const notLocal = config.masqueradeAll || config.detector === undefined ? {} : unlessFromPod(config.detector);
  const parts = [comment(`${port.name} cluster IP`), protocol(port.protocol, port.port), toAddress(port.clusterIp)];
  openChain(sheet, "nat", internalPolicyChain(port, names)).push(
    rule([...parts, notLocal], jump(names.markMasquerade)),
  );
}

function externalRules(plan: ServicePlan, options: ChainOptions): readonly Rule[] {
  const { port } = plan;
  const { names } = options;
  const rules = port.externalPolicyLocal
    ? shortCircuitRules(port, options)
    : [rule([comment(`masquerade traffic for ${port.name} external destinations`)], jump(names.markMasquerade))];
  return plan.hasExternal ? [...rules, rule([], jump(externalPolicyChain(port, names)))] : rules;
}

/**
 * Under the policy Local, pods and the node itself are not kept to local endpoints: they are treated as if they had gone out to a
 * load balancer and come back in.
 */
function shortCircuitRules(port: ServicePort, { config: { detector }, names }: ChainOptions): readonly Rule[] {
  const target = jump(names.cluster(port));
  const destinations = `${port.name} external destinations`;
  const fromNode = addressType("source", "LOCAL");
  const rules = [
    rule([comment(`masquerade LOCAL traffic for ${destinations}`), fromNode], jump(names.markMasquerade)),
    rule([comment(`route LOCAL traffic for ${destinations}`), fromNode], target),
  ];
  if (detector === undefined) return rules;
  return [rule([comment(`pod traffic for ${destinations}`), ifFromPod(detector)], target), ...rules];
}

function firewallRules(port: ServicePort, config: KubeProxyConfig, names: ServiceChainNames): readonly Rule[] {
  const note = comment(`${port.name} loadbalancer IP`);
  const target = jump(names.external(port));
  const rules = port.sourceRanges.map((range) => rule([note, fromRange(range)], target));
  // Where the VIP is also a local address, the node's own packets to it have it as their source.
  const nodeMayCome = port.sourceRanges.some((range) => contains(range, primaryAddress(config)));
  if (nodeMayCome) rules.push(...port.loadBalancerVips.map((vip) => rule([note, fromAddress(vip)], target)));
  // No target: it only says where the rest goes.
  return [...rules, rule([comment(`other traffic to ${port.name} will be dropped by KUBE-PROXY-FIREWALL`)])];
}

/** First those that remember the client, then a fair draw: 1/n, 1/(n−1), … and the last takes the rest. */
function choiceRules(port: ServicePort, endpoints: readonly Endpoint[], options: ChainOptions): readonly Rule[] {
  const note = (endpoint: Endpoint) => noteUnlessLarge(`${port.name} -> ${endpoint.text}`, options);
  const remembered = port.affinitySeconds === undefined ? [] : endpoints;
  return [
    ...remembered.map((endpoint) => {
      const chain = options.names.endpoint(port, endpoint);
      return rule([note(endpoint), match(recentlySeen(chain, port.affinitySeconds ?? 0))], jump(chain));
    }),
    ...endpoints.map((endpoint, index) => {
      const left = endpoints.length - index;
      const draw: RulePart = left === 1 ? {} : match({ kind: "statistic", mode: "random", probability: share(left) });
      return rule([note(endpoint), draw], jump(options.names.endpoint(port, endpoint)));
    }),
  ];
}

function endpointRules(port: ServicePort, endpoint: Endpoint, options: ChainOptions): readonly Rule[] {
  const note = noteUnlessLarge(port.name, options);
  const { names } = options;
  const remember = port.affinitySeconds === undefined ? {} : match(rememberClient(names.endpoint(port, endpoint)));
  const ports = { from: endpoint.port, to: endpoint.port };
  return [
    // An endpoint that reaches itself has to see another address than its own, or it would answer itself directly.
    rule([note, fromAddress(endpoint.address)], jump(names.markMasquerade)),
    rule([note, remember, protocol(port.protocol)], {
      kind: "dnat",
      addresses: { from: endpoint.address, to: endpoint.address },
      ports,
    }),
  ];
}

/** Lists of clients are named after the endpoint's chain, so both policies' chains look into the same ones. */
function recentlySeen(chain: string, seconds: number): Match {
  return { kind: "recent", action: "rcheck", seconds, reap: true, name: chain, mask: 0xffffffff, side: "source" };
}

function rememberClient(chain: string): Match {
  return { kind: "recent", action: "set", name: chain, mask: 0xffffffff, side: "source" };
}

/** 1/n as the kernel keeps it. kube-proxy writes ten decimals, which iptables turns into units of 2^-31. */
function share(count: number): number {
  return Math.round(Number((1 / count).toFixed(10)) * 2 ** 31);
}

function ifFromPod(detector: LocalDetector): RulePart {
  return detector.kind === "source" ? fromRange(detector.range) : { inInterface: { name: detector.name } };
}

function unlessFromPod(detector: LocalDetector): RulePart {
  if (detector.kind === "source") return notFromRange(detector.range);
  return { inInterface: { name: detector.name, not: true } };
}

function noteUnlessLarge(text: string, options: ChainOptions): RulePart {
  return options.comments === "all" ? comment(text) : {};
}
