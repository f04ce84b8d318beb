import { BUILTIN_CHAINS } from "./iptables-tables.ts";
import type { BuiltinChain, Match, Rule, TableName, Target } from "./rule.ts";

/** A rule that the kernel would refuse, by its chain and its number there from 0. */
export interface RuleFault {
  readonly chain: string;
  readonly rule: number;
  readonly problem: string;
  readonly remedy: string;
}

/** A table's rules by chain, as far as the check needs them. */
export type ChainRules = ReadonlyMap<string, readonly Rule[]>;

/** Targets that one table alone has (`.table` of the kernel's xt_target). */
const TABLE_OF_TARGET: Partial<Record<Target["kind"], TableName>> = {
  reject: "filter",
  snat: "nat",
  dnat: "nat",
  masquerade: "nat",
  redirect: "nat",
  netmap: "nat",
  ct: "raw",
  notrack: "raw",
  ttl: "mangle",
};

/** The hooks at which a target works (`.hooks`), the chains reached from there included; all, where nothing stands here. */
const HOOKS_OF_TARGET: Partial<Record<Target["kind"], readonly BuiltinChain[]>> = {
  snat: ["POSTROUTING", "INPUT"],
  masquerade: ["POSTROUTING"],
  dnat: ["PREROUTING", "OUTPUT"],
  redirect: ["PREROUTING", "OUTPUT"],
};

const HOOKS_OF_MATCH: Partial<Record<Match["kind"], readonly BuiltinChain[]>> = {
  mac: ["PREROUTING", "INPUT", "FORWARD"],
};

/** `NFT_JUMP_STACK_SIZE`: how many chains may stand on one another, the built-in one among them. */
const CHAIN_DEPTH = 16;

/** What the kernel would refuse in a table: rules where their target or match cannot be, and chains that come back to themselves. */
export function checkTable(table: TableName, chains: ChainRules): RuleFault[] {
  const hooks = hooksOfChains(table, chains);
  const faults: RuleFault[] = [];
  for (const [chain, rules] of chains) {
    rules.forEach((rule, number) => {
      const fault =
        checkTargetTable(table, rule.target) ??
        checkHooks(rule, hooks.get(chain) ?? []) ??
        checkBuiltin(
          rule,
          BUILTIN_CHAINS[table].find((name) => name === chain),
        );
      if (fault !== undefined) faults.push({ chain, rule: number, ...fault });
    });
  }
  return [...faults, ...findDeepJumps(table, chains)];
}

type Fault = Pick<RuleFault, "problem" | "remedy">;

function checkTargetTable(table: TableName, target: Target | undefined): Fault | undefined {
  if (target === undefined) return undefined;
  const only = TABLE_OF_TARGET[target.kind];
  if (only !== undefined && only !== table)
    return { problem: `${nameOf(target)} works only in the ${only} table`, remedy: `move the rule there` };
  if (table === "nat" && target.kind === "drop")
    return {
      problem: "the nat table is not for filtering: it sees a connection's first packet only",
      remedy: "drop in the filter table",
    };
  return undefined;
}

function checkHooks(rule: Rule, hooks: readonly BuiltinChain[]): Fault | undefined {
  const { target } = rule;
  const parts: [string, readonly BuiltinChain[] | undefined][] = rule.matches.map(({ kind }) => [
    `the ${kind} match`,
    HOOKS_OF_MATCH[kind],
  ]);
  if (target !== undefined) parts.push([nameOf(target), HOOKS_OF_TARGET[target.kind]]);
  for (const [name, allowed] of parts) {
    const wrong = allowed && hooks.find((hook) => !allowed.includes(hook));
    if (wrong !== undefined)
      return {
        problem: `${name} cannot be in ${wrong}`,
        remedy: `keep it to what comes from ${allowed?.join(" or ")}`,
      };
  }
  return undefined;
}

/** What the kernel checks for rules of built-in chains only, because it knows no hooks for the others when a rule is added. */
function checkBuiltin(rule: Rule, chain: BuiltinChain | undefined): Fault | undefined {
  if (chain === undefined) return undefined;
  const incoming = chain === "PREROUTING" || chain === "INPUT";
  const outgoing = chain === "OUTPUT" || chain === "POSTROUTING";
  const wrong = (what: string): Fault => ({ problem: `${what} cannot be in ${chain}`, remedy: "leave it out there" });
  if (outgoing && rule.inInterface) return wrong("-i");
  if (incoming && rule.outInterface) return wrong("-o");
  if (incoming && rule.target?.kind === "tcpmss" && rule.target.set === "clamp-to-pmtu")
    return wrong("--clamp-mss-to-pmtu");
  for (const match of rule.matches) {
    if (match.kind === "addrtype" && outgoing && match.limitInterface === "in") return wrong("--limit-iface-in");
    if (match.kind === "addrtype" && incoming && match.limitInterface === "out") return wrong("--limit-iface-out");
    if (chain === "OUTPUT" && isUnbridgedPhysdevOut(match)) return wrong("--physdev-out without --physdev-is-bridged");
  }
  return undefined;
}

/** net/netfilter/xt_physdev.c, `physdev_mt_check`. */
function isUnbridgedPhysdevOut(match: Match): boolean {
  if (match.kind !== "physdev" || (match.out === undefined && match.isOut === undefined)) return false;
  return match.isBridged === undefined || match.isBridged.not === true;
}

/** The hooks from which each chain can be reached. */
function hooksOfChains(table: TableName, chains: ChainRules): Map<string, BuiltinChain[]> {
  const hooks = new Map<string, BuiltinChain[]>();
  for (const hook of BUILTIN_CHAINS[table]) {
    const waiting: string[] = [hook];
    for (let chain = waiting.pop(); chain !== undefined; chain = waiting.pop()) {
      const known = hooks.get(chain) ?? [];
      if (known.includes(hook)) continue;
      hooks.set(chain, [...known, hook]);
      for (const rule of chains.get(chain) ?? []) {
        const next = nextChain(rule);
        if (next !== undefined) waiting.push(next);
      }
    }
  }
  return hooks;
}

/** The jumps at which the kernel's walk from a built-in chain comes back to a chain it is in, or gets too deep. */
function findDeepJumps(table: TableName, chains: ChainRules): RuleFault[] {
  const faults: RuleFault[] = [];
  const heights = new Map<string, number>();
  const walk = (chain: string, level: number): number => {
    const known = heights.get(chain);
    if (known !== undefined) return known;
    heights.set(chain, CHAIN_DEPTH);
    let height = 1;
    (chains.get(chain) ?? []).forEach((rule, number) => {
      const next = nextChain(rule);
      if (next === undefined) return;
      const below = level + 1 < CHAIN_DEPTH ? walk(next, level + 1) : CHAIN_DEPTH;
      if (level + 1 + below > CHAIN_DEPTH) faults.push({ chain, rule: number, ...deepJump(next) });
      else height = Math.max(height, below + 1);
    });
    heights.set(chain, height);
    return height;
  };
  for (const chain of BUILTIN_CHAINS[table]) walk(chain, 0);
  return faults;
}

function deepJump(chain: string): Fault {
  return {
    problem: `the jump to ${chain} makes a loop, or more than ${CHAIN_DEPTH} chains deep`,
    remedy: "let no chain lead back to itself",
  };
}

function nextChain({ target }: Rule): string | undefined {
  return target?.kind === "jump" || target?.kind === "goto" ? target.chain : undefined;
}

function nameOf(target: Target): string {
  return target.kind.toUpperCase();
}
