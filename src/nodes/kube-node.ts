import type { Ruleset } from "../nat/index.ts";
import {
  type Cidr,
  EVERYWHERE,
  type InterfaceAddress,
  type Ipv4Address,
  type MacAddress,
  mac,
  type SharedRoutes,
  VXLAN_PORT,
} from "../netstack/index.ts";
import { BridgeNetwork, DEFAULT_BRIDGE } from "./bridge-network.ts";
import type { Host } from "./host.ts";
import type { Network } from "./network.ts";
import type { CniKind, PodNetwork } from "./pod-network.ts";
import { RoutedNetwork } from "./routed-network.ts";
import type { Switch } from "./switch.ts";
import { type SysctlValues, setSysctls } from "./sysctls.ts";
import { VpcNetwork } from "./vpc-network.ts";
import { VXLAN_OVERHEAD } from "./vxlan-device.ts";
import { type OverlayWays, VxlanOverlay, type VxlanSettings } from "./vxlan-overlay.ts";

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
  /** What other programs than kube-proxy load there; the same Ruleset for nodes that have the same. */
  readonly rules?: Ruleset;
  /** Kernel parameters by name, as the administrator has set them. */
  readonly sysctls?: SysctlValues;
}

/** What all nodes of a cluster share. */
export interface NodeNetwork {
  readonly segment: Switch;
  readonly gateway?: Ipv4Address;
  /** How pods are joined to their nodes: under a bridge unless told. */
  readonly cni?: CniKind;
  /** The pod bridge's name; kubenet's when left out, flannel's with VXLAN. */
  readonly bridge?: string;
  /** Carries pods' packets between nodes in VXLAN: flannel's way with `cni: "vxlan"`, Calico's with "routed". */
  readonly vxlan?: Partial<VxlanSettings>;
  /** Of the pod bridge and the pods. */
  readonly mtu: number;
  /** CPUs of each node that handle packets: one when left out. */
  readonly cpus?: number;
  /** The nodes' version of Linux, see {@link Host.kernel}. */
  readonly kernel?: readonly [major: number, minor: number];
  /** net.bridge.bridge-nf-call-iptables. */
  readonly bridgeCallsIptables: boolean;
  /** Hairpin mode on the pods' bridge ports, as kubelet and the bridge CNI plugin set it. */
  readonly hairpin: boolean;
}

/**
 * What kube-proxy sets on its node: `--conntrack-max-per-core` 32768 for each CPU, but no less than `--conntrack-min`, which is four CPUs' worth; and in
 * seconds `--conntrack-tcp-timeout-established` and `--conntrack-tcp-timeout-close-wait`.
 */
const KUBE_PROXY_CONNTRACK = { max: 131_072, tcpTimeoutEstablished: 86_400, tcpTimeoutCloseWait: 3600 };

/** A Kubernetes node: a host with a network for its pods. */
export class KubeNode {
  readonly spec: KubeNodeSpec;
  readonly host: Host;
  readonly podNetwork: PodNetwork;
  readonly #overlay: VxlanOverlay | undefined;

  constructor(network: Network, shared: NodeNetwork, spec: KubeNodeSpec) {
    this.spec = spec;
    // kube-proxy sets route_localnet, so that 127.0.0.1:nodePort works (pkg/proxy/iptables).
    this.host = network.addHost(spec.name, { forwarding: true, routeLocalnet: true });
    this.host.setConntrack(KUBE_PROXY_CONNTRACK);
    this.host.stack.host.cpus = shared.cpus ?? 1;
    if (shared.kernel !== undefined) this.host.kernel = shared.kernel;
    for (const name of [spec.name, ...spec.aliases])
      network.names.set(name, spec.externalAddress ?? spec.address.address);
    network.attach(this.host, shared.segment, { name: "eth0", addresses: [spec.address] });
    this.podNetwork = podNetwork(network, this.host, shared, spec);
    this.#overlay = overlay(this.host, shared, spec);
    setSysctls(this.host, spec.sysctls ?? {});
    if (shared.gateway !== undefined) this.#addRoute(EVERYWHERE, shared.gateway);
  }

  get name(): string {
    return this.spec.name;
  }

  get address(): Ipv4Address {
    return this.spec.address.address;
  }

  /** Addresses of the node beside {@link address}, which its pod network brings. */
  get podNetworkAddresses(): readonly Ipv4Address[] {
    return [...this.podNetwork.nodeAddresses, ...(this.#overlay === undefined ? [] : [this.#overlay.address])];
  }

  /** Sets the ways to all nodes' pods, as a cloud's route controller, a routing daemon or flannel does. */
  leadToPods(routes: SharedRoutes, overlay: OverlayWays): void {
    const out = this.host.stack.interface("eth0");
    if (this.#overlay !== undefined) this.#overlay.lead(overlay);
    else if (this.podNetwork.needsRoutes && out !== undefined) {
      this.host.stack.addressing.routes.share(routes, out, this.address);
    }
  }

  #addRoute(destination: Cidr, via: Ipv4Address): void {
    const out = this.host.stack.interface("eth0");
    if (out !== undefined) this.host.stack.addressing.routes.add({ destination, out, via });
  }
}

/** flannel's name for the bridge that it has the bridge plugin make. */
const FLANNEL_BRIDGE = "cni0";
/** Calico's names: `cali` and digits, all with the same hardware address, which pods find by ARP for 169.254.1.1. */
const CALICO_PODS = {
  hostEndPrefix: "cali",
  hostEndMac: (): MacAddress => mac(0xeeeeeeeeeeee),
  gateway: "proxy-arp",
} as const;
/** What flannel and Calico use themselves; but the port is 4789 with both, so that Wireshark knows what it sees. */
const FLANNEL_VXLAN = { interface: "flannel.1", vni: 1 };
const CALICO_VXLAN = { interface: "vxlan.calico", vni: 4096 };

function overlay(host: Host, shared: NodeNetwork, { address, podCidr }: KubeNodeSpec): VxlanOverlay | undefined {
  const { cni, vxlan, segment } = shared;
  if (cni !== "vxlan" && vxlan === undefined) return undefined;
  const settings = {
    ...(cni === "vxlan" ? FLANNEL_VXLAN : CALICO_VXLAN),
    port: VXLAN_PORT,
    udpChecksum: true,
    ...vxlan,
  };
  const mtu = segment.mtu - VXLAN_OVERHEAD;
  return new VxlanOverlay(host, { ...settings, local: address.address, podCidr, mtu });
}

function podNetwork(network: Network, host: Host, shared: NodeNetwork, { podCidr }: KubeNodeSpec): PodNetwork {
  const { cni = "bridge", bridge, mtu, bridgeCallsIptables: callsIptables, hairpin } = shared;
  switch (cni) {
    case "bridge":
    case "vxlan": {
      const name = bridge ?? (cni === "vxlan" ? FLANNEL_BRIDGE : DEFAULT_BRIDGE);
      return new BridgeNetwork({ network, host, podCidr, mtu, callsIptables, hairpin, name });
    }
    case "routed":
      return new RoutedNetwork({ network, host, mtu, ...CALICO_PODS });
    case "aws-vpc":
      return new VpcNetwork(network, host, mtu);
  }
}
