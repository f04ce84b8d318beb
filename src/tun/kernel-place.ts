/** What the real kernel has to be told to stand in a host's place. All of it is text, as ip(8) takes it. */
export interface KernelPlace {
  /** The interface's name. */
  readonly interface: string;
  readonly mac: string;
  readonly mtu: number;
  /** With their prefix lengths. */
  readonly addresses: readonly string[];
  readonly routes: readonly KernelRoute[];
}

export interface KernelRoute {
  /** A range, or `default`. */
  readonly to: string;
  readonly via?: string;
}

/** The commands that configure the interface, each the words behind `ip`. */
export function configureCommands(place: KernelPlace): string[][] {
  const { interface: name } = place;
  return [
    ["link", "set", "dev", name, "address", place.mac],
    // No IPv6 of its own: the emulated network has none.
    ["link", "set", "dev", name, "mtu", String(place.mtu), "addrgenmode", "none"],
    ...place.addresses.map((address) => ["address", "add", address, "dev", name]),
    ["link", "set", "dev", name, "up"],
    ...place.routes.map(({ to, via }) => ["route", "add", to, ...(via === undefined ? [] : ["via", via]), "dev", name]),
  ];
}

/** The commands that make a veth pair for a packet socket on its `end`. */
export function vethCommands(name: string, end: string): string[][] {
  return [
    ["link", "add", "name", name, "type", "veth", "peer", "name", end],
    // Only the packet socket listens at this end.
    ["link", "set", "dev", end, "addrgenmode", "none", "arp", "off"],
    ["link", "set", "dev", end, "up"],
  ];
}
