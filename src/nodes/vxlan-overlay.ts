import { type Cidr, type Ipv4Address, type MacAddress, SharedRoutes } from "../netstack/index.ts";
import type { Host } from "./host.ts";
import { type VxlanDevice, vxlanMac } from "./vxlan-device.ts";

/** How nodes' tunnels are set up; the same on all of them. */
export interface VxlanSettings {
  /** The device's name. */
  readonly interface: string;
  readonly vni: number;
  readonly port: number;
  /** False leaves the outer UDP checksum 0. */
  readonly udpChecksum: boolean;
}

export interface VxlanOverlayOptions extends VxlanSettings {
  /** The node's address: the outer one. */
  readonly local: Ipv4Address;
  readonly podCidr: Cidr;
  readonly mtu: number;
}

/**
 * One node's end of the tunnels between nodes, as flannel and Calico set it up: a VXLAN device with the pod range's own address (its first, as /32), and for each
 * other node a route to its pods, a permanent neighbour and a forwarding entry. Nothing is learnt, nobody asks.
 */
export class VxlanOverlay {
  /** What a packet of the node itself to another node's pods has as its source. */
  readonly address: Ipv4Address;
  readonly #host: Host;
  readonly #device: VxlanDevice;
  readonly #name: string;

  constructor(host: Host, options: VxlanOverlayOptions) {
    const { interface: name, podCidr, local, ...settings } = options;
    this.#host = host;
    this.#name = name;
    this.address = podCidr.network;
    const addresses = [{ address: this.address, prefixLength: 32 }];
    this.#device = host.addVxlan({ ...settings, name, local, addresses, mac: vxlanMac(local), learns: false });
  }

  /** The ways to all other nodes' pods. */
  lead({ routes, neighbours, remotes }: OverlayWays): void {
    const { stack } = this.#host;
    const out = stack.interface(this.#name);
    if (out === undefined) return;
    stack.link.neighbours.share(neighbours, out, this.address);
    this.#device.shareEntries(remotes);
    stack.addressing.routes.share(routes, out, this.address);
  }
}

/** What all nodes know of each other, written once. */
export interface OverlayWays {
  readonly routes: SharedRoutes;
  /** Of the far ends' addresses inside. */
  readonly neighbours: ReadonlyMap<Ipv4Address, MacAddress>;
  readonly remotes: ReadonlyMap<MacAddress, Ipv4Address>;
}

/** The ways between nodes with these addresses and pods. */
export function overlayWays(nodes: readonly { readonly address: Ipv4Address; readonly podCidr: Cidr }[]): OverlayWays {
  return {
    routes: new SharedRoutes(nodes.map(({ podCidr }) => ({ destination: podCidr, via: podCidr.network }))),
    neighbours: new Map(nodes.map(({ address, podCidr }) => [podCidr.network, vxlanMac(address)])),
    remotes: new Map(nodes.map(({ address }) => [vxlanMac(address), address])),
  };
}
