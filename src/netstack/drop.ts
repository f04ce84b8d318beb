import type { LinkDropReason } from "../sim/index.ts";
import type { Ipv4Fault } from "./wire/ipv4.ts";

/** Why a packet or frame ended before it was delivered. Counters, traces, capture comments and tests all use these words. */
export type DropReason =
  | LinkDropReason
  | Ipv4Fault
  | "ethernet-truncated"
  | "interface-down"
  | "other-host"
  | "unknown-ethertype"
  | "vlan-not-configured"
  | "arp-malformed"
  | "arp-queue-full"
  | "neighbour-unreachable"
  | "martian-source"
  | "martian-destination"
  | "reverse-path-filter"
  | "forwarding-off"
  | "no-route"
  | "ttl-expired"
  | "fragmentation-needed"
  | "reassembly-failed"
  | "reassembly-timeout"
  | "reassembly-queue-full"
  | "unknown-protocol"
  | "icmp-malformed"
  | "icmp-ignored"
  | "udp-malformed"
  | "tcp-malformed"
  | "bad-checksum"
  | "no-listener"
  | "receive-queue-full"
  | "tcp-refused-segment"
  | "listen-overflow"
  | "rule-drop"
  | "rule-reject"
  | "nat-no-free-port"
  | "nat-no-address"
  | "nat-filtered"
  | "conntrack-table-full"
  | "conntrack-clash"
  | "tunnel-unknown"
  | "tunnel-no-remote"
  | "tunnel-marked"
  | "balancer-no-service"
  | "balancer-no-backend"
  | "bridge-port-blocked"
  | "bridge-same-port";

/** Counts per reason, for one host or for a whole run. */
export class DropCounters {
  readonly #counts = new Map<DropReason, number>();

  add(reason: DropReason, count = 1): void {
    this.#counts.set(reason, this.count(reason) + count);
  }

  count(reason: DropReason): number {
    return this.#counts.get(reason) ?? 0;
  }

  get total(): number {
    let total = 0;
    for (const count of this.#counts.values()) total += count;
    return total;
  }

  /** Reasons that occurred, in alphabetical order. */
  entries(): [DropReason, number][] {
    return [...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1));
  }
}
