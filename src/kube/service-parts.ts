import { LayeredMap, type Rule, type TableName } from "../nat/index.ts";
import type { ChangedServices } from "./changed-services.ts";
import type { ChainOptions } from "./iptables-service-chains.ts";
import { type PortRow, PortRows } from "./port-rows.ts";
import { PortRules, type PortVariant } from "./port-rules.ts";
import type { KubeProxyConfig } from "./proxy-config.ts";
import type { ServiceSource } from "./proxy-objects.ts";
import type { RuleStyle } from "./rule-style.ts";
import { type ServicePort, servicePortKey } from "./service-ports.ts";

/** What a node has of its own: another variant than most. */
export interface OwnPart {
  readonly port: ServicePort;
  readonly variant: PortVariant;
  readonly elsewhere: PortVariant;
}

/** What a change does to the rows of each table's chains, by service port, and to whose chains the others are. */
interface Edits {
  readonly rows: Map<TableName, Map<string, Map<string, PortRow>>>;
  readonly owners: Map<TableName, Map<string, PortVariant | undefined>>;
}

/**
 * What each service port brings to the rules ({@link PortRules}), kept up with the Services: a change writes the parts of its own Service anew, and of what many
 * Services have together as most nodes see it, its rows.
 */
export class ServiceParts {
  readonly #source: ServiceSource;
  readonly #style: RuleStyle;
  readonly #changes: ChangedServices;
  #comments: ChainOptions["comments"] = "all";
  readonly #byService = new Map<string, readonly PortRules[]>();
  #endpoints = 0;
  #written = 0;
  /** Those for which nodes differ: by a node's name, or by what each node is. */
  readonly #byNode = new Map<string, Set<PortRules>>();
  readonly #forAll = new Set<PortRules>();
  readonly #rows = new Map<TableName, Map<string, PortRows>>();
  readonly #owners = new Map<TableName, LayeredMap<string, PortVariant>>();

  constructor(source: ServiceSource, style: RuleStyle) {
    this.#source = source;
    this.#style = style;
    this.#changes = source.changes();
  }

  /** Parts that were written until now. */
  get written(): number {
    return this.#written;
  }

  /** Rules of service ports in each chain of a table to which many add, on a node that has nothing of its own. */
  rowsIn(table: TableName): ReadonlyMap<string, PortRows> {
    return this.#rows.get(table) ?? new Map();
  }

  /** Whose chain is whose, on such a node. */
  ownersIn(table: TableName): LayeredMap<string, PortVariant> {
    return this.#owners.get(table) ?? NO_OWNERS;
  }

  /** Takes in what has changed; false when nothing has. */
  refresh(config: KubeProxyConfig): boolean {
    const changed = this.#changes.take();
    if (changed.size === 0) return false;
    this.#replace(changed, config);
    const comments = this.#endpoints > this.#style.largeCluster ? "few" : "all";
    if (comments !== this.#comments) {
      this.#comments = comments;
      this.#replace(this.#byService.keys(), config, "anew");
    }
    return true;
  }

  /** What the node of this kube-proxy has of its own. */
  ownOf(config: KubeProxyConfig): readonly OwnPart[] {
    const own: OwnPart[] = [];
    for (const parts of [this.#byNode.get(config.nodeName) ?? [], this.#forAll]) {
      for (const part of parts) {
        const variant = part.variantFor(config);
        const elsewhere = part.variantElsewhere(config);
        if (variant !== elsewhere) own.push({ port: part.port, variant, elsewhere });
      }
    }
    return own;
  }

  #replace(services: Iterable<string>, config: KubeProxyConfig, how: "as-changed" | "anew" = "as-changed"): void {
    const edits: Edits = { rows: new Map(), owners: new Map() };
    for (const service of services) {
      const before = this.#byService.get(service) ?? [];
      const now = this.#partsOf(service, how === "anew" ? [] : before);
      if (now.length === 0) this.#byService.delete(service);
      else this.#byService.set(service, now);
      for (const part of before) if (!now.includes(part)) this.#leave(part, config, edits);
      for (const part of now) if (!before.includes(part)) this.#enter(part, config, edits);
    }
    for (const [table, chains] of edits.rows) {
      const rows = entryOf(this.#rows, table, () => new Map<string, PortRows>());
      for (const [chain, changes] of chains)
        rows.set(chain, (rows.get(chain) ?? new PortRows()).with([...changes.values()]));
    }
    for (const [table, names] of edits.owners) this.#owners.set(table, this.ownersIn(table).with(names));
  }

  /** A part for each port of a Service; the one before where nothing has changed. */
  #partsOf(service: string, before: readonly PortRules[]): readonly PortRules[] {
    const slices = this.#source.slicesOf(service);
    const options = { writer: this.#style.writer, comments: this.#comments };
    return this.#source.portsOf(service).map((port) => {
      const old = before.find((part) => servicePortKey(part.port) === servicePortKey(port));
      if (old?.port === port && old.slices === slices) return old;
      this.#written += 1;
      return new PortRules(port, slices, options, old);
    });
  }

  #enter(part: PortRules, config: KubeProxyConfig, edits: Edits): void {
    const elsewhere = part.variantElsewhere(config);
    this.#endpoints += part.endpoints.length;
    this.#noteRows(edits, part.port, elsewhere, "come");
    this.#noteOwner(edits, elsewhere, "come");
    if (part.asksEveryNode) this.#forAll.add(part);
    else for (const node of part.nodes) entryOf(this.#byNode, node, () => new Set<PortRules>()).add(part);
  }

  #leave(part: PortRules, config: KubeProxyConfig, edits: Edits): void {
    const elsewhere = part.variantElsewhere(config);
    this.#endpoints -= part.endpoints.length;
    this.#noteRows(edits, part.port, elsewhere, "gone");
    this.#noteOwner(edits, elsewhere, "gone");
    this.#forAll.delete(part);
    for (const node of part.nodes) {
      const parts = this.#byNode.get(node);
      parts?.delete(part);
      if (parts?.size === 0) this.#byNode.delete(node);
    }
  }

  /** What comes is noted after what goes, and counts. */
  #noteRows({ rows }: Edits, port: ServicePort, { entries }: PortVariant, what: "come" | "gone"): void {
    for (const [table, chains] of entries.tables) {
      for (const [chain, rules] of chains) {
        const changes = entryOf(
          entryOf(rows, table, () => new Map<string, Map<string, PortRow>>()),
          chain,
          () => new Map<string, PortRow>(),
        );
        changes.set(servicePortKey(port), { port, rules: what === "come" ? rules : NO_RULES });
      }
    }
  }

  #noteOwner({ owners }: Edits, variant: PortVariant, what: "come" | "gone"): void {
    for (const table of this.#style.writer.ownTables) {
      const names = entryOf(owners, table, () => new Map<string, PortVariant | undefined>());
      for (const name of variant.namesIn(table)) names.set(name, what === "come" ? variant : undefined);
    }
  }
}

const NO_RULES: readonly Rule[] = [];
const NO_OWNERS: LayeredMap<string, PortVariant> = new LayeredMap();

/** What a map has for a key, made when it has nothing. */
function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}
