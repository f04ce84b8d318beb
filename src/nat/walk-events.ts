import type { Hook, HookHost, Packet, PacketEventDetail, PacketField, RewriteCause } from "../netstack/index.ts";
import type { Time } from "../sim/index.ts";
import type { CompiledRule } from "./compiled-rule.ts";
import type { PacketWalk } from "./packet-walk.ts";

/** One field that changed. */
export interface Rewriting {
  readonly field: PacketField;
  readonly from: number;
  readonly to: number;
  readonly cause: RewriteCause;
  /** In the header that an ICMP error quotes. */
  readonly quoted?: true;
}

/** Tells of something that happened to a packet. The caller has looked at `events.active`. */
export function tell(host: HookHost, packet: Packet, detail: PacketEventDetail): void {
  // A packet is where it is a little later than the clock says: handling it takes time.
  const time = Math.max(host.clock.now(), packet.frame.at) as Time;
  host.events.emit({ time, node: host.name, lineage: packet.lineage, ...detail });
}

/** What telling of a rewrite needs: a packet in a hook of a host. */
export interface RewritePlace {
  readonly packet: Packet;
  readonly hook: Hook;
  readonly environment: { readonly host: HookHost };
}

export function tellRewritten(walk: RewritePlace, rewriting: Rewriting): void {
  tell(walk.environment.host, walk.packet, { kind: "rewritten", hook: walk.hook, ...rewriting });
}

export function tellRule(walk: PacketWalk, rule: CompiledRule, matched: boolean): void {
  const verdict = matched ? rule.verdictText : "CONTINUE";
  tell(walk.environment.host, walk.packet, { kind: "rule", hook: walk.hook, rule: rule.reference, matched, verdict });
}

export function tellHook(host: HookHost, hook: Hook, packet: Packet, state: string): void {
  tell(host, packet, {
    kind: "hook",
    hook,
    in: packet.in?.name,
    out: hook === "prerouting" || hook === "input" ? undefined : packet.out?.name,
    packet: packet.summary(),
    state,
  });
}
