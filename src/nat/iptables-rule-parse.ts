import { readProtocolNumber } from "./iptables-connection-matches.ts";
import { lexRule, type Word } from "./iptables-lexer.ts";
import { MATCH_MODULES, matchModule } from "./iptables-matches.ts";
import type { MatchModule, TargetModule } from "./iptables-modules.ts";
import { formatProtocol } from "./iptables-names.ts";
import { type GivenOption, type OptionSpec, refuse } from "./iptables-options.ts";
import { joinRepeated } from "./iptables-protocol-matches.ts";
import { RULE_OPTIONS, readHead, readSide } from "./iptables-rule-head.ts";
import { TARGET_MODULES, targetKind } from "./iptables-targets.ts";
import { describeMissingMatch, isUnsupportedOption, isUnsupportedTarget } from "./iptables-unsupported.ts";
import type { Match, Rule, Target } from "./rule.ts";

/** Looks up the chains that a rule may jump to. */
export type ChainLookup = (name: string) => "builtin" | "own" | undefined;

interface OpenModule {
  readonly at: Word;
  readonly module: string;
  readonly specs: readonly OptionSpec[];
  readonly options: Map<string, GivenOption>;
}

interface OpenMatch extends OpenModule {
  readonly text: MatchModule;
}

interface OpenTarget extends OpenModule {
  readonly text: TargetModule;
}

/** A rule being read. */
interface Draft {
  readonly words: readonly Word[];
  /** The next word to read. */
  next: number;
  readonly chains: ChainLookup;
  readonly given: Map<string, GivenOption>;
  readonly matches: OpenMatch[];
  /** All modules in the order of loading: an option belongs to the one loaded last that knows it. */
  readonly loaded: OpenModule[];
  target: OpenTarget | Target | undefined;
}

/** A bound of our own: a short line must not make a million rules. */
const RULES_PER_LINE = 256;

/** Reads the text of one rule, without `-A CHAIN`; any chain may be jumped to. @throws RuleSyntaxError. */
export function parseRule(text: string): Rule {
  const start = { file: undefined, line: 1, column: 1 };
  const rules = readRule(lexRule(text, start), () => "own");
  const [rule, more] = rules;
  if (rule === undefined || more !== undefined)
    refuse(
      { ...start, text },
      `this text makes ${rules.length} rules`,
      "write one address behind -s and -d, and no -6",
    );
  return rule;
}

/**
 * Reads the words of one rule. Several addresses behind `-s` or `-d` make as many rules; `-6` makes none. The order of words is free
 * except that an option stands behind the module it belongs to.
 */
export function readRule(words: readonly Word[], chains: ChainLookup): Rule[] {
  const draft: Draft = { words, next: 0, chains, given: new Map(), matches: [], loaded: [], target: undefined };
  while (draft.next < words.length) readOption(draft);
  return draft.given.has("6") ? [] : finishRule(draft);
}

function readOption(draft: Draft): void {
  let word = take(draft);
  const not = word.text === "!";
  if (not) {
    const inverted = draft.words[draft.next];
    if (inverted === undefined) refuse(word, "nothing follows the !", "write the option that it negates behind it");
    word = take(draft);
  }
  const [name, inline] = splitInline(word);
  const { owner, spec } = findOption(draft, { ...word, text: name });
  const own = spec.names[0];
  if (not && !spec.negatable) refuse(word, `"${word.text}" cannot be negated`, "leave the ! out");
  const options = owner?.options ?? draft.given;
  if (options.has(own) && own !== "m") refuse(word, `"${word.text}" is given twice`, "keep one of them");
  const values = inline === undefined ? [] : [inline];
  while (values.length < spec.arguments) values.push(takeArgument(draft, word, spec));
  const [first = word, second = word] = values;
  const option = { word, not, value: first, second };
  options.set(own, option);
  if (owner === undefined) applyRuleOption(draft, own, option);
}

function take(draft: Draft): Word {
  const word = draft.words[draft.next];
  if (word === undefined) throw new RangeError("No word is left: the caller has looked");
  draft.next += 1;
  return word;
}

function takeArgument(draft: Draft, option: Word, spec: OptionSpec): Word {
  const word = draft.words[draft.next];
  if (word?.text === "!" && spec.negatable)
    refuse(word, `the ! stands behind "${option.text}"`, `write it before: ! ${option.text}`);
  if (word !== undefined) return take(draft);
  const count = spec.arguments === 1 ? "an argument" : "two arguments";
  return refuse(option, `"${option.text}" needs ${count}`, "write it behind the option");
}

/** `--dport=80` is `--dport 80`. */
function splitInline(word: Word): [name: string, value: Word | undefined] {
  const equals = word.text.startsWith("--") ? word.text.indexOf("=") : -1;
  if (equals < 0) return [word.text, undefined];
  return [word.text.slice(0, equals), { ...word, text: word.text.slice(equals + 1), column: word.column + equals + 1 }];
}

interface FoundOption {
  /** `undefined` for an option of the rule itself. */
  readonly owner: OpenModule | undefined;
  readonly spec: OptionSpec;
}

function findOption(draft: Draft, word: Word): FoundOption {
  const found = findShort(word) ?? findLong(draft, word) ?? findByProtocol(draft, word);
  if (found !== undefined) return found;
  if (!word.text.startsWith("-"))
    refuse(
      word,
      `"${word.text}" stands alone`,
      "put an option before it, or quotation marks around a text with blanks",
    );
  return refuse(word, describeUnknownOption(word.text), adviseUnknownOption(word.text));
}

function describeUnknownOption(text: string): string {
  return isUnsupportedOption(text.slice(2)) ? `the option "${text}" is not modelled` : `unknown option "${text}"`;
}

function adviseUnknownOption(text: string): string {
  if (isUnsupportedOption(text.slice(2))) return "leave the rule out, or have such rules skipped with --lenient";
  if (text === "-A" || text === "-t")
    return "write only what stands behind -A CHAIN; a line beginning with * names the table";
  const homes = Object.entries(MATCH_MODULES).filter(([, { options }]) => hasOption(options, text.slice(2)));
  if (homes.length === 0) return "check its spelling, and that its module comes before it";
  return `it belongs behind ${homes.map(([name]) => `-m ${name}`).join(" or ")}`;
}

function findShort(word: Word): FoundOption | undefined {
  if (!/^-[^-]$/.test(word.text)) return undefined;
  const spec = RULE_OPTIONS.find(({ names }) => names[0] === word.text.slice(1));
  return spec && { owner: undefined, spec };
}

/** As getopt does: a whole name first, else the only one that begins so. */
function findLong(draft: Draft, word: Word): FoundOption | undefined {
  if (!word.text.startsWith("--")) return undefined;
  const name = word.text.slice(2);
  return findWhole(draft, name) ?? findPartial(draft, word, name);
}

function findWhole(draft: Draft, name: string): FoundOption | undefined {
  const spec = RULE_OPTIONS.find(({ names }) => names.indexOf(name) > 0);
  if (spec !== undefined) return { owner: undefined, spec };
  for (let at = draft.loaded.length - 1; at >= 0; at -= 1) {
    const owner = draft.loaded[at];
    const own = owner?.specs.find(({ names }) => names.includes(name));
    if (own !== undefined) return { owner, spec: own };
  }
  return undefined;
}

function findPartial(draft: Draft, word: Word, start: string): FoundOption | undefined {
  if (start === "") return undefined;
  const fits = (name: string): boolean => name.startsWith(start);
  const [found, other] = [
    ...RULE_OPTIONS.filter(({ names }) => names.slice(1).some(fits)).map((spec) => ({ owner: undefined, spec })),
    ...draft.loaded.flatMap((owner) =>
      owner.specs.filter(({ names }) => names.some(fits)).map((spec) => ({ owner, spec })),
    ),
  ];
  if (other !== undefined)
    refuse(word, `"${word.text}" could be more than one option`, "write the option's name in full");
  return found;
}

/** `-p tcp --dport 80` loads the tcp module unasked (iptables/xshared.c, `load_proto`). */
function findByProtocol(draft: Draft, word: Word): FoundOption | undefined {
  const protocol = draft.given.get("p");
  if (protocol === undefined || !word.text.startsWith("--")) return undefined;
  const name = formatProtocol(readProtocolNumber(protocol.value));
  const module = matchModule(name);
  if (module === undefined || draft.loaded.some((loaded) => loaded.module === name)) return undefined;
  if (!hasOption(module.options, word.text.slice(2))) return undefined;
  openMatch(draft, { ...word, text: name });
  return findLong(draft, word);
}

function hasOption(options: readonly OptionSpec[], start: string): boolean {
  return start !== "" && options.some(({ names }) => names.some((name) => name.startsWith(start)));
}

function applyRuleOption(draft: Draft, name: string, option: GivenOption): void {
  if (name === "m") openMatch(draft, option.value);
  if (name === "j" || name === "g") {
    if (draft.target !== undefined) refuse(option.word, "the rule has two targets", "keep one -j or -g");
    draft.target = name === "j" ? openTarget(draft, option.value) : readGoto(draft, option.value);
  }
}

function openMatch(draft: Draft, at: Word): void {
  const text = matchModule(at.text);
  if (text === undefined)
    refuse(at, describeMissingMatch(at.text), "leave the rule out, or have such rules skipped with --lenient");
  const open = { at, module: at.text, specs: text.options, options: new Map<string, GivenOption>(), text };
  draft.matches.push(open);
  draft.loaded.push(open);
}

function openTarget(draft: Draft, at: Word): OpenTarget | Target {
  const kind = targetKind(at.text);
  if (kind === undefined) return { kind: "jump", chain: readChain(draft, at) };
  const text = TARGET_MODULES[kind] as TargetModule;
  const open = { at, module: at.text, specs: text.options, options: new Map<string, GivenOption>(), text };
  draft.loaded.push(open);
  return open;
}

function readGoto(draft: Draft, at: Word): Target {
  return { kind: "goto", chain: readChain(draft, at) };
}

function readChain(draft: Draft, at: Word): string {
  if (isUnsupportedTarget(at.text))
    refuse(
      at,
      `the ${at.text} target is not modelled`,
      "leave the rule out, or have such rules skipped with --lenient",
    );
  const problem = describeBadChainName(at.text);
  if (problem !== undefined) refuse(at, problem, "name a chain or a target");
  const kind = draft.chains(at.text);
  if (kind === "builtin") refuse(at, `${at.text} is a built-in chain`, "jump to a chain of your own instead");
  if (kind === undefined)
    refuse(at, `there is no chain or target "${at.text}"`, `declare the chain above: ":${at.text} - [0:0]"`);
  return at.text;
}

/** Why this cannot be the name of one's own chain; `undefined` when it can. */
export function describeBadChainName(name: string): string | undefined {
  if (!/^[^-!"\s][^"\s]*$/.test(name)) return `"${name}" is not a chain's name`;
  if (name.length > 28) return `the chain name "${name}" is longer than 28 characters`;
  if (targetKind(name) !== undefined || isUnsupportedTarget(name)) return `${name} is the name of a target`;
  return undefined;
}

function finishRule(draft: Draft): Rule[] {
  const head = readHead(draft.given);
  const { target } = draft;
  const body = {
    ...head,
    matches: joinRepeated(draft.matches.map((open): Match => open.text.read(open, head))),
    ...(target && { target: "text" in target ? target.text.read(target, head) : target }),
  };
  const sources = readSide(draft.given.get("s"));
  const destinations = readSide(draft.given.get("d"));
  const last = draft.given.get("d")?.value ?? draft.given.get("s")?.value;
  if (last !== undefined && sources.length * destinations.length > RULES_PER_LINE)
    refuse(last, `these addresses make more than ${RULES_PER_LINE} rules`, "use a set, or several lines");
  return sources.flatMap((source) =>
    destinations.map((destination) => ({
      ...(source && { source }),
      ...(destination && { destination }),
      ...body,
    })),
  );
}
