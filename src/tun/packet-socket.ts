import { CLOEXEC, int32, type Linux, NONBLOCK, succeed, TunUnavailable } from "./linux.ts";
import type { KernelInterface } from "./tap-device.ts";

/** linux/if_packet.h, linux/if_ether.h, asm-generic/socket.h. */
const AF_PACKET = 17;
const SOCK_RAW = 3;
const SOL_PACKET = 263;
const PACKET_VNET_HDR = 15;
const PACKET_IGNORE_OUTGOING = 23;
const ETH_P_ALL = 3;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SOCKADDR_LL_LENGTH = 20;
/** Some thirty super-packets, and no more short ones than the emulation can be rid of at once. */
const BUFFER_BYTES = 4 * 1024 * 1024;

/**
 * Opens a packet socket on one end of a veth pair in the caller's network namespace: what the kernel sends by the other end is read from it. It
 * does what a TAP does where /dev/net/tun may not be opened, with the same header before each frame.
 * @throws TunUnavailable
 */
export function openPacketSocket(linux: Linux, end: string): KernelInterface {
  const index = linux.interfaceIndex(end);
  if (index === 0) throw new TunUnavailable(`there is no interface ${end} to put a packet socket on`);
  // Of no protocol until it is bound, so that it never sees another interface's frames.
  const socket = linux.socket(AF_PACKET, SOCK_RAW | NONBLOCK | CLOEXEC, 0);
  const descriptor = succeed(linux, socket, "a packet socket cannot be opened");
  try {
    const set = (name: number): number => linux.setsockopt(descriptor, SOL_PACKET, name, int32(1), 4);
    succeed(linux, set(PACKET_VNET_HDR), "the packet socket does not take offloads");
    set(PACKET_IGNORE_OUTGOING);
    growBuffer(linux, descriptor, SO_RCVBUFFORCE, SO_RCVBUF);
    growBuffer(linux, descriptor, SO_SNDBUFFORCE, SO_SNDBUF);
    const address = new Uint8Array(SOCKADDR_LL_LENGTH);
    const view = new DataView(address.buffer);
    view.setUint16(0, AF_PACKET, true);
    view.setUint16(2, ETH_P_ALL, false);
    view.setInt32(4, index, true);
    succeed(linux, linux.bind(descriptor, address, address.length), `the packet socket cannot be bound to ${end}`);
  } catch (error) {
    linux.close(descriptor);
    throw error;
  }
  return { descriptor, name: end };
}

/** Without the right to force it, the system's own limit holds. */
function growBuffer(linux: Linux, descriptor: number, force: number, ask: number): void {
  if (linux.setsockopt(descriptor, SOL_SOCKET, force, int32(BUFFER_BYTES), 4) === 0) return;
  linux.setsockopt(descriptor, SOL_SOCKET, ask, int32(BUFFER_BYTES), 4);
}
