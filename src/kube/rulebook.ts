import {
  type Chain,
  type LayeredMap,
  LazyChains,
  namesList,
  type Ruleset,
  type Table,
  type TableName,
} from "../nat/index.ts";
import { type FixedChain, type FixedChains, fixedChains } from "./fixed-chains.ts";
import { type PortRow, PortRows } from "./port-rows.ts";
import type { PortVariant } from "./port-rules.ts";
import type { KubeProxyConfig } from "./proxy-config.ts";
import type { ServiceSource } from "./proxy-objects.ts";
import type { RuleStyle } from "./rule-style.ts";
import { EndpointChains, type ServiceChainOwners, ServiceChains } from "./service-chains.ts";
import { type OwnPart, ServiceParts } from "./service-parts.ts";

/** A table, and what it was put together from. */
interface MadeTable {
  readonly table: Table;
  readonly shared: ReadonlyMap<string, Chain>;
  readonly owners: LayeredMap<string, PortVariant>;
}

type MadeTables = ReadonlyMap<TableName, MadeTable>;

/** Nodes whose fixed rules are the same. */
interface Family {
  readonly fixed: FixedChains;
  /** Of those nodes that have nothing of their own, and as it was last. */
  tables: MadeTables | undefined;
  last: MadeTables | undefined;
  /** Since the last change, by what a node has of its own: the numbers of its variants. */
  rulesets: Map<string, Ruleset>;
}

/**
 * The rules of all kube-proxies that have the same flags, put together from parts that are written once: what no Service changes, and what each service
 * port brings ({@link ServiceParts}). Nodes for which all parts are the same get the same Ruleset, what is alike in others is the same object, and a
 * Service's chains are written when the first packet enters one, or somebody prints them.
 */
export class Rulebook {
  readonly #style: RuleStyle;
  /** One of theirs. */
  readonly #config: KubeProxyConfig;
  readonly #parts: ServiceParts;
  readonly #fixed = new Map<string, FixedChain>();
  /** By {@link RuleStyle.nodeKey}. */
  readonly #families = new Map<string, Family>();
  readonly #known: Pick<ServiceChainOwners, "endpoints" | "names">;
  readonly #numbers = new WeakMap<PortVariant, number>();
  #numbered = 0;

  /** For kube-proxies that have one and the same {@link rulebookKey}. */
  constructor(source: ServiceSource, style: RuleStyle, config: KubeProxyConfig) {
    this.#style = style;
    this.#config = config;
    this.#known = { endpoints: new EndpointChains(), names: style.writer.chains };
    this.#parts = new ServiceParts(source, style);
  }

  /** Parts of service ports that were written until now: the work that changes have made. */
  get partsWritten(): number {
    return this.#parts.written;
  }

  /** Takes in what has changed. Whoever asks for rules does so too; but the first to ask need not wait for it then. */
  catchUp(): void {
    if (this.#parts.refresh(this.#config)) for (const family of this.#families.values()) outdate(family);
  }

  /** The rules on this kube-proxy's node, as the Services are now. */
  rulesFor(config: KubeProxyConfig): Ruleset {
    this.catchUp();
    const family = this.#familyOf(config);
    const own = this.#parts.ownOf(config);
    const key = own.map(({ variant }) => this.#numberOf(variant)).join();
    const known = family.rulesets.get(key);
    if (known !== undefined) return known;
    const common = this.#commonTables(family);
    const made: Ruleset = new Map(
      Array.from(common, ([name, each]) => [name, own.length === 0 ? each.table : this.#withOwn(family, each, own)]),
    );
    family.rulesets.set(key, made);
    return made;
  }

  #familyOf(config: KubeProxyConfig): Family {
    const key = this.#style.nodeKey(config);
    const known = this.#families.get(key);
    if (known !== undefined) return known;
    const fixed = fixedChains(this.#style, config, this.#fixed);
    const made: Family = { fixed, tables: undefined, last: undefined, rulesets: new Map() };
    this.#families.set(key, made);
    return made;
  }

  #commonTables(family: Family): MadeTables {
    if (family.tables !== undefined) return family.tables;
    // Other families' chains differ little from those of the first.
    const [first] = this.#families.values();
    const like = first === undefined || first === family ? undefined : this.#commonTables(first);
    family.tables = new Map(
      Array.from(family.fixed, ([name, chains]) => [
        name,
        this.#commonTable(name, chains, like?.get(name), family.last?.get(name)),
      ]),
    );
    return family.tables;
  }

  #commonTable(
    name: TableName,
    chains: ReadonlyMap<string, FixedChain>,
    like: MadeTable | undefined,
    last: MadeTable | undefined,
  ): MadeTable {
    const rows = this.#parts.rowsIn(name);
    const owners = this.#parts.ownersIn(name);
    const shared = new Map(
      Array.from(chains, ([chain, fixed]) => [chain, fixed.with(rows.get(chain), like?.shared.get(chain))]),
    );
    if (last !== undefined && last.owners === owners && hasSame(last.shared, shared)) return last;
    return { table: newTable(name, shared, { ...this.#known, common: owners, own: NOTHING }), shared, owners };
  }

  /** The table of a node that has these variants in place of most nodes' own. */
  #withOwn({ fixed }: Family, { table, shared, owners }: MadeTable, parts: readonly OwnPart[]): Table {
    const { name } = table;
    const own = ownNames(name, parts);
    const changed = new Map<string, Chain>();
    for (const [chain, changes] of rowChanges(name, parts)) {
      const before = this.#parts.rowsIn(name).get(chain) ?? new PortRows();
      const rows = before.with(changes);
      const place = fixed.get(name)?.get(chain);
      if (rows !== before && place !== undefined) changed.set(chain, place.apart(rows, shared.get(chain)));
    }
    if (own.size === 0 && changed.size === 0) return table;
    const chains = new Map(Array.from(shared, ([chain, common]) => [chain, changed.get(chain) ?? common]));
    return newTable(name, chains, { ...this.#known, common: owners, own });
  }

  #numberOf(variant: PortVariant): number {
    const known = this.#numbers.get(variant);
    if (known !== undefined) return known;
    this.#numbered += 1;
    this.#numbers.set(variant, this.#numbered);
    return this.#numbered;
  }
}

const NOTHING: ReadonlyMap<string, undefined> = new Map();

/** Two configurations with the same key differ in nothing but what is asked of each node. */
export function rulebookKey(config: KubeProxyConfig): string {
  const { nodeName: _, node: _node, nodeAddresses: _addresses, ...same } = config;
  return JSON.stringify(same);
}

function outdate(family: Family): void {
  family.last = family.tables ?? family.last;
  family.tables = undefined;
  family.rulesets = new Map();
}

/** The lists of clients in it are named after the endpoints' chains that keep them. */
function newTable(name: TableName, shared: ReadonlyMap<string, Chain>, owners: ServiceChainOwners): Table {
  const chains = new LazyChains(new ServiceChains(name, shared, owners));
  const known = (list: string): Chain | undefined =>
    owners.endpoints.portOf(list) === undefined ? undefined : chains.get(list);
  return {
    name,
    chains,
    namesList: (kind, list) => known(list)?.rules.some((rule) => namesList(rule, kind, list)) ?? false,
  };
}

/** Whose chains are the node's own, and which most nodes have and it has not. */
function ownNames(table: TableName, parts: readonly OwnPart[]): ReadonlyMap<string, PortVariant | undefined> {
  const own = new Map<string, PortVariant | undefined>();
  for (const { variant, elsewhere } of parts) {
    for (const name of elsewhere.namesIn(table)) own.set(name, undefined);
    for (const name of variant.namesIn(table)) own.set(name, variant);
  }
  return own;
}

/** Rows in place of most nodes', by chain. */
function rowChanges(table: TableName, parts: readonly OwnPart[]): ReadonlyMap<string, readonly PortRow[]> {
  const changes = new Map<string, PortRow[]>();
  for (const { port, variant, elsewhere } of parts) {
    if (variant.entries === elsewhere.entries) continue;
    const [own, common] = [variant.entries.tables.get(table), elsewhere.entries.tables.get(table)];
    for (const chain of new Set([...(own?.keys() ?? []), ...(common?.keys() ?? [])]))
      changes.set(chain, [...(changes.get(chain) ?? []), { port, rules: own?.get(chain) ?? [] }]);
  }
  return changes;
}

function hasSame(before: ReadonlyMap<string, Chain>, now: ReadonlyMap<string, Chain>): boolean {
  return before.size === now.size && [...now].every(([name, chain]) => before.get(name) === chain);
}
