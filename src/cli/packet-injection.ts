import { EtherType, ipv4Fault, networkLayer, Packet } from "../netstack/index.ts";
import type { Host, Network } from "../nodes/index.ts";
import { counted } from "./counted.ts";

/** What became of a packet that was to be sent again. */
export type Injected = "sent" | "not-ipv4" | "malformed" | "no-route";

/** Sends packets that were captured elsewhere from a host of the network, by the host's own routes: only what is in the IP packet is kept. */
export class PacketInjector {
  readonly counts: Record<Injected, number> = { sent: 0, "not-ipv4": 0, malformed: 0, "no-route": 0 };
  readonly #network: Network;
  readonly #host: Host;

  constructor(network: Network, host: Host) {
    this.#network = network;
    this.#host = host;
  }

  /** Takes an Ethernet frame, an IP packet with nothing before it, or something else, which is counted. The bytes are copied. */
  inject(bytes: Uint8Array, link: "ethernet" | "ip" | "other"): void {
    this.counts[this.#send(bytes, link)] += 1;
  }

  #send(bytes: Uint8Array, link: "ethernet" | "ip" | "other"): Injected {
    if (link === "other") return "not-ipv4";
    const layer = link === "ip" ? { type: EtherType.ipv4, at: 0 } : networkLayer(bytes, 0, bytes.length);
    if (layer === undefined) return "malformed";
    if (layer.type !== EtherType.ipv4 || (bytes[layer.at] ?? 0) >> 4 !== 4) return "not-ipv4";
    const { frames } = this.#network.simulator;
    const frame = frames.create(bytes.length - layer.at);
    frame.bytes.set(bytes.subarray(layer.at), frame.start);
    frame.at = this.#host.stack.host.now();
    if (ipv4Fault(frame.bytes, frame.start, frame.end) !== undefined) {
      frame.release();
      return "malformed";
    }
    const packet = new Packet(frame, frame.start);
    const hop = this.#host.stack.addressing.hop(packet.destination);
    if (hop === undefined || hop.out === this.#host.stack.loopback) {
      frame.release();
      return "no-route";
    }
    this.#host.stack.link.transmit(packet, hop.out, hop.nextHop);
    return "sent";
  }
}

/** `12 packets sent; left out: 3 not-ipv4`. */
export function describeInjected(counts: PacketInjector["counts"]): string {
  const { sent, ...others } = counts;
  const left = Object.entries(others).flatMap(([reason, count]) => (count === 0 ? [] : [`${count} ${reason}`]));
  return `${counted(sent, "packet")} sent${left.length === 0 ? "" : `; left out: ${left.join(", ")}`}`;
}
