/**
 * natscope as a library: a network emulator that works on real bytes.
 *
 * {@link Network} holds time, chance and boxes; hosts, routers, switches and Kubernetes clusters are added to it, programs run on hosts, and what
 * happens to packets comes as {@link PacketEvent}s and as a pcapng capture. The folders of `src/` are described in docs/design.md; this file passes
 * on what is meant for users of the library.
 *
 * @module
 */

export * from "./apps/index.ts";
export * from "./explain/index.ts";
export * from "./kube/index.ts";
export * from "./nat/index.ts";
/** Of the two, nat's is the set that packets are matched against; kube's describes what kube-proxy would make. */
export { IpSet, type IpSetType } from "./nat/index.ts";
export * from "./netstack/index.ts";
export * from "./nodes/index.ts";
export * from "./pcap/index.ts";
export * from "./scenario/index.ts";
export * from "./sim/index.ts";
