import type { Ipv4Address } from "../netstack/index.ts";

/** What of the other side a NAT goes by: nothing, its address, or its address and port (RFC 4787 §4.1 and §5). */
export type NatBehaviour = (typeof NAT_BEHAVIOURS)[number];

/** The three behaviours, the most open one first. */
export const NAT_BEHAVIOURS = ["endpoint-independent", "address-dependent", "address-and-port-dependent"] as const;

/** How a {@link NatGateway} maps and filters. */
export interface NatSettings {
  /** To whom a mapping is given again. */
  readonly mapping: NatBehaviour;
  /** Who may send in through a mapping. */
  readonly filtering: NatBehaviour;
  /** An inside port is kept where it is free (RFC 4787 §4.2.1). */
  readonly portPreservation: boolean;
  /** How long a UDP mapping lives after the last packet from inside; 120 is the least that RFC 4787 §4.3 allows. */
  readonly timeoutSeconds: number;
  /** Inside hosts reach one another by their outside addresses and ports (RFC 4787 §6). */
  readonly hairpin: boolean;
}

/** RFC 4787's "REQ" list: what it asks for, with its recommended timeout. */
export const DEFAULT_NAT_SETTINGS: NatSettings = {
  mapping: "endpoint-independent",
  filtering: "address-dependent",
  portPreservation: true,
  timeoutSeconds: 300,
  hairpin: true,
};

/** What of the other side counts: two that count as the same have the same key. Mapping and filtering differ in nothing but where it is used. */
export function behaviourKey(behaviour: NatBehaviour, remote: Ipv4Address, remotePort: number): number {
  switch (behaviour) {
    case "endpoint-independent":
      return 0;
    case "address-dependent":
      return remote;
    case "address-and-port-dependent":
      return remote * 65536 + remotePort;
  }
}
