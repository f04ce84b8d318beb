import {
  ETHERNET_HEADER_LENGTH,
  EtherType,
  emitEthernet,
  ethernetType,
  type Interface,
  ipv4Fault,
  type MacAddress,
  Packet,
  parseEthernet,
  type Stack,
  setDestinationMac,
  sourceMac,
} from "../netstack/index.ts";
import { assert, type Frame } from "../sim/index.ts";
import type { BridgeFilter, BridgePort } from "./bridge.ts";

/**
 * The host's IP hooks for packets that cross its bridge (net/bridge/br_netfilter_hooks.c, bridge-nf-call-iptables = 1): "prerouting" where a frame comes in,
 * "forward" and "postrouting" where it leaves by a port. A packet whose destination was translated on the way in goes to the new one's port if that is
 * on this bridge; if not, up to the host, which routes it.
 */
export class BridgeNetfilter implements BridgeFilter {
  readonly #stack: Stack;
  /** The bridge's own interface: what the hooks see as input and output device. */
  readonly #bridge: Interface;
  /** Translated packets that wait for their new destination's hardware address, with what they need to go on. */
  readonly #waiting = new WeakMap<Packet, { readonly port: BridgePort; readonly source: MacAddress }>();

  constructor(stack: Stack, bridge: Interface) {
    this.#stack = stack;
    this.#bridge = bridge;
  }

  get takesTrains(): boolean {
    return this.#stack.takesTrains;
  }

  arrived(frame: Frame, port: BridgePort): Frame | undefined {
    if (ethernetType(frame.bytes, frame.start) !== EtherType.ipv4) return frame;
    const ip = frame.start + ETHERNET_HEADER_LENGTH;
    const fault = ipv4Fault(frame.bytes, ip, frame.end, frame.data);
    if (fault !== undefined) {
      this.#stack.host.drop(frame, fault);
      return undefined;
    }
    const packet = new Packet(frame, ip);
    packet.in = this.#bridge;
    packet.physIn = port.name;
    const destination = packet.destination;
    const seen = this.#stack.ip.prerouting(packet);
    if (seen === undefined) return undefined;
    seen.prerouted = true;
    seen.frame.context = seen;
    return seen.destination === destination ? seen.frame : this.#redirect(seen, port);
  }

  leaving(frame: Frame, port: BridgePort): readonly Frame[] {
    const packet = frame.context;
    // The host's own packets have passed its hooks before they came to the bridge.
    if (!(packet instanceof Packet) || packet.physIn === undefined) return [frame];
    frame.context = undefined;
    const carried = packet.frame === frame ? packet : packet.continuedIn(frame);
    carried.out = this.#bridge;
    carried.physOut = port.name;
    if (!this.#stack.runHook("forward", carried) || !this.#stack.runHook("postrouting", carried)) return [];
    if (carried.fragments === undefined) return [frame];
    const ethernet = parseEthernet(frame.bytes, frame.start, frame.end);
    assert(ethernet !== undefined, "a packet on a bridge has an Ethernet header");
    return this.#stack.ip.cut(carried, port.device.mtu).map((piece) => {
      emitEthernet(ethernet, piece.bytes, piece.frame.start);
      return piece.frame;
    });
  }

  resumed(frame: Frame): BridgePort | undefined {
    const packet = frame.context;
    // The host's own did not come in by a port.
    if (!(packet instanceof Packet) || packet.physIn === undefined) return undefined;
    const waited = this.#waiting.get(packet);
    if (waited === undefined) return undefined;
    const ethernet = parseEthernet(frame.bytes, frame.start, frame.end);
    assert(ethernet !== undefined, "a packet on a bridge has an Ethernet header");
    emitEthernet({ ...ethernet, source: waited.source }, frame.bytes, frame.start);
    return waited.port;
  }

  /** Finds a translated packet's way (`br_nf_pre_routing_finish`): its new neighbour on this bridge, or the host. */
  #redirect(packet: Packet, port: BridgePort): Frame | undefined {
    const { frame } = packet;
    const hop = this.#stack.addressing.hop(packet.destination);
    if (hop === undefined) {
      this.#stack.host.drop(packet, "no-route");
      return undefined;
    }
    const sameBridge = hop.out === this.#bridge;
    const known = sameBridge ? this.#stack.link.neighbours.known(this.#bridge, hop.nextHop) : this.#bridge.mac;
    if (known === undefined) {
      this.#waiting.set(packet, { port, source: sourceMac(frame.bytes, frame.start) });
      this.#stack.link.transmit(packet, this.#bridge, hop.nextHop);
      return undefined;
    }
    setDestinationMac(frame.bytes, frame.start, known);
    return frame;
  }
}
