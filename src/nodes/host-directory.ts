import type { Ipv4Address } from "../netstack/index.ts";
import type { Host } from "./host.ts";

/** A machine that is not built yet. */
interface AwaitedHost {
  readonly address: Ipv4Address;
  readonly build: () => Host;
}

/** The machines of a network by name. One that is only awaited is built when somebody asks for it; its name and address are known before. */
export class HostDirectory {
  readonly #built = new Map<string, Host>();
  readonly #awaited = new Map<string, AwaitedHost>();
  /** In the order in which they were named first, whenever they were built. */
  readonly #names = new Set<string>();

  has(name: string): boolean {
    return this.#names.has(name);
  }

  get(name: string): Host | undefined {
    return this.#built.get(name) ?? this.#awaited.get(name)?.build();
  }

  set(name: string, host: Host): void {
    this.#names.add(name);
    this.#awaited.delete(name);
    this.#built.set(name, host);
  }

  /** Takes a name for a machine that `build` makes and gives to {@link set}. */
  await(name: string, host: AwaitedHost): void {
    this.#names.add(name);
    this.#awaited.set(name, host);
  }

  delete(name: string): void {
    this.#names.delete(name);
    this.#awaited.delete(name);
    this.#built.delete(name);
  }

  get size(): number {
    return this.#names.size;
  }

  keys(): Iterable<string> {
    return this.#names.keys();
  }

  /** All machines; builds those that are awaited. */
  *values(): Iterable<Host> {
    for (const [, host] of this) yield host;
  }

  *[Symbol.iterator](): Iterator<readonly [string, Host]> {
    for (const name of [...this.#names]) {
      const host = this.get(name);
      if (host !== undefined) yield [name, host];
    }
  }

  /** The machines that have been built. */
  built(): Iterable<Host> {
    return this.#built.values();
  }

  /** A machine that has been built. */
  builtHost(name: string): Host | undefined {
    return this.#built.get(name);
  }

  /** Names and addresses of those that have not. */
  *awaited(): Iterable<readonly [string, Ipv4Address]> {
    for (const [name, { address }] of this.#awaited) yield [name, address];
  }
}
