import type { NumberRange } from "../nat/index.ts";
import { type Cidr, formatCidr, formatIpv4, type Ipv4Address, ipv4 } from "./address.ts";
import { BandAllocator, type Chance, lowerBand } from "./band-allocator.ts";

/** The default of the API server's `--service-node-port-range`. */
export const NODE_PORT_RANGE: NumberRange = { from: 30_000, to: 32_767 };

/** Cluster IPs of one Service range. The network and broadcast addresses are not handed out. */
export class ClusterIpAllocator {
  readonly #range: Cidr;
  readonly #addresses: BandAllocator;

  constructor(range: Cidr, chance: Chance) {
    this.#range = range;
    const size = 2 ** (32 - range.prefixLength);
    this.#addresses = new BandAllocator(Math.max(0, size - 2), lowerBand(size, 16, 256), chance);
  }

  /** The lowest address: that of the Service `default/kubernetes`. */
  get first(): Ipv4Address {
    return ipv4(this.#range.network + 1);
  }

  /** Takes this address; an error in the API server's words when that cannot be. */
  take(address: Ipv4Address): string | undefined {
    const number = address - this.#range.network - 1;
    if (!this.#addresses.includes(number))
      return `the provided IP (${formatIpv4(address)}) is not in the valid range. The range of valid IPs is ${formatCidr(this.#range)}`;
    return this.#addresses.take(number) ? undefined : "provided IP is already allocated";
  }

  takeAny(): Ipv4Address | undefined {
    const number = this.#addresses.takeAny();
    return number === undefined ? undefined : ipv4(this.#range.network + 1 + number);
  }

  release(address: Ipv4Address): void {
    this.#addresses.release(address - this.#range.network - 1);
  }
}

/** NodePorts and health check nodePorts, for all protocols and Services together. */
export class NodePortAllocator {
  readonly #range: NumberRange;
  readonly #ports: BandAllocator;

  constructor(range: NumberRange, chance: Chance) {
    this.#range = range;
    const size = range.to - range.from + 1;
    this.#ports = new BandAllocator(size, lowerBand(size, 32, 128), chance);
  }

  /** Takes this port; an error in the API server's words when that cannot be. */
  take(port: number): string | undefined {
    const number = port - this.#range.from;
    if (!this.#ports.includes(number))
      return `provided port is not in the valid range. The range of valid ports is ${this.#range.from}-${this.#range.to}`;
    return this.#ports.take(number) ? undefined : "provided port is already allocated";
  }

  takeAny(): number | undefined {
    const number = this.#ports.takeAny();
    return number === undefined ? undefined : this.#range.from + number;
  }

  release(port: number): void {
    this.#ports.release(port - this.#range.from);
  }
}
