import type { Hook } from "../netstack/index.ts";
import { type CompiledChain, compileTable } from "./evaluate.ts";
import type { BuiltinChain, Ruleset, TableName } from "./rule.ts";

/** What is done in a hook: a table is walked, or connection tracking does its part. */
type Step = TableName | "conntrack" | "confirm";
/** Virtual servers stand in front of source NAT in INPUT, and last in OUTPUT (`ip_vs_ops4`, net/netfilter/ipvs/ip_vs_core.c). */
type PlannedKind = Step | "virtual-servers";

/**
 * Linux's order, by priority (`enum nf_ip_hook_priorities`, include/uapi/linux/netfilter_ipv4.h): raw −300, conntrack −200, mangle −150, destination
 * nat −100, filter 0, source nat 100, and last of all the new connection is entered.
 */
export const HOOK_ORDER: Readonly<Record<Hook, readonly Step[]>> = {
  prerouting: ["raw", "conntrack", "mangle", "nat"],
  input: ["mangle", "filter", "nat", "confirm"],
  forward: ["mangle", "filter"],
  output: ["raw", "conntrack", "mangle", "nat", "filter"],
  postrouting: ["mangle", "nat", "confirm"],
};

const CHAINS: Readonly<Record<Hook, BuiltinChain>> = {
  prerouting: "PREROUTING",
  input: "INPUT",
  forward: "FORWARD",
  output: "OUTPUT",
  postrouting: "POSTROUTING",
};

/** One step with what it needs, so that the packet path looks nothing up. */
export interface PlannedStep {
  readonly step: PlannedKind;
  /** The chain to walk; a nat table may do without. */
  readonly chain: CompiledChain | undefined;
}

/** What is done in each hook, in order. */
export type Plan = Readonly<Record<Hook, readonly PlannedStep[]>>;

/** What a plan depends on beside the rules. */
export interface PlanOptions {
  /** Whether connections are tracked. */
  readonly tracks: boolean;
  readonly hasVirtualServers: boolean;
}

/** By the options, as a number. */
const plans = new WeakMap<Ruleset, (Plan | undefined)[]>();

/**
 * What is done in each hook with these rules, without what can have no effect; made once for all hosts that have the same. Of tables that are as `before` but
 * for a few rules, only these are made ready anew.
 */
export function planHooks(ruleset: Ruleset, options: PlanOptions, before: Ruleset): Plan {
  const made = plans.get(ruleset) ?? [];
  plans.set(ruleset, made);
  const number = (options.tracks ? 1 : 0) + (options.hasVirtualServers ? 2 : 0);
  const known = made[number];
  if (known !== undefined) return known;
  const planned = (hook: Hook): readonly PlannedStep[] =>
    kindsOf(hook, options).flatMap((step) => planStep(step, CHAINS[hook], ruleset, before));
  const plan: Plan = {
    prerouting: planned("prerouting"),
    input: planned("input"),
    forward: planned("forward"),
    output: planned("output"),
    postrouting: planned("postrouting"),
  };
  made[number] = plan;
  return plan;
}

function kindsOf(hook: Hook, { tracks, hasVirtualServers }: PlanOptions): readonly PlannedKind[] {
  const steps = HOOK_ORDER[hook].filter((step) => tracks || !TRACKING.has(step));
  if (!hasVirtualServers || (hook !== "input" && hook !== "output")) return steps;
  return steps.flatMap((step): PlannedKind[] => (step === "filter" ? [step, "virtual-servers"] : [step]));
}

/** Not done where connections are not tracked. */
const TRACKING: ReadonlySet<Step> = new Set<Step>(["conntrack", "nat", "confirm"]);

function planStep(step: PlannedKind, chain: BuiltinChain, ruleset: Ruleset, before: Ruleset): PlannedStep[] {
  if (step === "virtual-servers" || step === "conntrack" || step === "confirm") return [{ step, chain: undefined }];
  const table = ruleset.get(step);
  if (table === undefined) return [];
  const compiled = compileTable(table, before.get(step)).chain(chain);
  // Without rules, nat still undoes translations and keeps connections apart.
  return step !== "nat" && (compiled?.isIdle ?? true) ? [] : [{ step, chain: compiled }];
}

/** The plan's entry, without a look-up by a key that changes. */
export function stepsOf(plan: Plan, hook: Hook): readonly PlannedStep[] {
  switch (hook) {
    case "prerouting":
      return plan.prerouting;
    case "input":
      return plan.input;
    case "forward":
      return plan.forward;
    case "output":
      return plan.output;
    case "postrouting":
      return plan.postrouting;
  }
}
