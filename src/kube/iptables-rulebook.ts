import type { Chain, Rule, Ruleset, Table, TableName } from "../nat/index.ts";
import type { ChainOptions } from "./iptables-service-chains.ts";
import { writeCanaries, writeForwarding, writeHooks, writeMasquerading, writeNodePortTail } from "./iptables-static.ts";
import { PortRules, type PortVariant } from "./port-rules.ts";
import { type KubeProxyConfig, selectedNodePortAddresses } from "./proxy-config.ts";
import type { ServiceSource } from "./proxy-objects.ts";
import { chainsInOrder, newRuleSheet } from "./rule-sheet.ts";
import { ChainOwners, ServiceChains } from "./service-chains.ts";
import { IPTABLES_CHAINS } from "./service-plan.ts";
import type { ServicePort } from "./service-ports.ts";

/** With more endpoints than this, kube-proxy saves the comments in front of each (largeClusterEndpointsThreshold). */
const LARGE_CLUSTER_ENDPOINTS = 1000;

/**
 * The rules of all kube-proxies that have the same flags. They are put together from parts that are written once: what no Service changes, and what
 * each service port brings ({@link PortRules}). A change writes its own port's part anew; nodes for which all parts are the same get the same Ruleset; and a
 * Service's chains are written when the first packet enters one, or somebody prints them.
 */
export class IptablesRulebook {
  readonly #source: ServiceSource;
  readonly #head = newRuleSheet();
  readonly #tail = newRuleSheet();
  #revision: number | undefined;
  #comments: ChainOptions["comments"] = "all";
  #parts: ReadonlyMap<ServicePort, PortRules> = new Map();
  /** Those for which nodes differ. */
  #differing: readonly PortRules[] = [];
  /** Whose chain is whose, of all others. */
  #common = new ChainOwners([]);
  /** By the variants of those for which nodes differ. */
  #rulesets = new Map<string, Ruleset>();
  /** What was put together last: a chain that comes out the same is the same object again. */
  #last = new Map<TableName, Table>();
  /** Whose part an endpoint's chain is, once that part is written. */
  readonly #endpointChains = new Map<string, PortVariant>();

  /** For this configuration and those that {@link rulebookKey} says to be alike. */
  constructor(source: ServiceSource, config: KubeProxyConfig) {
    this.#source = source;
    writeCanaries(this.#head, config);
    writeHooks(this.#head, config);
    writeMasquerading(this.#head, config);
    writeNodePortTail(this.#tail, config);
    writeForwarding(this.#tail, config);
  }

  /** The rules on this kube-proxy's node, as the Services are now. */
  rulesFor(config: KubeProxyConfig): Ruleset {
    this.#refresh(config);
    const own = this.#differing.map((part) => part.variantFor(config));
    const key = own.map(({ number }) => number).join();
    const known = this.#rulesets.get(key);
    if (known !== undefined) return known;
    const made = this.#putTogether(config, new ChainOwners(own));
    this.#rulesets.set(key, made);
    return made;
  }

  /** Writes the parts of service ports that have changed. */
  #refresh(config: KubeProxyConfig): void {
    if (this.#revision === this.#source.revision) return;
    this.#revision = this.#source.revision;
    const before = this.#parts;
    const comments = this.#comments;
    this.#parts = this.#partsFrom(before);
    this.#comments = hasMoreEndpoints(this.#parts.values(), LARGE_CLUSTER_ENDPOINTS) ? "few" : "all";
    if (this.#comments !== comments) this.#parts = this.#partsFrom(new Map());
    for (const [port, part] of before) if (this.#parts.get(port) !== part) this.#forget(part);
    const parts = [...this.#parts.values()];
    this.#differing = parts.filter((part) => part.dependsOnNode);
    const common = parts.filter((part) => !part.dependsOnNode);
    this.#common = new ChainOwners(common.map((part) => part.variantFor(config)));
    this.#rulesets = new Map();
  }

  /** A part for each service port, in order; taken over from `known` where nothing has changed. */
  #partsFrom(known: ReadonlyMap<ServicePort, PortRules>): ReadonlyMap<ServicePort, PortRules> {
    const options = { names: IPTABLES_CHAINS, comments: this.#comments };
    const parts = new Map<ServicePort, PortRules>();
    for (const port of this.#source.ports) {
      const part = known.get(port);
      const slices = this.#source.slicesOf(port.serviceKey);
      parts.set(port, part?.slices === slices ? part : new PortRules(port, slices, options));
    }
    return parts;
  }

  #forget(part: PortRules): void {
    for (const variant of part.variants()) {
      if (!variant.isWritten) continue;
      for (const name of variant.chains().keys())
        if (this.#endpointChains.get(name) === variant) this.#endpointChains.delete(name);
    }
  }

  #putTogether(config: KubeProxyConfig, own: ChainOwners): Ruleset {
    const variants = Array.from(this.#parts.values(), (part) => part.variantFor(config));
    const tables = new Map<TableName, Table>();
    for (const name of this.#head.tables.keys()) {
      const before = this.#last.get(name);
      const shared = this.#sharedChains(name, variants, before);
      if (name === "nat") {
        const owners = { common: this.#common, own, endpoints: this.#endpointChains };
        tables.set(name, { name, chains: new ServiceChains(shared, owners) });
      } else {
        tables.set(name, before !== undefined && hasSameChains(before, shared) ? before : { name, chains: shared });
      }
    }
    this.#last = tables;
    return tables;
  }

  /** The chains of a table that do not belong to one service port: their fixed rules, and between these what the ports add. */
  #sharedChains(table: TableName, variants: readonly PortVariant[], before: Table | undefined): Map<string, Chain> {
    const rules = new Map<string, Rule[]>();
    const write = (chains: ReadonlyMap<string, readonly Rule[]> | undefined): void => {
      for (const [chain, added] of chains ?? []) {
        const written = rules.get(chain);
        if (written === undefined) rules.set(chain, [...added]);
        else for (const rule of added) written.push(rule);
      }
    };
    write(this.#head.tables.get(table));
    if (table !== "mangle") for (const variant of variants) write(variant.entries(table));
    write(this.#tail.tables.get(table));
    return chainsInOrder(table, rules, before?.chains);
  }
}

/** Two configurations with the same key differ in nothing but what {@link PortRules} asks of each node. */
export function rulebookKey(config: KubeProxyConfig): string {
  const { nodeName: _, node: _node, nodeAddresses: _addresses, ...same } = config;
  const answering = config.nodePortAddresses.kind === "all" ? [] : selectedNodePortAddresses(config);
  return JSON.stringify([same, answering]);
}

function hasMoreEndpoints(parts: Iterable<PortRules>, limit: number): boolean {
  let count = 0;
  for (const { endpoints } of parts) {
    count += endpoints.length;
    if (count > limit) return true;
  }
  return false;
}

function hasSameChains(before: Table, chains: ReadonlyMap<string, Chain>): boolean {
  return before.chains.size === chains.size && [...chains].every(([name, chain]) => before.chains.get(name) === chain);
}
