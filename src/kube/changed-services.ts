/** The Services, as `namespace/name`, of which something has changed since somebody looked last. */
export class ChangedServices {
  #names: Set<string>;

  /** `all` there are now are new to who has not looked yet. */
  constructor(all: Iterable<string>) {
    this.#names = new Set(all);
  }

  add(name: string): void {
    this.#names.add(name);
  }

  /** All of them; then there are none until the next change. */
  take(): ReadonlySet<string> {
    const taken = this.#names;
    if (taken.size > 0) this.#names = new Set();
    return taken;
  }
}
