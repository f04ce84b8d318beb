import type { Chain, Rule, TableName } from "../nat/index.ts";
import { contains } from "./address.ts";
import { collectEndpoints, type Endpoint, localityOf } from "./endpoints.ts";
import type { ChainOptions } from "./iptables-service-chains.ts";
import type { EndpointSlice } from "./model.ts";
import { type KubeProxyConfig, primaryAddress } from "./proxy-config.ts";
import { newSheetFor, type RuleSheet } from "./rule-sheet.ts";
import { sameValue } from "./same-value.ts";
import { planService, type ServiceChainNames, type ServicePlan } from "./service-plan.ts";
import { type ServicePort, servicePortKey, usesLocalEndpoints } from "./service-ports.ts";

/** No node has this name: a node with nothing of its own. */
const NO_NODE = "";

/** How a mode writes what one service port brings. */
export interface PortWriter {
  readonly chains: ServiceChainNames;
  /** Rules in chains that other ports have rules in too. */
  writeEntries(sheet: RuleSheet, plan: ServicePlan, options: ChainOptions): void;
  /** The tables in which the port has chains of its own. */
  readonly ownTables: readonly TableName[];
  /** These chains. */
  writeOwn(sheet: RuleSheet, plan: ServicePlan, options: ChainOptions): void;
  /** Those of them that rules elsewhere jump to. */
  namesIn(table: TableName, plan: ServicePlan): readonly string[];
}

/** What the rules of all service ports have in common. */
export interface PortOptions {
  readonly writer: PortWriter;
  readonly comments: ChainOptions["comments"];
}

/**
 * Everything that kube-proxies write for one service port, on whatever node. Nodes differ where endpoints of their own, their zone or their address count;
 * those that do not get the very same rules.
 */
export class PortRules {
  readonly port: ServicePort;
  readonly slices: readonly EndpointSlice[];
  /** All endpoints, as a node sees them that has none of them. */
  readonly endpoints: readonly Endpoint[];
  /** Nodes that may need rules of their own, as they have endpoints or are named by hints. */
  readonly nodes: ReadonlySet<string>;
  readonly #options: PortOptions;
  readonly #usesZones: boolean;
  readonly #variants = new Map<string, PortVariant>();
  /** By what is asked of a node, so that its plan need not be made to find its variant. */
  readonly #asked = new Map<string, PortVariant>();
  readonly #entries = new Map<string, RuleSheet>();
  #elsewhere: PortVariant | undefined;
  /** Rules in shared chains that were written for it, or for what it replaces. */
  readonly #written: Rule[];

  constructor(port: ServicePort, slices: readonly EndpointSlice[], options: PortOptions, before?: PortRules) {
    this.port = port;
    this.slices = slices;
    this.#options = options;
    this.#written = before?.writtenNow() ?? [];
    this.endpoints = this.#endpointsSeenFrom(NO_NODE);
    this.#usesZones = this.endpoints.some(({ zoneHints }) => zoneHints.length > 0);
    const hinted = this.endpoints.flatMap(({ nodeHints }) => nodeHints);
    this.nodes = new Set(usesLocalEndpoints(port) ? [...nodesOf(slices), ...hinted] : hinted);
  }

  /** Whether any node may need rules of its own, whatever its name: by its zone or its address. */
  get asksEveryNode(): boolean {
    return this.#usesZones || this.port.sourceRanges.length > 0;
  }

  /** What is written on the node of this kube-proxy. */
  variantFor(config: KubeProxyConfig): PortVariant {
    const nodeName = this.nodes.has(config.nodeName) ? config.nodeName : NO_NODE;
    const { zone } = localityOf(nodeName, this.#usesZones ? config.node : undefined);
    const question = `${nodeName} ${zone} ${this.#letsNodeIn(config)}`;
    const known = this.#asked.get(question) ?? this.#variant(config, nodeName, zone);
    this.#asked.set(question, known);
    return known;
  }

  /** What is written on a node that has no endpoint and no hint is for, with this kube-proxy's flags. */
  variantElsewhere(config: KubeProxyConfig): PortVariant {
    this.#elsewhere ??= this.variantFor({ ...config, nodeName: NO_NODE, node: undefined });
    return this.#elsewhere;
  }

  /** The rules in shared chains, for the port's next version to take over. */
  writtenNow(): Rule[] {
    return [...this.#entries.values()].flatMap(({ tables }) =>
      [...tables.values()].flatMap((chains) => [...chains.values()].flat()),
    );
  }

  #variant(config: KubeProxyConfig, nodeName: string, zone: string): PortVariant {
    const { port } = this;
    const seen = nodeName === NO_NODE ? this.endpoints : this.#endpointsSeenFrom(nodeName);
    const plan = planService(port, new Map([[servicePortKey(port), seen]]), { nodeName, zone });
    const letsNodeIn = this.#letsNodeIn(config);
    const key = describePlan(plan, letsNodeIn);
    const known = this.#variants.get(key);
    if (known !== undefined) return known;
    const { writer, comments } = this.#options;
    const options: ChainOptions = { config, names: writer.chains, comments };
    const made = new PortVariant(plan, this.#entryRules(plan, options), writer, options);
    this.#variants.set(key, made);
    return made;
  }

  /** Rules in shared chains depend on little, so that most variants have the same ones. */
  #entryRules(plan: ServicePlan, options: ChainOptions): RuleSheet {
    const { hasInternal, hasExternal, endpoints, usesFirewallChain } = plan;
    const letsNodeIn = this.#letsNodeIn(options.config);
    const key = JSON.stringify([hasInternal, hasExternal, endpoints.hasAny, usesFirewallChain, letsNodeIn]);
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const sheet = newSheetFor("mangle", "filter", "nat");
    this.#options.writer.writeEntries(sheet, plan, options);
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
    const same = this.#written.find((other) => sameValue(other, rule));
    if (same === undefined) this.#written.push(rule);
    return same ?? rule;
  }

  #letsNodeIn(config: KubeProxyConfig): boolean {
    const { sourceRanges } = this.port;
    return sourceRanges.length > 0 && sourceRanges.some((range) => contains(range, primaryAddress(config)));
  }

  #endpointsSeenFrom(nodeName: string): readonly Endpoint[] {
    return collectEndpoints(this.slices, nodeName).get(servicePortKey(this.port)) ?? [];
  }
}

/** The rules for one service port under one plan. Its own chains are written when somebody looks into one. */
export class PortVariant {
  readonly #plan: ServicePlan;
  readonly #entries: RuleSheet;
  readonly #writer: PortWriter;
  readonly #options: ChainOptions;
  #own: ReadonlyMap<TableName, readonly Chain[]> | undefined;

  constructor(plan: ServicePlan, entries: RuleSheet, writer: PortWriter, options: ChainOptions) {
    this.#plan = plan;
    this.#entries = entries;
    this.#writer = writer;
    this.#options = options;
  }

  /** Its rules in chains that belong to no service port alone; the same sheet for variants that have the same. */
  get entries(): RuleSheet {
    return this.#entries;
  }

  /** Names of its chains that others jump to; the endpoints' are only jumped to from these. */
  namesIn(table: TableName): readonly string[] {
    return this.#writer.namesIn(table, this.#plan);
  }

  get port(): ServicePort {
    return this.#plan.port;
  }

  /** All its own chains in a table. */
  chainsIn(table: TableName): readonly Chain[] {
    this.#own ??= this.#write();
    return this.#own.get(table) ?? [];
  }

  /** Whether somebody has looked into one. */
  get isWritten(): boolean {
    return this.#own !== undefined;
  }

  #write(): ReadonlyMap<TableName, readonly Chain[]> {
    const sheet = newSheetFor(...this.#writer.ownTables);
    this.#writer.writeOwn(sheet, this.#plan, this.#options);
    return new Map(
      Array.from(sheet.tables, ([table, chains]) => [table, Array.from(chains, ([name, rules]) => ({ name, rules }))]),
    );
  }
}

function nodesOf(slices: readonly EndpointSlice[]): readonly string[] {
  return slices.flatMap((slice) => (slice.endpoints ?? []).flatMap(({ nodeName }) => nodeName ?? []));
}

/** Everything of a plan that rules are written from, beside the port itself. */
function describePlan({ endpoints }: ServicePlan, letsNodeIn: boolean): string {
  const [cluster, local] = [endpoints.cluster, endpoints.local].map((list) => list.map(({ text }) => text));
  return JSON.stringify([cluster, local, endpoints.hasAny, letsNodeIn]);
}
