import type { Chain } from "../nat/index.ts";
import type { PortVariant } from "./port-rules.ts";

/** Whose part a chain that others jump to is. */
export class ChainOwners {
  readonly variants: readonly PortVariant[];
  #byName: ReadonlyMap<string, PortVariant> | undefined;

  constructor(variants: readonly PortVariant[]) {
    this.variants = variants;
  }

  get(name: string): PortVariant | undefined {
    this.#byName ??= new Map(this.variants.flatMap((variant) => variant.names().map((own) => [own, variant] as const)));
    return this.#byName.get(name);
  }
}

/** Where to look for the part that has a chain. */
export interface ServiceChainOwners {
  /** Of the service ports that all nodes see alike. */
  readonly common: ChainOwners;
  readonly own: ChainOwners;
  /** Of endpoints' chains, whose parts have been written: nobody jumps to one from elsewhere. */
  readonly endpoints: Map<string, PortVariant>;
}

/**
 * The chains of kube-proxy's nat table, by name and in the order in which they are printed. Those of a service port are written when one of them is looked
 * up, all of them when somebody goes through the whole table.
 */
export class ServiceChains implements ReadonlyMap<string, Chain> {
  /** Built-in ones and those to which all service ports add. */
  readonly #shared: ReadonlyMap<string, Chain>;
  readonly #owners: ServiceChainOwners;
  #all: ReadonlyMap<string, Chain> | undefined;

  constructor(shared: ReadonlyMap<string, Chain>, owners: ServiceChainOwners) {
    this.#shared = shared;
    this.#owners = owners;
  }

  get(name: string): Chain | undefined {
    const shared = this.#shared.get(name);
    if (shared !== undefined) return shared;
    const { own, common, endpoints } = this.#owners;
    const owner = own.get(name) ?? common.get(name) ?? endpoints.get(name);
    return owner === undefined ? this.#everything().get(name) : this.#chainsOf(owner).get(name);
  }

  has(name: string): boolean {
    return this.get(name) !== undefined;
  }

  get size(): number {
    return this.#everything().size;
  }

  entries(): MapIterator<[string, Chain]> {
    return this.#everything().entries();
  }

  keys(): MapIterator<string> {
    return this.#everything().keys();
  }

  values(): MapIterator<Chain> {
    return this.#everything().values();
  }

  [Symbol.iterator](): MapIterator<[string, Chain]> {
    return this.entries();
  }

  forEach(visit: (chain: Chain, name: string, chains: ReadonlyMap<string, Chain>) => void): void {
    for (const [name, chain] of this) visit(chain, name, this);
  }

  #chainsOf(owner: PortVariant): ReadonlyMap<string, Chain> {
    if (owner.isWritten) return owner.chains();
    const chains = owner.chains();
    for (const name of chains.keys()) this.#owners.endpoints.set(name, owner);
    return chains;
  }

  #everything(): ReadonlyMap<string, Chain> {
    this.#all ??= this.#collect();
    return this.#all;
  }

  #collect(): ReadonlyMap<string, Chain> {
    const { own, common } = this.#owners;
    const written = [...common.variants, ...own.variants].flatMap((variant) => [...this.#chainsOf(variant)]);
    const shared = [...this.#shared];
    // Built-in chains come first, as they are; then the others by name.
    const builtins = shared.filter(([, { policy }]) => policy !== undefined);
    const others = [...shared.filter(([, { policy }]) => policy === undefined), ...written];
    return new Map([...builtins, ...others.sort(([a], [b]) => (a < b ? -1 : 1))]);
  }
}
