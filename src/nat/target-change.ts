import type { PacketField } from "../netstack/index.ts";
import type { CompiledRule } from "./compiled-rule.ts";
import { type PacketWalk, Verdict } from "./packet-walk.ts";
import type { Target } from "./rule.ts";
import type { TargetAction } from "./target.ts";
import { slotOf } from "./tracking.ts";
import { tellRewritten } from "./walk-events.ts";

/* Targets that change a number: net/netfilter/xt_mark.c, xt_connmark.c, xt_HL.c. */

type OfKind<K extends Target["kind"]> = Extract<Target, { kind: K }>;

export function mark(target: OfKind<"mark">): TargetAction {
  return (walk, rule) => setMark(walk, rule, ((walk.packet.mark & ~target.mask) ^ target.value) >>> 0);
}

export function connmark(target: OfKind<"connmark">): TargetAction {
  return (walk, rule) => {
    const { tracking, packet } = walk;
    if (tracking === undefined || tracking < 0) return Verdict.continue;
    const { conntrack } = walk.environment;
    const slot = slotOf(tracking);
    const own = conntrack.mark(slot);
    if (target.action === "set") {
      conntrack.setMark(slot, ((own & ~target.mask) ^ target.value) >>> 0);
      return Verdict.continue;
    }
    const { connectionMask, packetMask } = target;
    if (target.action === "restore")
      return setMark(walk, rule, ((packet.mark & ~packetMask) ^ (own & connectionMask)) >>> 0);
    conntrack.setMark(slot, ((own & ~connectionMask) ^ (packet.mark & packetMask)) >>> 0);
    return Verdict.continue;
  };
}

export function ttl(target: OfKind<"ttl">): TargetAction {
  const { action, value } = target;
  return (walk, rule) => {
    const { packet } = walk;
    const from = packet.ttl;
    if (action === "set") packet.ttl = value;
    else if (action === "inc") packet.ttl = Math.min(from + value, 255);
    else packet.ttl = Math.max(from - value, 0);
    told(walk, rule, "ttl", from, packet.ttl);
    return Verdict.continue;
  };
}

function setMark(walk: PacketWalk, rule: CompiledRule, mark: number): number {
  const from = walk.packet.mark;
  walk.packet.mark = mark;
  told(walk, rule, "mark", from, mark);
  return Verdict.continue;
}

function told(walk: PacketWalk, rule: CompiledRule, field: PacketField, from: number, to: number): void {
  if (from === to || !walk.environment.host.events.active) return;
  tellRewritten(walk, { field, from, to, cause: causeOf(rule) });
}

function causeOf(rule: CompiledRule): { kind: "rule"; target: string; rule: CompiledRule["reference"] } {
  return { kind: "rule", target: rule.rule.target?.kind.toUpperCase() ?? "", rule: rule.reference };
}
