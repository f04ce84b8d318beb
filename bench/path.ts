import type { Ruleset } from "../src/nat/index.ts";
import { address, EVERYWHERE, type Ipv4Address, interfaceAddress, mac } from "../src/netstack/index.ts";
import { type Host, Network } from "../src/nodes/index.ts";

/** Three machines in a row: what most benchmarks send their packets through. */
export interface Path {
  readonly network: Network;
  readonly client: Host;
  readonly router: Host;
  readonly server: Host;
}

/** The client has these addresses: 10.1.0.2 and the ones behind it. */
export const CLIENT_ADDRESSES: readonly Ipv4Address[] = Array.from({ length: 240 }, (_, i) =>
  address(`10.1.0.${2 + i}`),
);

/** client 10.1.0.2 — router with `rules` — server 10.2.0.2, over veth pairs. */
export function buildPath(rules: Ruleset): Path {
  const network = new Network({ seed: 1 });
  const client = network.addHost("client");
  const router = network.addHost("router", { forwarding: true });
  const server = network.addHost("server");
  wire(network, client, router, 1);
  wire(network, server, router, 2);
  for (const own of CLIENT_ADDRESSES.slice(1)) {
    const on = client.stack.interface("eth0") ?? client.stack.loopback;
    client.stack.addAddress(on, { address: own, prefixLength: 32 });
  }
  router.setRules(rules);
  return { network, client, router, server };
}

/** Network `number`: the machine is 10.number.0.2 and has its default route by the router, which is 10.number.0.1 there. */
function wire(network: Network, host: Host, router: Host, number: number): void {
  const own = interfaceAddress(`10.${number}.0.2/24`);
  const other = interfaceAddress(`10.${number}.0.1/24`);
  const name = `eth${number - 1}`;
  const device = network.addVeth(host, { name: "eth0", addresses: [own], mtu: 1500, hostEnd: `router/${name}` });
  router.addInterface({ name, device, mac: mac(0x0200_0000_0000 + number), addresses: [other] });
  host.addRoute(EVERYWHERE, other.address);
}
