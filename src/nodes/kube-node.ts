import { type Cidr, EVERYWHERE, type InterfaceAddress, type Ipv4Address, ipv4 } from "../netstack/index.ts";
import type { Bridge, BridgePort } from "./bridge.ts";
import type { Host } from "./host.ts";
import { type Network, podMac } from "./network.ts";
import type { Switch } from "./switch.ts";

/** A node as the scenario describes it. */
export interface KubeNodeSpec {
  readonly name: string;
  /** Further names, such as `node1`. */
  readonly aliases: readonly string[];
  readonly address: InterfaceAddress;
  /** The address outsiders use, which the cloud's edge maps to {@link address}. */
  readonly externalAddress?: Ipv4Address;
  readonly podCidr: Cidr;
  readonly labels?: Readonly<Record<string, string>>;
}

/** What all nodes of a cluster share. */
export interface NodeNetwork {
  readonly segment: Switch;
  readonly gateway?: Ipv4Address;
  /** Of `eth0`, the pod bridge and the pods. */
  readonly mtu: number;
  /** net.bridge.bridge-nf-call-iptables. */
  readonly bridgeCallsIptables: boolean;
  /** Hairpin mode on the pods' bridge ports, as kubelet and the bridge CNI plugin set it. */
  readonly hairpin: boolean;
}

/** What kube-proxy sets on its node, in seconds (`--conntrack-tcp-timeout-established`, `--conntrack-tcp-timeout-close-wait`). */
const KUBE_PROXY_CONNTRACK = { tcpTimeoutEstablished: 86_400, tcpTimeoutCloseWait: 3600 };

/** The name of a pod bridge: kubenet's. */
const BRIDGE = "cbr0";

/** A Kubernetes node: a host with a bridge for its pods. The first address of its pod range is the bridge's. */
export class KubeNode {
  readonly spec: KubeNodeSpec;
  readonly host: Host;
  readonly bridge: Bridge;
  readonly #network: Network;
  readonly #mtu: number;
  readonly #hairpin: boolean;
  readonly #ports = new Map<string, BridgePort>();

  constructor(network: Network, shared: NodeNetwork, spec: KubeNodeSpec) {
    this.spec = spec;
    this.#network = network;
    this.#mtu = shared.mtu;
    this.#hairpin = shared.hairpin;
    // kube-proxy sets route_localnet, so that 127.0.0.1:nodePort works (pkg/proxy/iptables).
    this.host = network.addHost(spec.name, { forwarding: true, routeLocalnet: true });
    this.host.setConntrack(KUBE_PROXY_CONNTRACK);
    for (const name of [spec.name, ...spec.aliases])
      network.names.set(name, spec.externalAddress ?? spec.address.address);
    network.attach(this.host, shared.segment, { name: "eth0", addresses: [spec.address] });
    const own = bridgeAddress(spec.podCidr);
    this.bridge = this.host.addBridge({
      name: BRIDGE,
      mac: podMac(own),
      mtu: shared.mtu,
      addresses: [{ address: own, prefixLength: spec.podCidr.prefixLength }],
      callsIptables: shared.bridgeCallsIptables,
    });
    if (shared.gateway !== undefined) this.addRoute(EVERYWHERE, shared.gateway);
  }

  get name(): string {
    return this.spec.name;
  }

  get address(): Ipv4Address {
    return this.spec.address.address;
  }

  /** A route over the node network, such as the one to another node's pods. */
  addRoute(destination: Cidr, via: Ipv4Address): void {
    const out = this.host.stack.interface("eth0");
    if (out !== undefined) this.host.stack.addressing.routes.add({ destination, out, via });
  }

  /** Makes a pod's network namespace, joins it to the bridge, and gives it `address` and the bridge as its gateway. */
  addPod(name: string, address: Ipv4Address): Host {
    const pod = this.#network.addHost(name);
    // Number 2 was the tunnel device that the kernel makes in every new namespace on such nodes.
    pod.interfaceIndexes.set("eth0", 3);
    const hostEnd = vethName(name);
    const own = { address, prefixLength: this.spec.podCidr.prefixLength };
    const device = this.#network.addVeth(pod, { name: "eth0", addresses: [own], mtu: this.#mtu, hostEnd });
    this.#ports.set(name, this.host.addBridgePort(this.bridge, { name: hostEnd, device, hairpin: this.#hairpin }));
    const out = pod.stack.interface("eth0");
    const via = bridgeAddress(this.spec.podCidr);
    if (out !== undefined) pod.stack.addressing.routes.add({ destination: EVERYWHERE, out, via });
    return pod;
  }

  /** Takes a pod's end of the bridge away: nothing reaches it or leaves it any more. */
  removePod(name: string): void {
    const port = this.#ports.get(name);
    if (port === undefined) return;
    this.bridge.removePort(port);
    this.#ports.delete(name);
    this.#network.removeHost(name);
  }
}

/** The bridge's own address: the first of the pod range. */
export function bridgeAddress(podCidr: Cidr): Ipv4Address {
  return ipv4(podCidr.network + 1);
}

/** A name for the host's end of a pod's veth pair, the same on every run: `veth` and eight hexadecimal digits, within IFNAMSIZ. */
function vethName(pod: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < pod.length; i++) hash = Math.imul(hash ^ pod.charCodeAt(i), 0x01000193);
  return `veth${(hash >>> 0).toString(16).padStart(8, "0")}`;
}
