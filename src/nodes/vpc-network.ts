import {
  type Cidr,
  EVERYWHERE,
  type Interface,
  type Ipv4Address,
  ipv4,
  type MacAddress,
  mac,
} from "../netstack/index.ts";
import type { Host } from "./host.ts";
import type { Network } from "./network.ts";
import { type PodNetwork, vethDigits, vethHash } from "./pod-network.ts";

/** What every pod has as its gateway: 169.254.1.1, which nobody is. */
const GATEWAY: Ipv4Address = ipv4(0xa9fe0101);

interface Joined {
  readonly address: Ipv4Address;
  readonly hostEnd: Interface;
}

/**
 * Pods with addresses of the nodes' own network, as Amazon's VPC CNI plugin makes them: there is no bridge; each pod has a /32, its gateway is a fixed
 * neighbour entry that leads to the node's end of its veth pair, and the node has a route to each pod. On the nodes' network a pod's
 * address is a further one of its node's interface.
 */
export class VpcNetwork implements PodNetwork {
  readonly nodeAddresses: readonly Ipv4Address[] = [];
  readonly needsRoutes = false;
  readonly #network: Network;
  readonly #host: Host;
  readonly #mtu: number;
  readonly #pods = new Map<string, Joined>();

  constructor(network: Network, host: Host, mtu: number) {
    this.#network = network;
    this.#host = host;
    this.#mtu = mtu;
  }

  addPod(name: string, address: Ipv4Address): Host {
    const pod = this.#network.addHost(name);
    pod.interfaceIndexes.set("eth0", 3);
    const end = `eni${vethDigits(name)}`;
    const addresses = [{ address, prefixLength: 32 }];
    const device = this.#network.addVeth(pod, { name: "eth0", addresses, mtu: this.#mtu, hostEnd: end });
    const hostEnd = this.#host.addInterface({ name: end, device, mac: hostEndMac(name) });
    this.#pods.set(name, { address, hostEnd });
    this.#host.stack.addressing.routes.add({ destination: single(address), out: hostEnd });
    const eth0 = this.#host.stack.interface("eth0");
    if (eth0 !== undefined) this.#host.stack.link.answerFor(eth0, address);
    leadOut(pod, hostEnd.mac);
    return pod;
  }

  removePod(name: string): void {
    const joined = this.#pods.get(name);
    if (joined === undefined) return;
    this.#pods.delete(name);
    const eth0 = this.#host.stack.interface("eth0");
    if (eth0 !== undefined) this.#host.stack.link.answerNoMoreFor(eth0, joined.address);
    this.#host.stack.removeInterface(joined.hostEnd);
    this.#network.removeHost(name);
  }
}

function leadOut(pod: Host, gateway: MacAddress): void {
  const { addressing, link } = pod.stack;
  const out = pod.stack.interface("eth0");
  if (out === undefined) return;
  link.neighbours.setPermanent(out, GATEWAY, gateway);
  addressing.routes.add({ destination: single(GATEWAY), out });
  addressing.routes.add({ destination: EVERYWHERE, out, via: GATEWAY });
}

function single(address: Ipv4Address): Cidr {
  return { network: address, prefixLength: 32 };
}

/** A locally administered address, the same on every run. */
function hostEndMac(pod: string): MacAddress {
  return mac(0x02e1 * 2 ** 32 + vethHash(pod));
}
