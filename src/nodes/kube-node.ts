import { type Cidr, EVERYWHERE, type InterfaceAddress, type Ipv4Address } from "../netstack/index.ts";
import { BridgeNetwork, DEFAULT_BRIDGE } from "./bridge-network.ts";
import type { Host } from "./host.ts";
import type { Network } from "./network.ts";
import type { CniKind, PodNetwork } from "./pod-network.ts";
import type { Switch } from "./switch.ts";
import { VpcNetwork } from "./vpc-network.ts";

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
  /** How pods are joined to their nodes: under a bridge unless told. */
  readonly cni?: CniKind;
  /** The pod bridge's name; kubenet's when left out. */
  readonly bridge?: string;
  /** Of `eth0`, the pod bridge and the pods. */
  readonly mtu: number;
  /** net.bridge.bridge-nf-call-iptables. */
  readonly bridgeCallsIptables: boolean;
  /** Hairpin mode on the pods' bridge ports, as kubelet and the bridge CNI plugin set it. */
  readonly hairpin: boolean;
}

/** What kube-proxy sets on its node, in seconds (`--conntrack-tcp-timeout-established`, `--conntrack-tcp-timeout-close-wait`). */
const KUBE_PROXY_CONNTRACK = { tcpTimeoutEstablished: 86_400, tcpTimeoutCloseWait: 3600 };

/** A Kubernetes node: a host with a network for its pods. */
export class KubeNode {
  readonly spec: KubeNodeSpec;
  readonly host: Host;
  readonly podNetwork: PodNetwork;

  constructor(network: Network, shared: NodeNetwork, spec: KubeNodeSpec) {
    this.spec = spec;
    // kube-proxy sets route_localnet, so that 127.0.0.1:nodePort works (pkg/proxy/iptables).
    this.host = network.addHost(spec.name, { forwarding: true, routeLocalnet: true });
    this.host.setConntrack(KUBE_PROXY_CONNTRACK);
    for (const name of [spec.name, ...spec.aliases])
      network.names.set(name, spec.externalAddress ?? spec.address.address);
    network.attach(this.host, shared.segment, { name: "eth0", addresses: [spec.address] });
    this.podNetwork = podNetwork(network, this.host, shared, spec);
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
}

function podNetwork(network: Network, host: Host, shared: NodeNetwork, { podCidr }: KubeNodeSpec): PodNetwork {
  const { cni = "bridge", bridge, mtu, bridgeCallsIptables: callsIptables, hairpin } = shared;
  switch (cni) {
    case "bridge":
      return new BridgeNetwork({ network, host, podCidr, mtu, callsIptables, hairpin, name: bridge ?? DEFAULT_BRIDGE });
    case "aws-vpc":
      return new VpcNetwork(network, host, mtu);
  }
}
