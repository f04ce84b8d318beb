import { checkTable } from "./iptables-check.ts";
import { RuleSyntaxError } from "./iptables-error.ts";
import { lexRule, type Word } from "./iptables-lexer.ts";
import { parseUint } from "./iptables-numbers.ts";
import { refuse } from "./iptables-options.ts";
import { describeBadChainName, readRule } from "./iptables-rule-parse.ts";
import { BUILTIN_CHAINS, TABLE_NAMES } from "./iptables-tables.ts";
import type { Chain, Rule, Ruleset, Table, TableName } from "./rule.ts";

/** How strictly rules are read. */
export interface ParseOptions {
  /** Skip what cannot be read, with a warning, instead of refusing the whole text. */
  readonly lenient?: boolean;
  /** The file's name, for messages. */
  readonly file?: string;
}

/** Something that was skipped or is doubtful. */
export interface RuleWarning {
  readonly line: number;
  readonly message: string;
}

/** The rules that were read, and what was left out of them. */
export interface ParsedRuleset {
  readonly ruleset: Ruleset;
  readonly warnings: readonly RuleWarning[];
}

interface PlacedRule {
  readonly rule: Rule;
  readonly at: Word;
}

interface DraftChain {
  policy: "ACCEPT" | "DROP" | undefined;
  rules: PlacedRule[];
}

interface DraftTable {
  readonly name: TableName;
  readonly at: Word;
  readonly chains: Map<string, DraftChain>;
  /** An empty section makes no table. */
  used: boolean;
}

interface Reader {
  readonly options: ParseOptions;
  readonly tables: Map<TableName, Table>;
  readonly warnings: RuleWarning[];
  /** The section being read; `skipped` in one that is not modelled, and left out. */
  table: DraftTable | "skipped" | undefined;
}

/**
 * Reads what `iptables-save` prints, of either backend, and what programs write for `iptables-restore`: each section stands for a whole
 * table. @throws RuleSyntaxError at the first thing that cannot be read; with `lenient` that is skipped, and reported as a warning.
 */
export function parseIptablesSave(text: string, options: ParseOptions = {}): ParsedRuleset {
  const reader: Reader = { options, tables: new Map(), warnings: [], table: undefined };
  const lines = text.split("\n");
  lines.forEach((line, number) => {
    const start = line.length - line.trimStart().length;
    const whole = { text: line.trim(), file: options.file, line: number + 1, column: start + 1 };
    if (whole.text !== "" && !whole.text.startsWith("#")) attempt(reader, () => readLine(reader, whole));
  });
  if (reader.table !== undefined) {
    const end = { text: "", file: options.file, line: lines.length, column: 1 };
    attempt(reader, () =>
      refuse(end, "the last table has no COMMIT", "add a line COMMIT; the text may have been cut off"),
    );
    attempt(reader, () => commit(reader));
  }
  const ruleset = new Map<TableName, Table>();
  for (const name of TABLE_NAMES) {
    const table = reader.tables.get(name);
    if (table !== undefined) ruleset.set(name, table);
  }
  return { ruleset, warnings: reader.warnings };
}

function attempt(reader: Reader, action: () => void): void {
  try {
    action();
  } catch (error) {
    if (!(error instanceof RuleSyntaxError) || !reader.options.lenient) throw error;
    warn(reader, error.line, `skipped: ${error.problem}`);
  }
}

function warn(reader: Reader, line: number, message: string): void {
  reader.warnings.push({ line, message });
}

function readLine(reader: Reader, line: Word): void {
  const first = line.text.charAt(0);
  if (first === "*") return openTable(reader, line);
  if (reader.table === "skipped") {
    if (line.text === "COMMIT") reader.table = undefined;
    return;
  }
  if (reader.table === undefined)
    refuse(line, "this line belongs to no table", "put a line like *nat before it; each table ends with COMMIT");
  if (line.text === "COMMIT") return commit(reader);
  reader.table.used = true;
  if (first === ":") return declareChain(reader.table, line);
  if (first !== "-" && first !== "[")
    refuse(
      line,
      `"${line.text}" is not a line of iptables-save`,
      "expected *TABLE, :CHAIN, -A CHAIN …, COMMIT or a # comment",
    );
  readCommand(reader.table, line);
}

function openTable(reader: Reader, line: Word): void {
  const name = line.text.slice(1).trim();
  const known = TABLE_NAMES.find((table) => table === name);
  if (reader.table !== undefined) {
    const before = reader.table;
    attempt(reader, () => refuse(line, "the table before has no COMMIT", "add a line COMMIT before this one"));
    if (before !== "skipped") attempt(reader, () => commit(reader));
  }
  if (known === undefined) {
    reader.table = "skipped";
    const why =
      name === "security" ? "the security table (SELinux marks) is not modelled" : `there is no table "${name}"`;
    refuse(line, why, "remove its section, or have it skipped with --lenient; tables are raw, mangle, nat and filter");
  }
  if (reader.tables.has(known))
    warn(reader, line.line, `the ${known} table comes twice: as iptables-restore does, this one replaces the first`);
  const chains = new Map<string, DraftChain>();
  for (const chain of BUILTIN_CHAINS[known]) chains.set(chain, { policy: "ACCEPT", rules: [] });
  reader.table = { name: known, at: line, chains, used: false };
}

/** `:CHAIN POLICY [packets:bytes]`. The names are not quoted. */
function declareChain(table: DraftTable, line: Word): void {
  const [name = "", policy, counters] = line.text.slice(1).trim().split(/\s+/);
  if (policy === undefined) refuse(line, `the chain ${name} has no policy`, `write ":${name} - [0:0]"`);
  if (counters !== undefined && !/^\[\d+:\d+\]$/.test(counters))
    refuse(line, `"${counters}" is not a pair of counters`, "write [packets:bytes], or leave it out");
  if (isBuiltin(table, name)) {
    if (policy !== "-") setPolicy(table, { ...line, text: name }, { ...line, text: policy });
    return;
  }
  if (policy !== "-") refuse(line, `${name} is not a built-in chain, and has no policy`, `write ":${name} - [0:0]"`);
  addChain(table, { ...line, text: name });
}

function addChain(table: DraftTable, name: Word): void {
  const problem = describeBadChainName(name.text);
  if (problem !== undefined) refuse(name, problem, "choose another name");
  if (table.chains.has(name.text)) refuse(name, `the chain ${name.text} is declared twice`, "keep one declaration");
  table.chains.set(name.text, { policy: undefined, rules: [] });
}

function setPolicy(table: DraftTable, name: Word, policy: Word): void {
  const chain = findChain(table, name);
  if (!isBuiltin(table, name.text))
    refuse(name, `${name.text} is not a built-in chain, and has no policy`, "leave it out");
  if (policy.text !== "ACCEPT" && policy.text !== "DROP")
    refuse(policy, `"${policy.text}" is not a policy`, "write ACCEPT or DROP");
  chain.policy = policy.text;
}

function isBuiltin(table: DraftTable, name: string): boolean {
  return BUILTIN_CHAINS[table.name].some((builtin) => builtin === name);
}

function findChain(table: DraftTable, name: Word): DraftChain {
  const chain = table.chains.get(name.text);
  if (chain === undefined)
    refuse(name, `the ${table.name} table has no chain ${name.text}`, `declare it above: ":${name.text} - [0:0]"`);
  return chain;
}

/** A line as iptables takes it, perhaps with counters in front. */
function readCommand(table: DraftTable, line: Word): void {
  const counters = /^\[\d+:\d+\]\s*/.exec(line.text)?.[0] ?? "";
  if (counters === "" && line.text.startsWith("["))
    refuse(line, "the counters in front cannot be read", "write [packets:bytes], or leave them out");
  const body = { ...line, text: line.text.slice(counters.length), column: line.column + counters.length };
  const [command, name, ...rest] = lexRule(body.text, body);
  if (command === undefined) refuse(line, "the line has counters and nothing else", "write a rule behind them");
  if (name === undefined) refuse(command, `"${command.text}" needs a chain`, "write its name behind it");
  runCommand(table, command, name, rest);
}

function runCommand(table: DraftTable, command: Word, name: Word, rest: readonly Word[]): void {
  switch (command.text) {
    case "-A":
    case "--append":
      findChain(table, name).rules.push(...readRules(table, rest, command));
      return;
    case "-I":
    case "--insert":
      return insertRules(table, command, name, rest);
    case "-N":
    case "--new-chain":
      return addChain(table, name);
    case "-P":
    case "--policy":
      return setPolicy(table, name, rest[0] ?? { ...name, text: "" });
    case "-F":
    case "--flush":
      findChain(table, name).rules = [];
      return;
    case "-X":
    case "--delete-chain":
      return deleteChain(table, name);
    default:
      return refuse(command, `"${command.text}" is not a command known here`, "use -A, -I, -N, -P, -F or -X");
  }
}

function readRules(table: DraftTable, words: readonly Word[], at: Word): PlacedRule[] {
  const rules = readRule(words, (name) => {
    if (isBuiltin(table, name)) return "builtin";
    return table.chains.has(name) ? "own" : undefined;
  });
  return rules.map((rule) => ({ rule, at }));
}

/** `-I CHAIN [NUMBER] …`; several addresses make several rules, each put before the one before it. */
function insertRules(table: DraftTable, command: Word, name: Word, rest: readonly Word[]): void {
  const { rules } = findChain(table, name);
  const [first] = rest;
  const number = first === undefined ? undefined : parseUint(first.text);
  if (first !== undefined && number !== undefined && (number < 1 || number > rules.length + 1))
    refuse(first, `the chain ${name.text} has ${rules.length} rules`, `write a number from 1 to ${rules.length + 1}`);
  const words = number === undefined ? rest : rest.slice(1);
  rules.splice((number ?? 1) - 1, 0, ...readRules(table, words, command).reverse());
}

function deleteChain(table: DraftTable, name: Word): void {
  const chain = findChain(table, name);
  if (isBuiltin(table, name.text)) refuse(name, `${name.text} is a built-in chain`, "leave it");
  if (chain.rules.length > 0) refuse(name, `the chain ${name.text} has rules`, "empty it first, with -F");
  for (const other of table.chains.values())
    if (other.rules.some(({ rule: { target } }) => target && "chain" in target && target.chain === name.text))
      refuse(name, `a rule still leads to the chain ${name.text}`, "remove that rule first");
  table.chains.delete(name.text);
}

function commit(reader: Reader): void {
  const { table } = reader;
  reader.table = undefined;
  if (table === undefined || table === "skipped") return;
  removeFaults(reader, table);
  if (!table.used) {
    reader.tables.delete(table.name);
    return;
  }
  reader.tables.set(table.name, { name: table.name, chains: finishChains(table) });
}

/** Refuses the first rule that the kernel would refuse; with `lenient`, takes out all of them. */
function removeFaults(reader: Reader, table: DraftTable): void {
  const chains = new Map([...table.chains].map(([name, chain]) => [name, chain.rules.map(({ rule }) => rule)]));
  const faults = checkTable(table.name, chains).flatMap((fault) => {
    const placed = table.chains.get(fault.chain)?.rules[fault.rule];
    return placed === undefined ? [] : [{ ...fault, placed }];
  });
  faults.sort((one, other) => one.placed.at.line - other.placed.at.line);
  for (const { placed, problem, remedy } of faults) attempt(reader, () => refuse(placed.at, problem, remedy));
  const faulty = new Set(faults.map(({ placed }) => placed));
  for (const chain of table.chains.values()) chain.rules = chain.rules.filter((placed) => !faulty.has(placed));
}

/** Built-in chains first, in the order of their hooks, then the others by name. */
function finishChains(table: DraftTable): Map<string, Chain> {
  const own = [...table.chains.keys()].filter((name) => !isBuiltin(table, name)).sort();
  const chains = new Map<string, Chain>();
  for (const name of [...BUILTIN_CHAINS[table.name], ...own]) {
    const chain = table.chains.get(name);
    if (chain === undefined) continue;
    const rules = chain.rules.map(({ rule }) => rule);
    chains.set(name, { name, ...(chain.policy && { policy: chain.policy }), rules });
  }
  return chains;
}
