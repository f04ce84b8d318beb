import {
  type DropReason,
  getU16,
  getU32,
  type Hook,
  type HookHost,
  IpProtocol,
  type Packet,
} from "../netstack/index.ts";
import type { CompiledRule } from "./compiled-rule.ts";
import { stateBits } from "./connection-state.ts";
import type { Conntrack } from "./conntrack.ts";
import type { HashlimitTable } from "./hashlimit-table.ts";
import type { IpSets } from "./ipset.ts";
import type { RecentLists } from "./recent-list.ts";
import type { Target } from "./rule.ts";
import { trackingIn } from "./tracking.ts";
import { UDP_LITE } from "./tuple.ts";

/** What the rules of one host may ask and what they remember there. Compiled rules themselves hold nothing, so that hosts can share them. */
export interface RuleEnvironment {
  readonly host: HookHost;
  readonly conntrack: Conntrack;
  readonly sets: IpSets;
  readonly recents: RecentLists;
  /** Tables of -m hashlimit by name: shared by all rules that name them, made by the first. */
  readonly hashlimits: Map<string, HashlimitTable>;
  /** The state of a match that counts, made when it is first asked for. */
  state<T>(of: object, create: () => T): T;
}

/**
 * One packet in one hook, as rules see it: the fields that are asked for again and again, and what the rules have decided. Filled anew for each
 * packet, as the packet path makes no objects.
 */
export class PacketWalk {
  readonly environment: RuleEnvironment;
  hook: Hook = "prerouting";
  /** Somebody reads the event stream; and wants to know of rules that did not match, too. */
  isTold = false;
  tellsEveryRule = false;
  /** Addresses as signed words. This and what follows down to `out` is there after {@link look}. */
  source = 0;
  destination = 0;
  protocol = 0;
  isLaterFragment = false;
  /** Bytes of the transport header and behind it. */
  transportLength = 0;
  /** See tracking.ts; and what `--ctstate` sees of it. */
  tracking: number | undefined;
  state = 0;
  /** Names of the interfaces; empty where there is none. */
  in = "";
  out = "";
  /** A match found the packet malformed: it is dropped without further ado. */
  hotDrop = false;
  /** Chains entered and not left. */
  depth = 0;
  /** The nat target that ended the walk, and its rule. */
  natTarget: Target | undefined;
  natRule: CompiledRule | undefined;
  #packet: Packet | undefined;
  #hasLooked = false;

  constructor(environment: RuleEnvironment) {
    this.environment = environment;
  }

  get packet(): Packet {
    return this.#packet as Packet;
  }

  /** Takes a packet into a hook. */
  begin(hook: Hook, packet: Packet): void {
    const { events } = this.environment.host;
    this.#packet = packet;
    this.hook = hook;
    this.isTold = events.active;
    this.tellsEveryRule = this.isTold && events.everyRule;
    this.changed();
  }

  /** The packet is another than rules have seen, and what they said of it is done with. */
  changed(): void {
    this.#hasLooked = false;
    this.natTarget = undefined;
    this.natRule = undefined;
  }

  /** Sees the packet as it is now, for rules. Packets of connections that are known pass most tables without. */
  look(): void {
    if (this.#hasLooked) return;
    this.#hasLooked = true;
    const { hook, packet } = this;
    const { bytes, ip } = packet;
    this.source = getU32(bytes, ip + 12) | 0;
    this.destination = getU32(bytes, ip + 16) | 0;
    this.protocol = packet.protocol;
    this.isLaterFragment = packet.isLaterFragment;
    this.transportLength = packet.end - packet.transport;
    this.see(trackingIn(packet, this.environment.conntrack.table));
    const seesIn = hook === "prerouting" || hook === "input" || hook === "forward" || hook === "postrouting";
    this.in = seesIn ? (packet.in?.name ?? "") : "";
    this.out = hook === "prerouting" || hook === "input" ? "" : (packet.out?.name ?? "");
    this.hotDrop = false;
    this.depth = 0;
  }

  /** Notes the packet's tracking. */
  see(tracking: number | undefined): void {
    this.tracking = tracking;
    this.state = stateBits(tracking, this.environment.conntrack.table);
  }

  /** Lets go of the packet, whose frame will be another's. */
  end(): void {
    this.#packet = undefined;
  }

  get hasPorts(): boolean {
    const { protocol } = this;
    if (
      protocol !== IpProtocol.tcp &&
      protocol !== IpProtocol.udp &&
      protocol !== IpProtocol.sctp &&
      protocol !== UDP_LITE
    )
      return false;
    return !this.isLaterFragment && this.transportLength >= 4;
  }

  /** Meaningful where {@link hasPorts}. */
  get sourcePort(): number {
    return getU16(this.packet.bytes, this.packet.transport);
  }

  get destinationPort(): number {
    return getU16(this.packet.bytes, this.packet.transport + 2);
  }
}

/** What a rule, a chain or a table says. Positive numbers end the packet's way through the table. */
export const Verdict = { continue: 0, return: -1, accept: 1, drop: 2, reject: 3 } as const;

/** A verdict as the stack is told. */
export function dropReasonOf(verdict: number): DropReason {
  return verdict === Verdict.reject ? "rule-reject" : "rule-drop";
}
