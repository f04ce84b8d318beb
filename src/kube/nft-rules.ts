import { type Cidr, contains, formatCidr, formatIpv4, type Ipv4Address } from "./address.ts";
import { collectEndpoints, type Endpoint, localityOf } from "./endpoints.ts";
import { formatNftRanges } from "./nft-format.ts";
import { nftEndpointName, nftServiceName } from "./nft-names.ts";
import { type NftSetName, nftSets, nftStaticChains } from "./nft-static.ts";
import type { NftChain, NftElement, NftKey, NftSet, NftTable } from "./nft-table.ts";
import { type KubeProxyConfig, type LocalDetector, primaryAddress } from "./proxy-config.ts";
import type { ProxyInput } from "./proxy-input.ts";
import { planService, protocolName, type ServicePlan } from "./service-plan.ts";
import { type ServicePort, servicePorts } from "./service-ports.ts";

/**
 * What kube-proxy writes in nftables mode (pkg/proxy/nftables/proxier.go, Kubernetes 1.31 to 1.34): one table in which maps lead from
 * addresses and ports straight to a service's chain, so that the way does not grow longer with the number of Services. Service ports
 * come in alphabetical order, as in {@link iptablesRules}.
 */
export function nftablesRules({ services, endpointSlices, config }: ProxyInput): NftTable {
  const draft = new NftDraft();
  const endpoints = collectEndpoints(endpointSlices, config.nodeName);
  const locality = localityOf(config.nodeName, config.node);
  for (const port of servicePorts(services)) {
    const plan = planService(port, endpoints, locality);
    addElements(draft, plan);
    addChains(draft, plan, config);
    addAffinitySets(draft, plan);
  }
  return {
    family: "ip",
    name: "kube-proxy",
    comment: "rules for kube-proxy",
    sets: [...nftSets(config).map((set) => draft.fill(set)), ...draft.sets],
    chains: [...nftStaticChains(config), ...draft.chains],
  };
}

/** Collects what the service ports add. */
class NftDraft {
  readonly sets: NftSet[] = [];
  readonly chains: NftChain[] = [];
  readonly #elements = new Map<string, Map<string, NftElement>>();

  /** Of two elements with one key the first stays: nftables has no place for the second. */
  add(set: NftSetName, element: NftElement): void {
    const elements = this.#elements.get(set) ?? new Map<string, NftElement>();
    this.#elements.set(set, elements);
    const { address = 0, protocol = "", port = 0 } = element.key;
    const key = `${address} ${protocol} ${port}`;
    if (!elements.has(key)) elements.set(key, element);
  }

  fill(set: NftSet): NftSet {
    return { ...set, elements: [...set.elements, ...(this.#elements.get(set.name)?.values() ?? [])] };
  }
}

function addElements(draft: NftDraft, plan: ServicePlan): void {
  const { port } = plan;
  const external = `goto ${nftServiceName("external", port)}`;
  const refusal = plan.endpoints.hasAny ? "drop" : "goto reject-chain";
  draft.add("cluster-ips", { key: { address: port.clusterIp } });
  if (plan.hasInternal)
    draft.add("service-ips", { key: keyOf(port, port.clusterIp), verdict: `goto ${internalChain(port)}` });
  else draft.add("no-endpoint-services", { key: keyOf(port, port.clusterIp), comment: port.name, verdict: refusal });
  const firewalled = port.sourceRanges.length > 0 ? port.loadBalancerVips : [];
  for (const address of firewalled)
    draft.add("firewall-ips", { key: keyOf(port, address), verdict: `goto ${nftServiceName("firewall", port)}` });
  for (const address of [...port.externalIps, ...port.loadBalancerVips]) {
    if (plan.endpoints.hasAny) draft.add("service-ips", { key: keyOf(port, address), verdict: external });
    if (!plan.hasExternal)
      draft.add("no-endpoint-services", { key: keyOf(port, address), comment: port.name, verdict: refusal });
  }
  if (port.nodePort === 0) return;
  const key: NftKey = { protocol: protocolName(port), port: port.nodePort };
  if (plan.endpoints.hasAny) draft.add("service-nodeports", { key, verdict: external });
  if (!plan.hasExternal) draft.add("no-endpoint-nodeports", { key, comment: port.name, verdict: refusal });
}

function addChains(draft: NftDraft, plan: ServicePlan, config: KubeProxyConfig): void {
  const { port, endpoints } = plan;
  const head = plan.hasInternal ? internalHead(port, config) : [];
  const choice = (kind: "service" | "local", list: readonly Endpoint[]): NftChain => ({
    name: nftServiceName(kind, port),
    rules: [...(internalChain(port) === nftServiceName(kind, port) ? head : []), ...choiceRules(port, list)],
  });
  for (const endpoint of endpoints.reachable)
    draft.chains.push({ name: nftEndpointName("endpoint", port, endpoint), rules: endpointRules(port, endpoint) });
  if (plan.usesClusterChain) draft.chains.push(choice("service", endpoints.cluster));
  if (plan.usesLocalChain) draft.chains.push(choice("local", endpoints.local));
  if (plan.usesExternalChain)
    draft.chains.push({ name: nftServiceName("external", port), rules: externalRules(plan, config) });
  // Unlike in iptables mode, source ranges are checked even where there is no endpoint.
  if (port.loadBalancerVips.length > 0 && port.sourceRanges.length > 0)
    draft.chains.push({ name: nftServiceName("firewall", port), rules: [firewallRule(port, config)] });
}

function addAffinitySets(draft: NftDraft, { port, endpoints }: ServicePlan): void {
  if (port.affinitySeconds === undefined) return;
  for (const endpoint of endpoints.reachable) {
    const name = nftEndpointName("affinity", port, endpoint);
    draft.sets.push({ kind: "set", name, type: "ipv4_addr", elements: [], timeoutSeconds: port.affinitySeconds });
  }
}

function internalChain(port: ServicePort): string {
  return nftServiceName(port.internalPolicyLocal ? "local" : "service", port);
}

function internalHead(port: ServicePort, config: KubeProxyConfig): readonly string[] {
  if (!config.masqueradeAll && config.detector === undefined) return [];
  const notPod = config.masqueradeAll || config.detector === undefined ? "" : `${podMatch(config.detector, "!= ")} `;
  const destination = `ip daddr ${formatIpv4(port.clusterIp)} ${protocolName(port)} dport ${port.port}`;
  return [`${destination} ${notPod}jump mark-for-masquerade`];
}

function externalRules(plan: ServicePlan, config: KubeProxyConfig): readonly string[] {
  const { port } = plan;
  const cluster = nftServiceName("service", port);
  const last = plan.hasExternal ? [`goto ${port.externalPolicyLocal ? nftServiceName("local", port) : cluster}`] : [];
  if (!port.externalPolicyLocal) return ["jump mark-for-masquerade", ...last];
  const pods =
    config.detector === undefined
      ? []
      : [`${podMatch(config.detector, "")} goto ${cluster} comment "short-circuit pod traffic"`];
  return [
    ...pods,
    'fib saddr type local jump mark-for-masquerade comment "masquerade local traffic"',
    `fib saddr type local goto ${cluster} comment "short-circuit local traffic"`,
    ...last,
  ];
}

function firewallRule(port: ServicePort, config: KubeProxyConfig): string {
  const nodeMayCome = port.sourceRanges.some((range) => contains(range, primaryAddress(config)));
  const vips = nodeMayCome ? port.loadBalancerVips.map(wholeAddress) : [];
  return `ip saddr != ${formatNftRanges([...port.sourceRanges, ...vips])} drop`;
}

function choiceRules(port: ServicePort, endpoints: readonly Endpoint[]): readonly string[] {
  const chain = (endpoint: Endpoint) => nftEndpointName("endpoint", port, endpoint);
  const remembered = port.affinitySeconds === undefined ? [] : endpoints;
  const verdicts = endpoints.map((endpoint, index) => `${index} : goto ${chain(endpoint)}`);
  return [
    ...remembered.map((endpoint) => `ip saddr @${nftEndpointName("affinity", port, endpoint)} goto ${chain(endpoint)}`),
    `numgen random mod ${endpoints.length} vmap { ${verdicts.join(", ")} }`,
  ];
}

function endpointRules(port: ServicePort, endpoint: Endpoint): readonly string[] {
  const affinity = nftEndpointName("affinity", port, endpoint);
  return [
    `ip saddr ${formatIpv4(endpoint.address)} jump mark-for-masquerade`,
    ...(port.affinitySeconds === undefined ? [] : [`update @${affinity} { ip saddr }`]),
    `meta l4proto ${protocolName(port)} dnat to ${endpoint.text}`,
  ];
}

/** `relation` is empty or `!= `. */
function podMatch(detector: LocalDetector, relation: string): string {
  if (detector.kind === "source") return `ip saddr ${relation}${formatCidr(detector.range)}`;
  return `iifname ${relation}"${detector.name.replace(/\+$/, "*")}"`;
}

function keyOf(port: ServicePort, address: Ipv4Address): NftKey {
  return { address, protocol: protocolName(port), port: port.port };
}

function wholeAddress(address: Ipv4Address): Cidr {
  return { network: address, prefixLength: 32 };
}
