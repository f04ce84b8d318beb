import { type Cidr, EVERYWHERE, type Interface, type Ipv4Address, ipv4, type MacAddress } from "../netstack/index.ts";
import type { Host } from "./host.ts";
import type { Network } from "./network.ts";
import { type PodNetwork, vethDigits } from "./pod-network.ts";

/** What every pod has as its gateway: 169.254.1.1, which nobody is. */
const GATEWAY: Ipv4Address = ipv4(0xa9fe0101);

export interface RoutedNetworkOptions {
  readonly network: Network;
  /** The node. */
  readonly host: Host;
  readonly mtu: number;
  /** What the names of the veth pairs' ends on the node begin with. */
  readonly hostEndPrefix: string;
  /** The hardware address of such an end. */
  readonly hostEndMac: (pod: string) => MacAddress;
  /** How pods get to know their gateway's hardware address: by ARP, which the node's end answers for anybody, or by an entry that is there from the start. */
  readonly gateway: "proxy-arp" | "permanent";
}

/**
 * Pods without a bridge, as Calico makes them: each has a /32 and a gateway that nobody is, 169.254.1.1; the node has a route to each pod, by the node's
 * end of its veth pair, which has no address of its own.
 */
export class RoutedNetwork implements PodNetwork {
  readonly nodeAddresses: readonly Ipv4Address[] = [];
  readonly needsRoutes = true;
  readonly #options: RoutedNetworkOptions;
  readonly #hostEnds = new Map<string, Interface>();

  constructor(options: RoutedNetworkOptions) {
    this.#options = options;
  }

  addPod(name: string, address: Ipv4Address, ready: (pod: Host) => void): void {
    const { network, host, mtu, hostEndPrefix, hostEndMac, gateway } = this.#options;
    const end = hostEndPrefix + vethDigits(name);
    const endMac = hostEndMac(name);
    const veth = { name: "eth0", addresses: [{ address, prefixLength: 32 }], mtu, hostEnd: end };
    const lead = (pod: Host): void => {
      // Number 2 was the tunnel device that the kernel makes in every new namespace on such nodes.
      pod.interfaceIndexes.set("eth0", 3);
      leadOut(pod, gateway === "permanent" ? endMac : undefined);
      ready(pod);
    };
    const device = network.awaitPod({ name, address, veth, ready: lead });
    const hostEnd = host.addInterface({ name: end, device, mac: endMac });
    this.#hostEnds.set(name, hostEnd);
    host.stack.addressing.routes.add({ destination: single(address), out: hostEnd });
    if (gateway === "proxy-arp") host.stack.link.answerFor(hostEnd, GATEWAY);
  }

  removePod(name: string): void {
    const hostEnd = this.#hostEnds.get(name);
    if (hostEnd === undefined) return;
    this.#hostEnds.delete(name);
    this.#options.host.stack.link.answerNoMoreFor(hostEnd, GATEWAY);
    this.#options.host.stack.removeInterface(hostEnd);
    this.#options.network.removeHost(name);
  }
}

function leadOut(pod: Host, gateway: MacAddress | undefined): void {
  const { addressing, link } = pod.stack;
  const out = pod.stack.interface("eth0");
  if (out === undefined) return;
  if (gateway !== undefined) link.neighbours.setPermanent(out, GATEWAY, gateway);
  addressing.routes.add({ destination: single(GATEWAY), out });
  addressing.routes.add({ destination: EVERYWHERE, out, via: GATEWAY });
}

function single(address: Ipv4Address): Cidr {
  return { network: address, prefixLength: 32 };
}
