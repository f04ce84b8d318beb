import { type Cidr, EVERYWHERE, type Ipv4Address, ipv4 } from "../netstack/index.ts";
import type { Bridge, BridgePort } from "./bridge.ts";
import type { Host } from "./host.ts";
import { type Network, podMac } from "./network.ts";
import { type PodNetwork, vethDigits } from "./pod-network.ts";

export interface BridgeNetworkOptions {
  /** The bridge's. */
  readonly name: string;
  readonly network: Network;
  /** The node. */
  readonly host: Host;
  readonly podCidr: Cidr;
  readonly mtu: number;
  /** net.bridge.bridge-nf-call-iptables. */
  readonly callsIptables: boolean;
  /** Hairpin mode on the pods' ports. */
  readonly hairpin: boolean;
}

/** The name of a pod bridge: kubenet's. */
export const DEFAULT_BRIDGE = "cbr0";

/** Pods under a bridge, as kubenet and the bridge plugin make them. The first address of the node's range is the bridge's. */
export class BridgeNetwork implements PodNetwork {
  readonly nodeAddresses: readonly Ipv4Address[];
  readonly needsRoutes = true;
  readonly #options: BridgeNetworkOptions;
  readonly #bridge: Bridge;
  readonly #ports = new Map<string, BridgePort>();

  constructor(options: BridgeNetworkOptions) {
    this.#options = options;
    const { podCidr, mtu, callsIptables } = options;
    const own = bridgeAddress(podCidr);
    this.nodeAddresses = [own];
    const addresses = [{ address: own, prefixLength: podCidr.prefixLength }];
    this.#bridge = options.host.addBridge({ name: options.name, mac: podMac(own), mtu, addresses, callsIptables });
  }

  /** The pod's gateway is the bridge. */
  addPod(name: string, address: Ipv4Address, ready: (pod: Host) => void): void {
    const { network, host, podCidr, mtu, hairpin } = this.#options;
    const hostEnd = `veth${vethDigits(name)}`;
    const veth = { name: "eth0", addresses: [{ address, prefixLength: podCidr.prefixLength }], mtu, hostEnd };
    const lead = (pod: Host): void => {
      // Number 2 was the tunnel device that the kernel makes in every new namespace on such nodes.
      pod.interfaceIndexes.set("eth0", 3);
      pod.addRoute(EVERYWHERE, bridgeAddress(podCidr));
      ready(pod);
    };
    const device = network.awaitPod({ name, address, veth, ready: lead });
    this.#ports.set(name, host.addBridgePort(this.#bridge, { name: hostEnd, device, hairpin }));
  }

  removePod(name: string): void {
    const port = this.#ports.get(name);
    if (port === undefined) return;
    this.#bridge.removePort(port);
    this.#ports.delete(name);
    this.#options.network.removeHost(name);
  }
}

/** The bridge's own address: the first of the pod range. */
export function bridgeAddress(podCidr: Cidr): Ipv4Address {
  return ipv4(podCidr.network + 1);
}
