import type { Clock, Frame, FramePool, Random, Time } from "../sim/index.ts";
import { DropCounters, type DropReason } from "./drop.ts";
import type { PacketEventDetail, PacketEvents, RuleReference } from "./events.ts";
import type { Packet } from "./packet.ts";

/** Kernel parameters of a host, by their meaning; each comment has Linux's name and default. */
export interface Sysctls {
  /** net.ipv4.ip_forward, 0. */
  forwarding: boolean;
  /** net.ipv4.conf.all.route_localnet, 0: 127.0.0.0/8 may come in from a network. */
  routeLocalnet: boolean;
  /** net.ipv4.conf.all.accept_local, 0: packets with one of the host's own source addresses may come in. */
  acceptLocal: boolean;
  /** net.ipv4.conf.all.rp_filter, 0. */
  reversePathFilter: "off" | "strict" | "loose";
  /** net.ipv4.ip_default_ttl, 64. */
  defaultTtl: number;
  /** net.ipv4.icmp_echo_ignore_all, 0. */
  ignoreEcho: boolean;
  /** net.ipv4.icmp_ratelimit, 1000 ms: the time for one error per destination; 0 is without limit. */
  icmpRateLimitMs: number;
  /** net.ipv4.icmp_msgs_per_sec, 1000, with bursts of icmp_msgs_burst, 50. */
  icmpMessagesPerSecond: number;
  /** net.ipv4.ip_local_port_range, 32768 to 60999. */
  localPorts: readonly [number, number];
}

export const DEFAULT_SYSCTLS: Sysctls = {
  forwarding: false,
  routeLocalnet: false,
  acceptLocal: false,
  reversePathFilter: "off",
  defaultTtl: 64,
  ignoreEcho: false,
  icmpRateLimitMs: 1000,
  icmpMessagesPerSecond: 1000,
  localPorts: [32768, 60999],
};

export interface HostContextOptions {
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly frames: FramePool;
  readonly events: PacketEvents;
  readonly sysctls?: Partial<Sysctls>;
}

/** What all layers of one host share: its name, time, chance, events, and the one way in which packets end. */
export class HostContext {
  readonly name: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly frames: FramePool;
  readonly events: PacketEvents;
  readonly sysctls: Sysctls;
  /** CPUs that handle packets. With one, a packet is through before the next one is looked at. */
  cpus = 1;
  readonly drops: DropCounters = new DropCounters();
  #at: Time;

  constructor(options: HostContextOptions) {
    this.name = options.name;
    this.clock = options.clock;
    this.random = options.random;
    this.frames = options.frames;
    this.events = options.events;
    this.sysctls = { ...DEFAULT_SYSCTLS, ...options.sysctls };
    this.#at = this.clock.now();
  }

  /** The host's own time: the clock's, or a few µs later while it is busy with a packet, as handling one takes time. */
  now(): Time {
    return Math.max(this.clock.now(), this.#at) as Time;
  }

  /** Notes that the host is busy with a frame that is here at `frame.at`. What it sends in answer leaves later than that. */
  follow(frame: Frame): void {
    const now = this.clock.now();
    if (frame.at < now) frame.at = now;
    if (frame.at > this.#at) this.#at = frame.at;
  }

  emit(lineage: number, detail: PacketEventDetail): void {
    this.events.emit({ time: this.now(), node: this.name, lineage, ...detail });
  }

  /** The one way out for what is not delivered: counted, told, released. */
  drop(what: Packet | Frame, reason: DropReason, rule?: RuleReference): void {
    const frame = "frame" in what ? what.frame : what;
    this.drops.add(reason, frame.segments);
    if (this.events.active) this.emit(frame.lineage, { kind: "dropped", reason, ...(rule && { rule }) });
    frame.release();
  }
}
