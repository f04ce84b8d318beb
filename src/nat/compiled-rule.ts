import type { RuleReference } from "../netstack/index.ts";
import type { CompiledChain } from "./evaluate.ts";
import { formatRule } from "./iptables-format.ts";
import { compileMatch } from "./match.ts";
import type { PacketWalk } from "./packet-walk.ts";
import type { AddressMatch, Chain, InterfaceMatch, Rule, Target } from "./rule.ts";
import { compileTarget, type TargetAction } from "./target.ts";

/** True when the packet is as the match wants it. */
export type MatchTest = (walk: PacketWalk) => boolean;

/** Where a rule stands. Who found it by an index knows no number; that is looked for when somebody asks. */
export interface RulePlace {
  readonly table: string;
  readonly chain: Chain;
  /** From 1. */
  readonly number?: number;
}

type Jump = Extract<Target, { kind: "jump" | "goto" }>;

/** A rule made ready to be tried: its fixed part as numbers, its matches as functions, its target as a verdict or an action. */
export class CompiledRule {
  readonly rule: Rule;
  readonly table: string;
  readonly chain: string;
  readonly jump: Jump | undefined;
  /** The chain it jumps to, once that was asked for. */
  target: CompiledChain | undefined;
  /** The verdict, where the target does nothing but give one. */
  readonly verdict: number;
  readonly action: TargetAction | undefined;
  /** The verdict for readers of the event stream: `ACCEPT`, `JUMP KUBE-SERVICES`, `CONTINUE`. */
  readonly verdictText: string;
  readonly #source: number;
  readonly #sourceMask: number;
  readonly #isSourceNegated: boolean;
  readonly #destination: number;
  readonly #destinationMask: number;
  readonly #isDestinationNegated: boolean;
  readonly #protocol: number;
  readonly #isProtocolNegated: boolean;
  readonly #fragment: "any" | "later" | "first";
  readonly #in: InterfaceMatch | undefined;
  readonly #out: InterfaceMatch | undefined;
  /** Any of the above is asked for. */
  readonly #asksHeader: boolean;
  readonly #tests: readonly MatchTest[];
  readonly #place: RulePlace;
  #text: string | undefined;

  constructor(rule: Rule, place: RulePlace) {
    this.rule = rule;
    this.table = place.table;
    this.chain = place.chain.name;
    this.#place = place;
    this.#source = wordOf(rule.source);
    this.#sourceMask = maskOf(rule.source);
    this.#isSourceNegated = rule.source?.not ?? false;
    this.#destination = wordOf(rule.destination);
    this.#destinationMask = maskOf(rule.destination);
    this.#isDestinationNegated = rule.destination?.not ?? false;
    // Protocol 0 is "all" (`ip_packet_match`).
    this.#protocol = rule.protocol?.protocol ?? 0;
    this.#isProtocolNegated = rule.protocol?.not ?? false;
    this.#fragment = rule.fragment === undefined ? "any" : rule.fragment.not ? "first" : "later";
    this.#in = rule.inInterface;
    this.#out = rule.outInterface;
    const { source, destination, protocol, fragment, inInterface, outInterface } = rule;
    this.#asksHeader = [source, destination, protocol, fragment, inInterface, outInterface].some(
      (part) => part !== undefined,
    );
    this.#tests = rule.matches.map(compileMatch).filter((test) => test !== undefined);
    const { target } = rule;
    this.jump = target?.kind === "jump" || target?.kind === "goto" ? target : undefined;
    const compiled = compileTarget(target);
    this.verdict = compiled.verdict;
    this.action = compiled.action;
    this.verdictText = this.jump ? `${this.jump.kind.toUpperCase()} ${this.jump.chain}` : compiled.text;
  }

  /** The rule's place and text, for events. */
  get reference(): RuleReference {
    this.#text ??= formatRule(this.rule);
    const { table, chain } = this;
    const number = this.#place.number ?? this.#place.chain.rules.indexOf(this.rule) + 1;
    return { table, chain, number, text: this.#text };
  }

  /** The fixed part in the order of `ip_packet_match` (net/ipv4/netfilter/ip_tables.c), then the match modules as written. */
  matches(walk: PacketWalk): boolean {
    if (this.#asksHeader && !this.#matchesHeader(walk)) return false;
    const tests = this.#tests;
    for (let i = 0; i < tests.length; i++) {
      if (!(tests[i] as MatchTest)(walk)) return false;
    }
    return true;
  }

  #matchesHeader(walk: PacketWalk): boolean {
    if (((walk.source & this.#sourceMask) !== this.#source) !== this.#isSourceNegated) return false;
    if (((walk.destination & this.#destinationMask) !== this.#destination) !== this.#isDestinationNegated) return false;
    if (this.#in !== undefined && !isInterface(this.#in, walk.in)) return false;
    if (this.#out !== undefined && !isInterface(this.#out, walk.out)) return false;
    if (this.#protocol !== 0 && (walk.protocol === this.#protocol) === this.#isProtocolNegated) return false;
    return this.#fragment === "any" || walk.isLaterFragment === (this.#fragment === "later");
  }

  /** What the target says; jumps are the chain's business. */
  act(walk: PacketWalk): number {
    return this.action === undefined ? this.verdict : this.action(walk, this);
  }
}

/** Is `name` the interface that is meant? A trailing `+` stands for any ending; no interface has the empty name. */
export function isInterface(match: InterfaceMatch, name: string): boolean {
  const { name: wanted } = match;
  const is = wanted.endsWith("+") ? name.startsWith(wanted.slice(0, -1)) : name === wanted;
  return is !== (match.not ?? false);
}

function wordOf(match: AddressMatch | undefined): number {
  return match === undefined ? 0 : (match.address & match.mask) | 0;
}

function maskOf(match: AddressMatch | undefined): number {
  return match === undefined ? 0 : match.mask | 0;
}
