import type { Clock, Draws, FramePool } from "../sim/index.ts";
import type { DropReason } from "./drop.ts";
import type { PacketEvents } from "./events.ts";
import type { Interface } from "./interface.ts";
import type { Ipv4Address } from "./ipv4-address.ts";
import type { Packet } from "./packet.ts";

/** The five places on a packet's way where a {@link PacketHook} is asked (include/uapi/linux/netfilter.h). */
export type Hook = "prerouting" | "input" | "forward" | "output" | "postrouting";

/** "accept" lets the packet go on, possibly changed; otherwise why it ends here. The stack counts and releases it. */
export type HookVerdict = "accept" | DropReason;

/**
 * What stands on a host's packet path: a firewall, NAT, a middlebox of a user's own. It may change the packet in place. When the
 * destination or the mark changed in "output", the stack routes the packet again; in "prerouting" it routes by what it finds.
 */
export interface PacketHook {
  /** True when the hook needs whole datagrams: the stack then reassembles before "prerouting" and "output", and fragments again on the way out. */
  readonly wantsDatagrams: boolean;
  /** True when the hook counts or measures packets one by one: trains of TCP segments are then cut before they reach the host. */
  readonly wantsSegments?: boolean;
  /** Lets the packet pass, changed or not, or gives the reason for dropping it. */
  run(hook: Hook, packet: Packet): HookVerdict;
  /** True of a packet that begins something others cannot know of before it has passed "postrouting". */
  isUnsettled?(packet: Packet): boolean;
  /** Makes `answer`, which the host sends because of `packet`, part of the same connection (`nf_ct_attach`, net/netfilter/core.c). */
  attach?(answer: Packet, packet: Packet): void;
}

/** An address's type as the host's routing table sees it (`inet_addr_type`, net/ipv4/fib_frontend.c). */
export type AddressKind = "unspecified" | "local" | "broadcast" | "multicast" | "unicast" | "unreachable";

/** What a hook may ask of the stack in which it stands. */
export interface HookHost {
  readonly name: string;
  readonly clock: Clock;
  readonly random: Draws;
  readonly frames: FramePool;
  readonly events: PacketEvents;
  /** `on` limits "local" to addresses of that interface. */
  addressKind(address: Ipv4Address, on?: Interface): AddressKind;
  /**
   * The address a packet would carry that leaves through `out` towards `destination`: of the interface's addresses the one in the next hop's
   * subnet, else its first, else another interface's (`inet_select_addr`, net/ipv4/devinet.c).
   */
  sourceAddressFor(out: Interface, destination: Ipv4Address): Ipv4Address | undefined;
  /** The path MTU towards `destination`: the route's interface's, or less where an ICMP error has told so. */
  pathMtu(destination: Ipv4Address): number;
  /** Answers `packet` with an ICMP error that quotes it, unless the RFCs forbid one or the rate limit is reached. */
  sendIcmpError(packet: Packet, type: number, code: number): void;
  /** Answers the TCP segment in `packet` with a reset, as REJECT --reject-with tcp-reset does. */
  sendTcpReset(packet: Packet): void;
}
