import type { Chain, ChainSource, LayeredMap, TableName } from "../nat/index.ts";
import type { PortVariant } from "./port-rules.ts";
import type { ServiceChainNames } from "./service-plan.ts";
import type { ServicePort } from "./service-ports.ts";

/** So many endpoints' chains are remembered; when there are more, none. */
const MOST_ENDPOINTS = 100_000;

/** Which service port an endpoint's chain belongs to, once it has been written: versions of a table that come later need not look through all. */
export class EndpointChains {
  readonly #ports = new Map<string, ServicePort>();

  note(chain: string, port: ServicePort): void {
    if (this.#ports.size >= MOST_ENDPOINTS) this.#ports.clear();
    this.#ports.set(chain, port);
  }

  portOf(chain: string): ServicePort | undefined {
    return this.#ports.get(chain);
  }
}

/** Whose chains the others are, by their names. */
export interface ServiceChainOwners {
  /** As most nodes see them. */
  readonly common: LayeredMap<string, PortVariant>;
  /** As some nodes see them; `undefined` for a chain that these do not have. */
  readonly own: ReadonlyMap<string, PortVariant | undefined>;
  /** Of chains to which only these lead. */
  readonly endpoints: EndpointChains;
  readonly names: ServiceChainNames;
}

/**
 * The chains of one of kube-proxy's tables, in the order in which they are printed. Those of a service port are written when one of them is looked
 * up, all of them when somebody goes through the whole table.
 */
export class ServiceChains implements ChainSource {
  readonly #table: TableName;
  /** Built-in ones and those to which all service ports add. */
  readonly #shared: ReadonlyMap<string, Chain>;
  readonly #owners: ServiceChainOwners;

  constructor(table: TableName, shared: ReadonlyMap<string, Chain>, owners: ServiceChainOwners) {
    this.#table = table;
    this.#shared = shared;
    this.#owners = owners;
  }

  find(name: string): Chain | undefined {
    const shared = this.#shared.get(name);
    if (shared !== undefined) return shared;
    const { endpoints, names } = this.#owners;
    const port = endpoints.portOf(name);
    const entrances = port === undefined ? [name] : [names.cluster(port), names.local(port)];
    const owners = entrances.flatMap((entrance) => this.#ownerOf(entrance) ?? []);
    if (port === undefined && owners.length === 0) return this.all().get(name);
    return owners.flatMap((owner) => this.#chainsOf(owner)).find((chain) => chain.name === name);
  }

  all(): ReadonlyMap<string, Chain> {
    const { own, common } = this.#owners;
    const owners = new Set<PortVariant>();
    for (const [name, owner] of common.entries()) if (!own.has(name)) owners.add(owner);
    for (const owner of own.values()) if (owner !== undefined) owners.add(owner);
    const written = [...owners].flatMap((owner) => this.#chainsOf(owner));
    const shared = [...this.#shared.values()];
    // Built-in chains come first, as they are; then the others by name.
    const builtins = shared.filter(({ policy }) => policy !== undefined);
    const others = [...shared.filter(({ policy }) => policy === undefined), ...written];
    others.sort((a, b) => (a.name < b.name ? -1 : 1));
    return new Map([...builtins, ...others].map((chain) => [chain.name, chain]));
  }

  #ownerOf(name: string): PortVariant | undefined {
    const { own, common } = this.#owners;
    return own.has(name) ? own.get(name) : common.get(name);
  }

  #chainsOf(owner: PortVariant): readonly Chain[] {
    const isNew = !owner.isWritten;
    const chains = owner.chainsIn(this.#table);
    if (isNew) for (const { name } of chains) this.#owners.endpoints.note(name, owner.port);
    return chains;
  }
}
