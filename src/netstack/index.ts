/**
 * Bytes to protocols: Ethernet, ARP, IPv4, ICMP, UDP and TCP of one host.
 *
 * `wire/` has one file a protocol: offsets, a read-only form, `parse`, `emit`. {@link Packet} is the other form: a mutable view over a frame's
 * bytes, for boxes that forward and rewrite. {@link Stack} puts a host together and carries packets through it in Linux's order. This layer declares
 * {@link PacketHook}, five places at which somebody may look at a packet, change it or end it, and knows nothing of who that is: no NAT, no
 * Kubernetes, no topology. Bad bytes never throw: every packet that is not delivered leaves through one `drop` with a reason.
 *
 * ```ts
 * const stack = new Stack({ name: "a", clock, queue, random, frames, events });
 * stack.addInterface({ name: "eth0", device: link.a, mac: mac(0x020000000001), addresses: [{ address: address("10.0.0.1"), prefixLength: 24 }] });
 * stack.udp.open({ port: 53, onDatagram: (datagram) => {} });
 * ```
 */

export { Addressing, type Hop } from "./addressing.ts";
export { getU8, getU16, getU32, setU8, setU16, setU32 } from "./bytes.ts";
export {
  checksum,
  fillChecksum,
  finishChecksum,
  sumPseudoHeader,
  sumWords,
  updateChecksum,
  updateChecksum32,
} from "./checksum.ts";
export * from "./cidr.ts";
export { DEFAULT_SYSCTLS, HostContext, type HostContextOptions, type Sysctls } from "./context.ts";
export { DropCounters, type DropReason } from "./drop.ts";
export * from "./events.ts";
export * from "./hooks.ts";
export type { EchoReply, EchoRequest, IcmpErrorMessage } from "./icmp.ts";
export { Interface, type InterfaceOptions } from "./interface.ts";
export * from "./ipv4-address.ts";
export * from "./mac.ts";
export type { NeighbourState } from "./neighbour.ts";
export { Packet } from "./packet.ts";
export { type Route, type SharedRoute, SharedRoutes } from "./route.ts";
export { cutTrain, payloadOnWire, sendThrough } from "./segment-train.ts";
export { Stack, type StackOptions } from "./stack.ts";
export { type CloseReason, type KeepAlive, LINUX_TCP, type TcpInfo, type TcpSettings } from "./tcp/index.ts";
export type { TcpConnectOptions, TcpListenOptions, TcpServer } from "./tcp-layer.ts";
export type { TcpEndpoint, TcpSocket, TcpSocketEvents } from "./tcp-socket.ts";
export type { UdpDatagram, UdpSend, UdpSocket, UdpSocketOptions, UdpTunnel } from "./udp.ts";
export * from "./wire/arp.ts";
export * from "./wire/ethernet.ts";
export * from "./wire/icmp.ts";
export * from "./wire/ipv4.ts";
export * from "./wire/tcp.ts";
export * from "./wire/tcp-options.ts";
export * from "./wire/udp.ts";
export * from "./wire/vxlan.ts";
