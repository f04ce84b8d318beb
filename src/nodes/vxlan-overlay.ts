import type { Cidr, Ipv4Address } from "../netstack/index.ts";
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

  /** The way to the pods of the node at `remote`. */
  leadTo(podCidr: Cidr, remote: Ipv4Address): void {
    const { stack } = this.#host;
    const out = stack.interface(this.#name);
    if (out === undefined) return;
    const via = podCidr.network;
    stack.link.neighbours.setPermanent(out, via, vxlanMac(remote));
    this.#device.addEntry(vxlanMac(remote), remote);
    stack.addressing.routes.add({ destination: podCidr, out, via });
  }
}
