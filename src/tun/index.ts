/**
 * Real programs in the emulated network: the real kernel takes one host's place.
 *
 * For each interface of an emulated host the kernel gets one: a TAP of the TUN driver, or one end of a veth pair with a packet socket on it, is joined to its device. The
 * kernel's own frames, its ARP included, then travel the emulated network, whose time passes with the wall clock. The kernel hands over up to 64 KiB of a TCP stream
 * at once and is given as much; in the network, and in captures, every packet has its wire size and a right checksum.
 *
 * This folder knows frames and checksums, as a network card does, and Linux's interfaces; nothing of hosts, NAT or scenarios. It never touches an interface that it
 * did not make. Linux only; everything else says so in a sentence ({@link TunUnavailable}).
 *
 * ```ts
 * const linux = await loadLinux();
 * const tap = openTap(linux, "natscope0");
 * const driver = new RealTimeDriver(simulator);
 * const attachment = new Attachment({ interfaces: [{ device, port: new FramePump(linux, tap.descriptor, 1500) }], driver, simulator });
 * driver.start(); // … attachment.close() takes the interfaces away
 * ```
 */

export { type AttachedInterface, Attachment, type AttachmentCounters } from "./attachment.ts";
export { type FramePort, FramePump } from "./frame-pump.ts";
export { ip } from "./ip-command.ts";
export {
  configureCommands,
  type KernelNeighbour,
  type KernelPlace,
  type KernelRoute,
  type PlacedInterface,
  vethCommands,
} from "./kernel-place.ts";
export { type Linux, loadLinux, TunUnavailable } from "./linux.ts";
export { type CapLoader, captureLive, type LiveCapture, type LiveCaptureOptions } from "./live-capture.ts";
export { type NamespacedCommand, type NamespaceOptions, startInNamespace, unshareWords } from "./namespace.ts";
export type { NamespaceSetup } from "./namespace-setup.ts";
export { openPacketSocket } from "./packet-socket.ts";
export { RealTimeDriver, SYSTEM_CLOCK, type WallClock } from "./real-time-driver.ts";
export { type KernelInterface, openTap } from "./tap-device.ts";
export { openTuntap2, type Tap, type Tuntap2Interface } from "./tuntap2.ts";
