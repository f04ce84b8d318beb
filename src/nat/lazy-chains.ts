import type { Chain } from "./rule.ts";

/** Where the chains of a table come from that are made when they are needed. */
export interface ChainSource {
  /** One of them; asked for once. */
  find(name: string): Chain | undefined;
  /** All, in the order in which they are printed. */
  all(): ReadonlyMap<string, Chain>;
}

/** Chains by name that are made one by one when a packet comes to them, and all of them when somebody goes through the whole table. */
export class LazyChains implements ReadonlyMap<string, Chain> {
  readonly #source: ChainSource;
  readonly #found = new Map<string, Chain>();
  #all: ReadonlyMap<string, Chain> | undefined;

  constructor(source: ChainSource) {
    this.#source = source;
  }

  get(name: string): Chain | undefined {
    const known = this.#found.get(name) ?? this.#all?.get(name);
    if (known !== undefined || this.#all !== undefined) return known;
    const found = this.#source.find(name);
    if (found !== undefined) this.#found.set(name, found);
    return found;
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

  #everything(): ReadonlyMap<string, Chain> {
    if (this.#all === undefined) {
      const made = this.#source.all();
      // What was given out stays what it is.
      this.#all = new Map(Array.from(made, ([name, chain]) => [name, this.#found.get(name) ?? chain]));
    }
    return this.#all;
  }
}
