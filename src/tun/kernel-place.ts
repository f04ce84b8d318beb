/** What the real kernel has to be told to stand in a host's place. All of it is text, as ip(8) takes it. */
export interface KernelPlace {
  readonly interfaces: readonly PlacedInterface[];
  /** Of several to one range the first is used. */
  readonly routes: readonly KernelRoute[];
  /** Who need not be asked for a hardware address. */
  readonly neighbours: readonly KernelNeighbour[];
}

/** An interface of the kernel that stands for one of the host's. */
export interface PlacedInterface {
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  /** With their prefix lengths. */
  readonly addresses: readonly string[];
}

export interface KernelRoute {
  /** A range, or `default`. */
  readonly to: string;
  /** Left out where the destination itself is a neighbour. */
  readonly via?: string;
  /** The name of the interface. */
  readonly by: string;
}

/** An entry of the neighbour table that stays as it is. */
export interface KernelNeighbour {
  readonly address: string;
  readonly mac: string;
  /** The name of the interface. */
  readonly by: string;
}

/** The commands that configure the interfaces, each the words behind `ip`. */
export function configureCommands({ interfaces, routes, neighbours }: KernelPlace): string[][] {
  return [
    ...interfaces.flatMap(interfaceCommands),
    ...neighbours.map(({ address, mac, by }) => ["neighbour", "replace", address, "lladdr", mac, "dev", by]),
    // The kernel takes no gateway that it cannot reach yet.
    ...routeCommands([
      ...routes.filter(({ via }) => via === undefined),
      ...routes.filter(({ via }) => via !== undefined),
    ]),
  ];
}

function interfaceCommands({ name, mac, mtu, addresses }: PlacedInterface): string[][] {
  return [
    ["link", "set", "dev", name, "address", mac],
    // No IPv6 of its own: the emulated network has none.
    ["link", "set", "dev", name, "mtu", String(mtu), "addrgenmode", "none"],
    ...addresses.map((address) => ["address", "add", address, "dev", name]),
    ["link", "set", "dev", name, "up"],
  ];
}

/** A further route to a range goes behind the first: it is for who binds to its interface. */
function routeCommands(routes: readonly KernelRoute[]): string[][] {
  const known = new Set<string>();
  return routes.map(({ to, via, by }) => {
    const verb = known.has(to) ? "append" : "add";
    known.add(to);
    return ["route", verb, to, ...(via === undefined ? [] : ["via", via]), "dev", by];
  });
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
