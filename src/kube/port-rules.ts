import type { Chain, Rule, TableName } from "../nat/index.ts";
import { contains } from "./address.ts";
import { collectEndpoints, type Endpoint, localityOf } from "./endpoints.ts";
import { writeEntryRules } from "./iptables-entry.ts";
import { type ChainOptions, writeFirewallChain, writeServiceChains } from "./iptables-service-chains.ts";
import type { EndpointSlice } from "./model.ts";
import { type KubeProxyConfig, primaryAddress } from "./proxy-config.ts";
import { newSheetFor, type RuleSheet } from "./rule-sheet.ts";
import { sameValue } from "./same-value.ts";
import { planService, type ServicePlan } from "./service-plan.ts";
import { type ServicePort, servicePortKey, usesLocalEndpoints } from "./service-ports.ts";

/** No node has this name: a node with nothing of its own. */
const NO_NODE = "";

/**
 * Everything that kube-proxies in iptables mode write for one service port, on whatever node. Nodes differ where endpoints of their own, their zone or
 * their address count; those that do not get the very same rules.
 */
export class PortRules {
  readonly port: ServicePort;
  readonly slices: readonly EndpointSlice[];
  /** All endpoints, as a node sees them that has none of them. */
  readonly endpoints: readonly Endpoint[];
  readonly #options: Omit<ChainOptions, "config">;
  readonly #nodes: ReadonlySet<string | undefined>;
  readonly #usesHints: boolean;
  readonly #variants = new Map<string, PortVariant>();
  readonly #entries = new Map<string, RuleSheet>();
  #elsewhere: PortVariant | undefined;

  constructor(port: ServicePort, slices: readonly EndpointSlice[], options: Omit<ChainOptions, "config">) {
    this.port = port;
    this.slices = slices;
    this.#options = options;
    this.endpoints = this.#endpointsSeenFrom(NO_NODE);
    this.#usesHints = this.endpoints.some(({ nodeHints, zoneHints }) => nodeHints.length + zoneHints.length > 0);
    this.#nodes = new Set(slices.flatMap((slice) => (slice.endpoints ?? []).map(({ nodeName }) => nodeName)));
  }

  /** Whether nodes with equal flags may need different rules. */
  get dependsOnNode(): boolean {
    return this.#usesHints || this.port.sourceRanges.length > 0 || usesLocalEndpoints(this.port);
  }

  /** What is written on the node of this kube-proxy. */
  variantFor(config: KubeProxyConfig): PortVariant {
    const isLikeElsewhere =
      !this.#usesHints && this.port.sourceRanges.length === 0 && !this.#nodes.has(config.nodeName);
    if (this.dependsOnNode && !isLikeElsewhere) return this.#variant(config, config.nodeName);
    this.#elsewhere ??= this.#variant(config, NO_NODE);
    return this.#elsewhere;
  }

  /** The variants that somebody has looked at. */
  variants(): Iterable<PortVariant> {
    return this.#variants.values();
  }

  #variant(config: KubeProxyConfig, nodeName: string): PortVariant {
    const { port } = this;
    const seen = nodeName === NO_NODE ? this.endpoints : this.#endpointsSeenFrom(nodeName);
    const locality = localityOf(nodeName, nodeName === NO_NODE ? undefined : config.node);
    const plan = planService(port, new Map([[servicePortKey(port), seen]]), locality);
    const key = describePlan(plan, config);
    const known = this.#variants.get(key);
    if (known !== undefined) return known;
    const made = new PortVariant(this.#variants.size, plan, this.#entryRules(plan), { ...this.#options, config });
    this.#variants.set(key, made);
    return made;
  }

  /** Entry rules depend on little, so that most variants have the same ones. */
  #entryRules(plan: ServicePlan): RuleSheet {
    const key = JSON.stringify([plan.hasInternal, plan.hasExternal, plan.endpoints.hasAny, plan.usesFirewallChain]);
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const sheet = newSheetFor("filter", "nat");
    writeEntryRules(sheet, plan);
    for (const chains of sheet.tables.values())
      for (const [name, rules] of chains)
        chains.set(
          name,
          rules.map((rule) => this.#sameRule(rule)),
        );
    this.#entries.set(key, sheet);
    return sheet;
  }

  /** An equal rule that was written before, so that chains made of them come out as the same ones. */
  #sameRule(rule: Rule): Rule {
    for (const { tables } of this.#entries.values()) {
      const written = [...tables.values()].flatMap((chains) => [...chains.values()].flat());
      const same = written.find((other) => sameValue(other, rule));
      if (same !== undefined) return same;
    }
    return rule;
  }

  #endpointsSeenFrom(nodeName: string): readonly Endpoint[] {
    return collectEndpoints(this.slices, nodeName).get(servicePortKey(this.port)) ?? [];
  }
}

/** The rules for one service port under one plan. Its chains are written when somebody looks into one. */
export class PortVariant {
  /** Tells it from the other variants of its port. */
  readonly number: number;
  readonly #plan: ServicePlan;
  readonly #entries: RuleSheet;
  readonly #options: ChainOptions;
  #chains: ReadonlyMap<string, Chain> | undefined;

  constructor(number: number, plan: ServicePlan, entries: RuleSheet, options: ChainOptions) {
    this.number = number;
    this.#plan = plan;
    this.#entries = entries;
    this.#options = options;
  }

  /** Its rules in chains that belong to no service port alone. */
  entries(table: TableName): ReadonlyMap<string, readonly Rule[]> {
    return this.#entries.tables.get(table) ?? new Map();
  }

  /** Names of its chains that others jump to; the endpoints' are only jumped to from these. */
  names(): readonly string[] {
    const { port, usesClusterChain, usesLocalChain, usesExternalChain, usesFirewallChain } = this.#plan;
    const { names } = this.#options;
    return [
      ...(usesClusterChain ? [names.cluster(port)] : []),
      ...(usesLocalChain ? [names.local(port)] : []),
      ...(usesExternalChain ? [names.external(port)] : []),
      ...(usesFirewallChain ? [names.firewall(port)] : []),
    ];
  }

  /** All its chains. */
  chains(): ReadonlyMap<string, Chain> {
    this.#chains ??= this.#write();
    return this.#chains;
  }

  get isWritten(): boolean {
    return this.#chains !== undefined;
  }

  #write(): ReadonlyMap<string, Chain> {
    const sheet = newSheetFor("nat");
    writeServiceChains(sheet, this.#plan, this.#options);
    writeFirewallChain(sheet, this.#plan, this.#options);
    return new Map([...(sheet.tables.get("nat") ?? [])].map(([name, rules]) => [name, { name, rules }]));
  }
}

/** Everything of a plan that rules are written from, beside the port itself. */
function describePlan({ port, endpoints }: ServicePlan, config: KubeProxyConfig): string {
  const [cluster, local] = [endpoints.cluster, endpoints.local].map((list) => list.map(({ text }) => text));
  const nodeMayCome = port.sourceRanges.some((range) => contains(range, primaryAddress(config)));
  return JSON.stringify([cluster, local, endpoints.hasAny, nodeMayCome]);
}
