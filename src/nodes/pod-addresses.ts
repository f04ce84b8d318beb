import { type Cidr, type Ipv4Address, ipv4, lastAddress } from "../netstack/index.ts";
import { bridgeAddress } from "./bridge-network.ts";

/**
 * Gives out a node's pod addresses as the host-local IPAM plugin does: one after the other, beginning behind the bridge's own, round and round, so that
 * an address that was given back is not used again at once.
 */
export class PodAddresses {
  readonly #range: Cidr;
  readonly #reserved: ReadonlySet<Ipv4Address>;
  readonly #taken = new Set<Ipv4Address>();
  #last: Ipv4Address;

  /** Nobody is given a `reserved` address unless asking for it by name. */
  constructor(range: Cidr, reserved: ReadonlySet<Ipv4Address> = new Set()) {
    this.#range = range;
    this.#reserved = reserved;
    this.#last = bridgeAddress(range);
    this.#taken.add(this.#last);
  }

  /** A free address, or `wanted` when it is free; `undefined` when none is. */
  take(wanted?: Ipv4Address): Ipv4Address | undefined {
    const address = wanted ?? this.#next();
    if (address === undefined || this.#taken.has(address)) return undefined;
    this.#taken.add(address);
    return address;
  }

  giveBack(address: Ipv4Address): void {
    this.#taken.delete(address);
  }

  #next(): Ipv4Address | undefined {
    const first = this.#range.network + 2;
    const count = lastAddress(this.#range) - first;
    for (let step = 1; step <= count; step++) {
      const address = ipv4(first + ((this.#last - first + step) % count));
      if (this.#taken.has(address) || this.#reserved.has(address)) continue;
      this.#last = address;
      return address;
    }
    return undefined;
  }
}
