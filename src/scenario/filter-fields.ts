import { TcpFlag } from "../netstack/index.ts";
import type { FilterFrame } from "./filter-frame.ts";

/** What a field holds, and so what it can be compared with. */
export type FieldKind = "protocol" | "number" | "flag" | "address" | "mac" | "text";

export interface FilterField {
  readonly kind: FieldKind;
  /** The field's values in a frame: none where the frame has no such field, two for `ip.addr` and the like. */
  readonly read: (frame: FilterFrame) => readonly (number | string)[];
}

const NONE: readonly number[] = [];

/** The fields that a display filter knows, by Wireshark's names. */
export const FILTER_FIELDS: Readonly<Record<string, FilterField>> = {
  frame: { kind: "text", read: (frame) => [frameText(frame)] },
  "frame.len": { kind: "number", read: (frame) => [frame.end - frame.start] },
  "frame.interface_name": { kind: "text", read: (frame) => [frame.point] },

  eth: { kind: "protocol", read: ({ ethernet }) => (ethernet ? [1] : NONE) },
  "eth.src": { kind: "mac", read: ({ ethernet }) => (ethernet ? [ethernet.source] : NONE) },
  "eth.dst": { kind: "mac", read: ({ ethernet }) => (ethernet ? [ethernet.destination] : NONE) },
  "eth.addr": { kind: "mac", read: ({ ethernet }) => (ethernet ? [ethernet.source, ethernet.destination] : NONE) },
  "eth.type": { kind: "number", read: ({ ethernet }) => (ethernet ? [ethernet.type] : NONE) },

  arp: { kind: "protocol", read: ({ arp }) => (arp ? [1] : NONE) },
  "arp.opcode": { kind: "number", read: ({ arp }) => (arp ? [arp.operation] : NONE) },
  "arp.src.proto_ipv4": { kind: "address", read: ({ arp }) => (arp ? [arp.senderIp] : NONE) },
  "arp.dst.proto_ipv4": { kind: "address", read: ({ arp }) => (arp ? [arp.targetIp] : NONE) },

  ip: { kind: "protocol", read: ({ ipv4 }) => (ipv4 ? [1] : NONE) },
  "ip.src": { kind: "address", read: ({ ipv4 }) => (ipv4 ? [ipv4.source] : NONE) },
  "ip.dst": { kind: "address", read: ({ ipv4 }) => (ipv4 ? [ipv4.destination] : NONE) },
  "ip.addr": { kind: "address", read: ({ ipv4 }) => (ipv4 ? [ipv4.source, ipv4.destination] : NONE) },
  "ip.ttl": { kind: "number", read: ({ ipv4 }) => (ipv4 ? [ipv4.ttl] : NONE) },
  "ip.id": { kind: "number", read: ({ ipv4 }) => (ipv4 ? [ipv4.identification] : NONE) },
  "ip.proto": { kind: "number", read: ({ ipv4 }) => (ipv4 ? [ipv4.protocol] : NONE) },
  "ip.len": { kind: "number", read: ({ ipv4 }) => (ipv4 ? [ipv4.totalLength] : NONE) },
  "ip.flags.df": { kind: "flag", read: ({ ipv4 }) => (ipv4 ? [Number(ipv4.dontFragment)] : NONE) },
  "ip.flags.mf": { kind: "flag", read: ({ ipv4 }) => (ipv4 ? [Number(ipv4.moreFragments)] : NONE) },
  "ip.frag_offset": { kind: "number", read: ({ ipv4 }) => (ipv4 ? [ipv4.fragmentOffset] : NONE) },

  icmp: { kind: "protocol", read: ({ icmp }) => (icmp ? [1] : NONE) },
  "icmp.type": { kind: "number", read: ({ icmp }) => (icmp ? [icmp.type] : NONE) },
  "icmp.code": { kind: "number", read: ({ icmp }) => (icmp ? [icmp.code] : NONE) },
  "icmp.ident": { kind: "number", read: ({ icmp }) => (icmp && isEcho(icmp.type) ? [icmp.rest >>> 16] : NONE) },
  "icmp.seq": { kind: "number", read: ({ icmp }) => (icmp && isEcho(icmp.type) ? [icmp.rest & 0xffff] : NONE) },

  udp: { kind: "protocol", read: ({ udp }) => (udp ? [1] : NONE) },
  "udp.srcport": { kind: "number", read: ({ udp }) => (udp ? [udp.sourcePort] : NONE) },
  "udp.dstport": { kind: "number", read: ({ udp }) => (udp ? [udp.destinationPort] : NONE) },
  "udp.port": { kind: "number", read: ({ udp }) => (udp ? [udp.sourcePort, udp.destinationPort] : NONE) },
  "udp.length": { kind: "number", read: ({ udp }) => (udp ? [udp.length] : NONE) },

  tcp: { kind: "protocol", read: ({ tcp }) => (tcp ? [1] : NONE) },
  "tcp.srcport": { kind: "number", read: ({ tcp }) => (tcp ? [tcp.sourcePort] : NONE) },
  "tcp.dstport": { kind: "number", read: ({ tcp }) => (tcp ? [tcp.destinationPort] : NONE) },
  "tcp.port": { kind: "number", read: ({ tcp }) => (tcp ? [tcp.sourcePort, tcp.destinationPort] : NONE) },
  "tcp.seq_raw": { kind: "number", read: ({ tcp }) => (tcp ? [tcp.sequence] : NONE) },
  "tcp.ack_raw": { kind: "number", read: ({ tcp }) => (tcp ? [tcp.acknowledgment] : NONE) },
  "tcp.window_size_value": { kind: "number", read: ({ tcp }) => (tcp ? [tcp.window] : NONE) },
  "tcp.len": { kind: "number", read: ({ tcp, payloadLength }) => (tcp ? [payloadLength ?? 0] : NONE) },
  "tcp.flags": { kind: "number", read: ({ tcp }) => (tcp ? [tcp.flags] : NONE) },
  "tcp.flags.syn": tcpFlag(TcpFlag.syn),
  "tcp.flags.ack": tcpFlag(TcpFlag.ack),
  "tcp.flags.fin": tcpFlag(TcpFlag.fin),
  "tcp.flags.reset": tcpFlag(TcpFlag.rst),
  "tcp.flags.push": tcpFlag(TcpFlag.psh),
};

function tcpFlag(mask: number): FilterField {
  return { kind: "flag", read: ({ tcp }) => (tcp ? [Number((tcp.flags & mask) !== 0)] : NONE) };
}

function isEcho(type: number): boolean {
  return type === 0 || type === 8;
}

/** One character a byte, for `frame contains "GET"`. */
function frameText(frame: FilterFrame): string {
  let text = "";
  for (const byte of frame.bytes.subarray(frame.start, frame.end)) text += String.fromCharCode(byte);
  return text;
}
