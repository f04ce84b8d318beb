/** So many changes are kept beside the map that they change; then a new one is made. */
const MOST_CHANGES = 256;

/**
 * A map that never changes; one with a few other values is made of it without copying it. Versions of a large table that follow each other so cost what
 * changes between them.
 */
export class LayeredMap<K, V> {
  readonly #base: ReadonlyMap<K, V>;
  /** Over the base; `undefined` for what is gone. */
  readonly #changes: ReadonlyMap<K, V | undefined>;

  /** `base` is taken over: nobody else may change it. */
  constructor(base: ReadonlyMap<K, V> = new Map(), changes: ReadonlyMap<K, V | undefined> = new Map()) {
    this.#base = base;
    this.#changes = changes;
  }

  get(key: K): V | undefined {
    const changes = this.#changes;
    if (changes.size === 0) return this.#base.get(key);
    return changes.get(key) ?? (changes.has(key) ? undefined : this.#base.get(key));
  }

  /** All that is in it, in no order that means anything. */
  *entries(): Generator<readonly [K, V]> {
    for (const entry of this.#base) if (!this.#changes.has(entry[0])) yield entry;
    for (const [key, value] of this.#changes) if (value !== undefined) yield [key, value];
  }

  /** The map with these values in place of its own; `undefined` takes one away. */
  with(changes: ReadonlyMap<K, V | undefined>): LayeredMap<K, V> {
    if (changes.size === 0) return this;
    if (this.#changes.size + changes.size <= MOST_CHANGES)
      return new LayeredMap(this.#base, new Map([...this.#changes, ...changes]));
    const base = new Map(this.#base);
    for (const layer of [this.#changes, changes]) {
      for (const [key, value] of layer) {
        if (value === undefined) base.delete(key);
        else base.set(key, value);
      }
    }
    return new LayeredMap(base);
  }
}
