import type { Chain, Rule, Ruleset } from "../nat/index.ts";
import type { Ipv4Address } from "../netstack/index.ts";

/** One machine's pair of addresses. */
export interface ExternalAddress {
  readonly name: string;
  readonly external: Ipv4Address;
  readonly internal: Ipv4Address;
}

/**
 * The rules of a cloud's edge, which maps external addresses to internal ones 1:1, as GCE does for its machines: what comes in for the external address
 * goes to the internal one, what the machine sends out by `outside` leaves with the external one. Ports and the other side's address stay.
 */
export function cloudEdgeRules(mappings: readonly ExternalAddress[], outside: string): Ruleset {
  const chains: Chain[] = [
    { name: "PREROUTING", policy: "ACCEPT", rules: mappings.map(inward) },
    { name: "INPUT", policy: "ACCEPT", rules: [] },
    { name: "OUTPUT", policy: "ACCEPT", rules: [] },
    { name: "POSTROUTING", policy: "ACCEPT", rules: mappings.map((mapping) => outward(mapping, outside)) },
  ];
  return new Map([["nat", { name: "nat", chains: new Map(chains.map((chain) => [chain.name, chain])) }]]);
}

function inward({ name, external, internal }: ExternalAddress): Rule {
  return {
    destination: host(external),
    matches: [{ kind: "comment", text: `external address of ${name}` }],
    target: { kind: "dnat", addresses: { from: internal, to: internal } },
  };
}

function outward({ name, external, internal }: ExternalAddress, outside: string): Rule {
  return {
    source: host(internal),
    outInterface: { name: outside },
    matches: [{ kind: "comment", text: `external address of ${name}` }],
    target: { kind: "snat", addresses: { from: external, to: external } },
  };
}

function host(address: Ipv4Address): { address: Ipv4Address; mask: number } {
  return { address, mask: 0xffffffff };
}
