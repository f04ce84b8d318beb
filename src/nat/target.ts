import type { CompiledRule } from "./compiled-rule.ts";
import { type PacketWalk, Verdict } from "./packet-walk.ts";
import type { Target } from "./rule.ts";
import { connmark, mark, ttl } from "./target-change.ts";
import { reject } from "./target-reject.ts";
import { tcpmss } from "./target-tcpmss.ts";
import { notrack } from "./target-track.ts";

/** What a target does; it gives the verdict. */
export type TargetAction = (walk: PacketWalk, rule: CompiledRule) => number;

export interface CompiledTarget {
  readonly verdict: number;
  readonly action: TargetAction | undefined;
  readonly text: string;
}

/** The verdict or action that a target stands for. Jumps give none here: they are the chain's business. */
export function compileTarget(target: Target | undefined): CompiledTarget {
  switch (target?.kind) {
    case "accept":
      return verdict(Verdict.accept, "ACCEPT");
    case "drop":
      return verdict(Verdict.drop, "DROP");
    case "return":
      return verdict(Verdict.return, "RETURN");
    case "reject":
      return { verdict: Verdict.reject, action: reject(target), text: "REJECT" };
    case "snat":
    case "dnat":
    case "masquerade":
    case "redirect":
    case "netmap":
      return { verdict: Verdict.accept, action: (walk, rule) => translate(walk, rule, target), text: "ACCEPT" };
    case "mark":
      return goesOn(mark(target));
    case "connmark":
      return goesOn(connmark(target));
    case "ttl":
      return goesOn(ttl(target));
    case "tcpmss":
      return goesOn(tcpmss(target));
    case "notrack":
      return goesOn(notrack);
    case "ct":
      return target.notrack ? goesOn(notrack) : verdict(Verdict.continue, "CONTINUE");
    default:
      // No target, LOG and TRACE: who listens to the event stream is told of every rule that matched.
      return verdict(Verdict.continue, "CONTINUE");
  }
}

/** The table's caller sets the translation up: it also decides when no rule asks for one. */
function translate(walk: PacketWalk, rule: CompiledRule, target: Target): number {
  walk.natTarget = target;
  walk.natRule = rule;
  return Verdict.accept;
}

function verdict(number: number, text: string): CompiledTarget {
  return { verdict: number, action: undefined, text };
}

function goesOn(action: TargetAction): CompiledTarget {
  return { verdict: Verdict.continue, action, text: "CONTINUE" };
}
