import type { Random } from "../sim/index.ts";
import type { Sysctls } from "./context.ts";
import type { TcpEndpoint } from "./tcp-socket.ts";

/**
 * A free local port for a socket that asks for none. As in `__inet_hash_connect` (net/ipv4/inet_hashtables.c) the search begins at random and tries every
 * second port first, those of the range's first port's parity, and leaves the others to bind().
 */
export function chooseLocalPort(
  sysctls: Sysctls,
  random: Random,
  isFree: (port: number) => boolean,
): number | undefined {
  const [low, high] = sysctls.localPorts;
  const count = high - low + 1;
  const begin = random.below(count) & ~1;
  for (const parity of [0, 1]) {
    for (let step = 0; step < count; step += 2) {
      const port = low + ((begin + step) % count) + parity;
      if (port <= high && isFree(port)) return port;
    }
  }
  return undefined;
}

/** A search that tries more ports than these is worth remembering what is taken. */
const LONG_SEARCH = 64;
const PORTS = 65_536;

/**
 * Local ports that are taken towards remotes that take most of them: asking for each of 28,000 in turn whether it is free would cost more than the connection.
 * Such a crowd is noticed by a long search and forgotten when the last of its connections is gone.
 */
export class CrowdedPorts {
  readonly #crowds: Crowd[] = [];

  /** {@link chooseLocalPort} towards `remote`; `isFree` has the last word. */
  choose(
    sysctls: Sysctls,
    random: Random,
    { from, remote, isFree }: { from: number; remote: TcpEndpoint; isFree: (port: number) => boolean },
  ): number | undefined {
    const crowd = this.#find(from, remote);
    if (crowd !== undefined) return crowd.choose(sysctls, random, isFree);
    let tried = 0;
    const chosen = chooseLocalPort(sysctls, random, (port) => {
      tried += 1;
      return isFree(port);
    });
    if (tried > LONG_SEARCH) this.#note(sysctls, from, remote, isFree);
    return chosen;
  }

  /** The port of `local` is taken towards `remote`. */
  take(local: TcpEndpoint, remote: TcpEndpoint): void {
    if (this.#crowds.length > 0) this.#find(local.address, remote)?.add(local.port);
  }

  /** It is no longer. */
  free(local: TcpEndpoint, remote: TcpEndpoint): void {
    if (this.#crowds.length === 0) return;
    const crowd = this.#find(local.address, remote);
    if (crowd === undefined) return;
    crowd.delete(local.port);
    if (crowd.count === 0) this.#crowds.splice(this.#crowds.indexOf(crowd), 1);
  }

  #note(sysctls: Sysctls, from: number, remote: TcpEndpoint, isFree: (port: number) => boolean): void {
    const crowd = new Crowd(from, remote);
    const [low, high] = sysctls.localPorts;
    for (let port = low; port <= high; port++) if (!isFree(port)) crowd.add(port);
    this.#crowds.push(crowd);
  }

  /** Few: each stands for thousands of connections. */
  #find(from: number, remote: TcpEndpoint): Crowd | undefined {
    return this.#crowds.find((each) => each.isBetween(from, remote));
  }
}

/** Every second port of a word of 32. */
const EVEN_PORTS = 0x55555555;

/** The ports taken between a local address and a remote: a bit each. */
class Crowd {
  readonly #from: number;
  readonly #remote: TcpEndpoint;
  readonly #words = new Int32Array(PORTS / 32);
  #count = 0;

  constructor(from: number, remote: TcpEndpoint) {
    this.#from = from;
    this.#remote = remote;
  }

  get count(): number {
    return this.#count;
  }

  isBetween(from: number, remote: TcpEndpoint): boolean {
    return this.#from === from && this.#remote.port === remote.port && this.#remote.address === remote.address;
  }

  /** {@link chooseLocalPort}, 16 ports at a time. */
  choose(sysctls: Sysctls, random: Random, isFree: (port: number) => boolean): number | undefined {
    const [low, high] = sysctls.localPorts;
    const count = high - low + 1;
    const begin = random.below(count) & ~1;
    for (const parity of [0, 1]) {
      const first = low + begin + parity;
      const found = this.#search(first, high, isFree) ?? this.#search(low + (count & 1) + parity, first - 1, isFree);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  add(port: number): void {
    if (this.#has(port)) return;
    this.#flip(port);
    this.#count += 1;
  }

  delete(port: number): void {
    if (!this.#has(port)) return;
    this.#flip(port);
    this.#count -= 1;
  }

  /** The first free one of every second port from `first` to `last`. */
  #search(first: number, last: number, isFree: (port: number) => boolean): number | undefined {
    const parity = first & 1;
    for (let from = first; from <= last; ) {
      const above = -1 << (from & 31);
      const free = ~(this.#words[from >> 5] as number) & (EVEN_PORTS << parity) & above;
      if (free === 0) {
        from = (from & ~31) + 32 + parity;
        continue;
      }
      const port = (from & ~31) + 31 - Math.clz32(free & -free);
      if (port > last) return undefined;
      if (isFree(port)) return port;
      from = port + 2;
    }
    return undefined;
  }

  #has(port: number): boolean {
    return ((this.#words[port >> 5] as number) & (1 << (port & 31))) !== 0;
  }

  #flip(port: number): void {
    this.#words[port >> 5] = (this.#words[port >> 5] as number) ^ (1 << (port & 31));
  }
}
