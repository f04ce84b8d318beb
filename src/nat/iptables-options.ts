import { RuleSyntaxError } from "./iptables-error.ts";
import type { Word } from "./iptables-lexer.ts";

/** One option of a module: its own name first, then other spellings, without the dashes. */
export interface OptionSpec {
  readonly names: readonly [string, ...string[]];
  readonly arguments: 0 | 1 | 2;
  readonly negatable: boolean;
}

/** An option as a rule gave it. Where it takes no argument, or only one, `value` and `second` are the option's own word. */
export interface GivenOption {
  readonly word: Word;
  readonly not: boolean;
  readonly value: Word;
  readonly second: Word;
}

/** Options by their own name. */
export type GivenOptions = ReadonlyMap<string, GivenOption>;

/** What a rule gave to one module, and the word that named the module. */
export interface Given {
  readonly at: Word;
  readonly module: string;
  readonly options: GivenOptions;
}

/** An option without an argument. */
export function flag(...names: [string, ...string[]]): OptionSpec {
  return { names, arguments: 0, negatable: false };
}

/** An option with one argument. */
export function value(...names: [string, ...string[]]): OptionSpec {
  return { names, arguments: 1, negatable: false };
}

/** An option with two arguments. */
export function pair(...names: [string, ...string[]]): OptionSpec {
  return { names, arguments: 2, negatable: false };
}

/** The same option, which may stand behind `!`. */
export function negatable(option: OptionSpec): OptionSpec {
  return { ...option, negatable: true };
}

/** The option, which this module cannot do without. @throws RuleSyntaxError when it is not there. */
export function need(given: Given, name: string): GivenOption {
  const option = given.options.get(name);
  if (option === undefined) refuse(given.at, `${given.module} needs --${name}`, `add --${name} behind it`);
  return option;
}

/** The name of the one option given among several that exclude each other, if any. @throws RuleSyntaxError when there are two. */
export function atMostOne<Name extends string>(given: Given, names: readonly Name[]): Name | undefined {
  const [first, second] = names.filter((name) => given.options.has(name));
  const extra = second === undefined ? undefined : given.options.get(second);
  if (extra !== undefined) refuse(extra.word, `--${first} and --${second} exclude each other`, "keep one of them");
  return first;
}

/** {@link atMostOne} for a choice that must be made. */
export function exactlyOne<Name extends string>(given: Given, names: readonly Name[]): Name {
  const choice = atMostOne(given, names);
  const list = names.map((name) => `--${name}`).join(", ");
  if (choice === undefined) refuse(given.at, `${given.module} needs one of ${list}`, "add one behind it");
  return choice;
}

/** Insists on at least one option. */
export function needAny(given: Given): void {
  if (given.options.size === 0) refuse(given.at, `${given.module} needs at least one option`, "add one behind it");
}

/** `{not: true}` for an option given behind `!`, to be spread into a rule value. */
export function negation(option: GivenOption): { readonly not?: true } {
  return option.not ? { not: true } : {};
}

/** @throws RuleSyntaxError always. */
export function refuse(word: Word, problem: string, remedy: string): never {
  throw new RuleSyntaxError(word, problem, remedy);
}
