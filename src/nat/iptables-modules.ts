import type { Given, OptionSpec } from "./iptables-options.ts";
import type { Match, ProtocolMatch, Target } from "./rule.ts";

/** What a module may want to know of the rule's fixed part. */
export interface RuleHead {
  readonly protocol?: ProtocolMatch;
}

/** A match module's text: its options, read into a value, and the value printed, each option behind a blank. */
export interface MatchModule<M extends Match = Match> {
  readonly options: readonly OptionSpec[];
  read(given: Given, head: RuleHead): M;
  format(match: M): string;
}

/** The same for a target; `format` prints what stands behind its name. */
export interface TargetModule<T extends Target = Target> {
  readonly options: readonly OptionSpec[];
  read(given: Given, head: RuleHead): T;
  format(target: T): string;
}

/** The member of a union with this `kind`. */
export type OfKind<U extends { readonly kind: string }, K extends string> = Extract<U, { readonly kind: K }>;
