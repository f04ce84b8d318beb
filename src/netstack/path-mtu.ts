import { after, type Clock, seconds, type Time } from "../sim/index.ts";
import type { Ipv4Address } from "./ipv4-address.ts";

/** net.ipv4.route.mtu_expires. */
const LIFETIME = seconds(600);
/** net.ipv4.route.min_pmtu: less is not believed. */
const SMALLEST = 552;
/** Destinations remembered; the oldest gives way. */
const LIMIT = 2048;

/** What ICMP errors told about paths that are narrower than the interface they begin at (RFC 1191). */
export class PathMtuCache {
  readonly #clock: Clock;
  readonly #learned = new Map<Ipv4Address, { readonly mtu: number; readonly until: Time }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The path's MTU as far as known, at most `mtu`. */
  get(destination: Ipv4Address, mtu: number): number {
    if (this.#learned.size === 0) return mtu;
    const learned = this.#learned.get(destination);
    return learned !== undefined && learned.until > this.#clock.now() ? Math.min(learned.mtu, mtu) : mtu;
  }

  learn(destination: Ipv4Address, mtu: number): void {
    this.#learned.delete(destination);
    this.#learned.set(destination, { mtu: Math.max(mtu, SMALLEST), until: after(this.#clock.now(), LIFETIME) });
    if (this.#learned.size <= LIMIT) return;
    const [oldest] = this.#learned.keys();
    if (oldest !== undefined) this.#learned.delete(oldest);
  }
}
