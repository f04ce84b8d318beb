import type { Packet } from "../src/netstack/index.ts";
import { udpPacket } from "../test/support/packets.ts";
import { FIRST_UDP_PORT, kubeRules, VIP } from "./kube-rules.ts";
import { buildPath } from "./path.ts";

/** IPv4 and UDP headers, in words: what rewriting changes. */
const HEADER_WORDS = 7;

/** The router of the path without its stack: packets are taken through its hooks by hand, in place. */
export class RouterHooks {
  /** Takes a packet through PREROUTING and POSTROUTING. */
  readonly pass: (packet: Packet) => void;
  /** How many connections the router knows. */
  readonly connections: () => number;

  constructor(options: { readonly masqueradeAll: boolean; readonly most?: number }) {
    const { router } = buildPath(kubeRules(1, { masqueradeAll: options.masqueradeAll }));
    if (options.most !== undefined) router.setConntrack({ max: options.most });
    const { netfilter } = router;
    const into = router.stack.interface("eth0");
    const out = router.stack.interface("eth1");
    if (netfilter === undefined || into === undefined || out === undefined) throw new Error("the path has a router");
    this.connections = () => netfilter.connections;
    this.pass = (packet) => {
      packet.in = into;
      packet.out = undefined;
      packet.tracking = undefined;
      packet.mark = 0;
      netfilter.run("prerouting", packet);
      packet.out = out;
      netfilter.run("postrouting", packet);
    };
  }
}

/** A packet that can be sent again and again. */
export interface Repeatable {
  readonly packet: Packet;
  readonly headers: Uint32Array;
}

/** A datagram of 64 bytes to the measured Service. */
export function datagramFrom(address: string, port: number): Repeatable {
  const packet = udpPacket({ from: `${address}:${port}`, to: `${VIP}:${FIRST_UDP_PORT}`, payload: 64 });
  const { frame, ip } = packet;
  return { packet, headers: Uint32Array.from({ length: HEADER_WORDS }, (_, i) => frame.data.getUint32(ip + i * 4)) };
}

/** Makes the packet what it was, for one whose checksum nobody has looked at yet. */
export function restore({ packet, headers }: Repeatable): void {
  const { frame, ip } = packet;
  for (let i = 0; i < HEADER_WORDS; i++) frame.data.setUint32(ip + i * 4, headers[i]!);
  frame.sumKnownAt = 0;
}
