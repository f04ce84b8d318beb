import { formatRule, type Match, type Rule, type Ruleset, type TableName } from "../nat/index.ts";
import type { RuleReference } from "../netstack/index.ts";
import { type Draws, Random } from "../sim/index.ts";

/*
 * Chance in rules. `-m statistic` draws; what `--mode nth` does depends on how many packets came before, which nobody knows of a running node, and so is
 * taken for chance too. A walk's draws are scripted from outside, so that every way can be walked, and weighed exactly: the kernel compares 31 random bits with a
 * whole number (net/netfilter/xt_statistic.c).
 */

/** An exact probability, in lowest terms. */
export interface Fraction {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

export const NEVER: Fraction = { numerator: 0n, denominator: 1n };
export const CERTAIN: Fraction = { numerator: 1n, denominator: 1n };

export function multiply(a: Fraction, b: Fraction): Fraction {
  return reduce(a.numerator * b.numerator, a.denominator * b.denominator);
}

export function add(a: Fraction, b: Fraction): Fraction {
  return reduce(a.numerator * b.denominator + b.numerator * a.denominator, a.denominator * b.denominator);
}

/** 1 − `a`. */
export function complement(a: Fraction): Fraction {
  return reduce(a.denominator - a.numerator, a.denominator);
}

/** The nearest JS number. */
export function toNumber(a: Fraction): number {
  // Both may be longer than a number holds: the quotient's first 60 bits say enough.
  return Number((a.numerator << 60n) / a.denominator) / 2 ** 60;
}

export function formatFraction(a: Fraction): string {
  return `${a.numerator}/${a.denominator}`;
}

function reduce(numerator: bigint, denominator: bigint): Fraction {
  let [a, b] = [numerator, denominator];
  while (b !== 0n) [a, b] = [b, a % b];
  return { numerator: numerator / a, denominator: denominator / a };
}

/** One draw of a walk, and how it went. */
export interface Choice {
  readonly rule: RuleReference;
  /** The draw was below the rule's number: the match holds, or with `!` does not. */
  readonly isBelow: boolean;
  readonly probability: Fraction;
}

/** Draws that go as the script says, and beyond its end by a seed, or below every number. */
export class ScriptedDraws implements Draws {
  /** Ports that were drawn; which one is of no interest. */
  ports = 0;
  readonly #script: readonly boolean[];
  readonly #beyond: Random | undefined;
  readonly #portSource = new Random(1);
  #drawn = 0;
  #pending: number[] = [];

  constructor(script: readonly boolean[], beyond?: Random) {
    this.#script = script;
    this.#beyond = beyond;
  }

  u32(): number {
    const scripted = this.#script[this.#drawn];
    this.#drawn += 1;
    const value = scripted === undefined ? (this.#beyond?.u32() ?? 0) : scripted ? 0 : 0xffff_ffff;
    this.#pending.push(value);
    return value;
  }

  below(count: number): number {
    this.ports += 1;
    return this.#portSource.below(count);
  }

  /** Takes what was drawn since the last call. */
  take(): readonly number[] {
    const taken = this.#pending;
    this.#pending = [];
    return taken;
  }
}

type Statistic = Extract<Match, { kind: "statistic" }>;

/** Rules in which everything that depends on chance draws, made once for all walks. */
export class ChancyRules {
  /** The rules to walk: counters replaced by draws. */
  readonly ruleset: Ruleset;
  readonly #original: Ruleset;

  constructor(original: Ruleset) {
    this.#original = original;
    const tables = [...original.values()].map((table) => {
      const chains = [...table.chains.values()].map(
        (chain) => [chain.name, { ...chain, rules: chain.rules.map(withDraws) }] as const,
      );
      return [table.name, { ...table, chains: new Map(chains) }] as const;
    });
    this.ruleset = new Map(tables);
  }

  rule(reference: RuleReference): Rule | undefined {
    const table = this.#original.get(reference.table as TableName);
    return table?.chains.get(reference.chain)?.rules[reference.number - 1];
  }

  /** The rule as it was before counters were replaced. */
  original(reference: RuleReference): RuleReference {
    const rule = this.rule(reference);
    return rule?.matches.some(isCounter) ? { ...reference, text: formatRule(rule) } : reference;
  }

  /** What was drawn for a rule, one number for each of its statistic matches that was asked. */
  choices(reference: RuleReference, drawn: readonly number[]): Choice[] {
    const statistics = this.rule(reference)?.matches.filter((match) => match.kind === "statistic") ?? [];
    return drawn.flatMap((value, place) => {
      const statistic = statistics[place];
      if (statistic === undefined) return [];
      const isBelow = value >>> 1 < thresholdOf(statistic);
      const below = probabilityOf(statistic);
      const rule = this.original(reference);
      return [{ rule, isBelow, probability: isBelow ? below : complement(below) }];
    });
  }
}

function isCounter(match: Match): boolean {
  return match.kind === "statistic" && match.mode === "nth";
}

function withDraws(rule: Rule): Rule {
  if (!rule.matches.some(isCounter)) return rule;
  const matches = rule.matches.map((match): Match => {
    if (match.kind !== "statistic" || match.mode !== "nth") return match;
    return { kind: "statistic", mode: "random", probability: thresholdOf(match), ...(match.not && { not: match.not }) };
  });
  return { ...rule, matches };
}

/** A draw of 31 bits below this one is a hit. */
function thresholdOf(match: Statistic): number {
  return match.mode === "random" ? match.probability : Math.ceil(2 ** 31 / match.every);
}

function probabilityOf(match: Statistic): Fraction {
  return match.mode === "random"
    ? reduce(BigInt(match.probability), 1n << 31n)
    : { numerator: 1n, denominator: BigInt(match.every) };
}
