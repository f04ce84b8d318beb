import { type Ipv4Address, type MacAddress, mac } from "../netstack/index.ts";
import type { Host } from "./host.ts";
import type { Network } from "./network.ts";
import { type PodNetwork, vethHash } from "./pod-network.ts";
import { RoutedNetwork } from "./routed-network.ts";

/**
 * Pods with addresses of the nodes' own network, as Amazon's VPC CNI plugin makes them: routed, without a bridge, their gateway a fixed neighbour entry. On
 * the nodes' network a pod's address is a further one of its node's interface.
 */
export class VpcNetwork implements PodNetwork {
  readonly nodeAddresses: readonly Ipv4Address[] = [];
  readonly needsRoutes = false;
  readonly #host: Host;
  readonly #pods: RoutedNetwork;
  readonly #addresses = new Map<string, Ipv4Address>();

  constructor(network: Network, host: Host, mtu: number) {
    this.#host = host;
    this.#pods = new RoutedNetwork({ network, host, mtu, hostEndPrefix: "eni", hostEndMac, gateway: "permanent" });
  }

  addPod(name: string, address: Ipv4Address, ready: (pod: Host) => void): void {
    this.#pods.addPod(name, address, ready);
    this.#addresses.set(name, address);
    const eth0 = this.#host.stack.interface("eth0");
    if (eth0 !== undefined) this.#host.stack.link.answerFor(eth0, address);
  }

  removePod(name: string): void {
    const address = this.#addresses.get(name);
    const eth0 = this.#host.stack.interface("eth0");
    if (eth0 !== undefined && address !== undefined) this.#host.stack.link.answerNoMoreFor(eth0, address);
    this.#addresses.delete(name);
    this.#pods.removePod(name);
  }
}

/** A locally administered address, the same on every run. */
function hostEndMac(pod: string): MacAddress {
  return mac(0x02e1 * 2 ** 32 + vethHash(pod));
}
