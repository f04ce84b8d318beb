import type { AddressRange, NumberRange, PortOptions } from "./rule.ts";

/** Which end of the packet a translation changes. */
export type Manip = "source" | "destination";

/** What a translation may choose from (`struct nf_nat_range2`, include/uapi/linux/netfilter/nf_nat.h). */
export interface NatChoice {
  /** `undefined` leaves the address as it is. */
  readonly addresses: AddressRange | undefined;
  /** Ports, or ICMP identifiers; `undefined` leaves the port as it is while that is free. */
  readonly ports: NumberRange | undefined;
  /** The port that stands for the first of {@link ports}: `--to-destination address:ports/base`. */
  readonly portBase?: number | undefined;
  /** `--random` or `--random-fully`: a port is drawn even when the packet's own is free. */
  readonly isRandom: boolean;
  /** `--persistent`: a client gets the same address for all servers. */
  readonly isPersistent: boolean;
}

/** The choice of a target with these options. */
export function natChoice(
  addresses: AddressRange | undefined,
  options: {
    readonly ports?: NumberRange;
    readonly portBase?: number;
    readonly persistent?: true;
  } & PortOptions,
): NatChoice {
  return {
    addresses,
    ports: options.ports,
    portBase: options.portBase,
    isRandom: (options.random ?? false) || (options.randomFully ?? false),
    isPersistent: options.persistent ?? false,
  };
}
