import type { Random } from "../sim/index.ts";
import type { Ipv4Address } from "./ipv4-address.ts";

/** Counters are shared between destinations, as in `ip_idents` (net/ipv4/route.c), which bounds them. */
const COUNTERS = 2048;

/** IP identifications of packets that may be fragmented: a counter per (source, destination, protocol), begun at random (RFC 6864, RFC 7739 §5). */
export class IdentificationSource {
  readonly #counters = new Uint16Array(COUNTERS);
  readonly #key: number;

  constructor(random: Random) {
    this.#key = random.u32();
    for (let i = 0; i < COUNTERS; i++) this.#counters[i] = random.u32();
  }

  next(flow: { readonly source: Ipv4Address; readonly destination: Ipv4Address; readonly protocol: number }): number {
    let hash = Math.imul(flow.source ^ this.#key, 0x9e3779b1);
    hash = Math.imul((hash ^ (hash >>> 15) ^ flow.destination) >>> 0, 0x85ebca6b);
    const slot = ((hash ^ (hash >>> 13)) + flow.protocol) & (COUNTERS - 1);
    const value = ((this.#counters[slot] ?? 0) + 1) & 0xffff;
    this.#counters[slot] = value;
    return value;
  }
}
