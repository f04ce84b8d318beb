import type {
  AddressMatch,
  AddressType,
  BuiltinChain,
  Chain,
  Match,
  Rule,
  Ruleset,
  Table,
  TableName,
  Target,
} from "../nat/index.ts";
import { type Cidr, type Ipv4Address, netmask } from "./address.ts";
import type { ServiceProtocol } from "./model.ts";

/*
 * The vocabulary in which the rules of this folder are written, and the sheet they are written on. A rule is one call of `rule` with its
 * parts in the order of kube-proxy's own text.
 */

/** Rules by table and chain while they are being written. A chain exists as soon as it is opened. */
export interface RuleSheet {
  readonly tables: ReadonlyMap<TableName, Map<string, Rule[]>>;
}

/** Tables in the order in which a node that runs kube-proxy shows them. */
const TABLE_ORDER: readonly TableName[] = ["mangle", "filter", "nat"];

/** Chains that are there without anybody making them. */
export const BUILTINS: Readonly<Record<TableName, readonly BuiltinChain[]>> = {
  raw: ["PREROUTING", "OUTPUT"],
  mangle: ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
  filter: ["INPUT", "FORWARD", "OUTPUT"],
  nat: ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
};

const PROTOCOL_NUMBERS: Readonly<Record<ServiceProtocol, number>> = { TCP: 6, UDP: 17, SCTP: 132 };

/** Where a rule goes. */
export interface Place {
  readonly table: TableName;
  readonly chain: string;
}

/** A sheet with the tables mangle, filter and nat and their built-in chains. */
export function newRuleSheet(): RuleSheet {
  const tables = new Map(TABLE_ORDER.map((table) => [table, new Map<string, Rule[]>()]));
  for (const [table, chains] of tables) for (const chain of BUILTINS[table]) chains.set(chain, []);
  return { tables };
}

/** Makes sure that a chain exists, and gives its rules to append to. */
export function openChain(sheet: RuleSheet, table: TableName, chain: string): Rule[] {
  const chains = sheet.tables.get(table);
  if (chains === undefined) throw new RangeError(`Cannot open chain ${chain}: this sheet has no table ${table}`);
  const rules = chains.get(chain) ?? [];
  chains.set(chain, rules);
  return rules;
}

export function append(sheet: RuleSheet, { table, chain }: Place, ...rules: readonly Rule[]): void {
  openChain(sheet, table, chain).push(...rules);
}

/** A sheet with these tables, without any chain. */
export function newSheetFor(...tables: readonly TableName[]): RuleSheet {
  return { tables: new Map(tables.map((table) => [table, new Map<string, Rule[]>()])) };
}

/** The finished rules: built-in chains with policy ACCEPT first, then the others by name, as `iptables-save` prints them. */
export function finishSheet(sheet: RuleSheet): Ruleset {
  const ruleset = new Map<TableName, Table>();
  for (const [name, chains] of sheet.tables) ruleset.set(name, { name, chains: chainsInOrder(name, chains) });
  return ruleset;
}

/** A table's chains in the order of {@link finishSheet}. One that is as it was `before` is the same object. */
export function chainsInOrder(
  table: TableName,
  rules: ReadonlyMap<string, readonly Rule[]>,
  before?: ReadonlyMap<string, Chain>,
): Map<string, Chain> {
  const builtins: readonly string[] = BUILTINS[table];
  const ordered = new Map<string, Chain>();
  const add = (name: string, policy?: "ACCEPT"): void => {
    const written = rules.get(name) ?? [];
    const old = before?.get(name);
    const isOld = old?.rules.length === written.length && written.every((rule, index) => rule === old.rules[index]);
    ordered.set(name, isOld ? old : { name, ...(policy && { policy }), rules: written });
  };
  for (const chain of builtins) add(chain, "ACCEPT");
  for (const chain of [...rules.keys()].filter((name) => !builtins.includes(name)).sort()) add(chain);
  return ordered;
}

/** The parts of a rule, later ones added to earlier ones: matches in the order written. */
export type RulePart = Omit<Partial<Rule>, "target">;

/** A rule from its parts; without a target it only counts. */
export function rule(parts: readonly RulePart[], target?: Target): Rule {
  const matches = parts.flatMap((part) => part.matches ?? []);
  return Object.assign({}, ...parts, { matches }, target === undefined ? {} : { target }) as Rule;
}

export function comment(text: string): RulePart {
  return { matches: [{ kind: "comment", text }] };
}

/** `-m tcp -p tcp`, with `--dport` where a port is given. */
export function protocol(name: ServiceProtocol, port?: number): RulePart {
  const destinationPort = port === undefined ? {} : { destinationPort: { range: { from: port, to: port } } };
  const kind = ({ TCP: "tcp", UDP: "udp", SCTP: "sctp" } as const)[name];
  return { protocol: { protocol: PROTOCOL_NUMBERS[name] }, matches: [{ kind, ...destinationPort }] };
}

export function toAddress(address: Ipv4Address): RulePart {
  return { destination: { address, mask: 0xffffffff } };
}

export function fromAddress(address: Ipv4Address): RulePart {
  return { source: { address, mask: 0xffffffff } };
}

/** A source within the range; the range of all addresses says nothing, and `iptables-save` prints nothing for it. */
export function fromRange(range: Cidr): RulePart {
  return range.prefixLength === 0 ? {} : { source: rangeMatch(range) };
}

export function notFromRange(range: Cidr): RulePart {
  return { source: { ...rangeMatch(range), not: true } };
}

export function toRange(range: Cidr): RulePart {
  return range.prefixLength === 0 ? {} : { destination: rangeMatch(range) };
}

export function notToRange(range: Cidr): RulePart {
  return { destination: { ...rangeMatch(range), not: true } };
}

export function addressType(side: "source" | "destination", type: AddressType): RulePart {
  return match({ kind: "addrtype", [side]: { types: [type] } });
}

export function match(...matches: readonly Match[]): RulePart {
  return { matches };
}

export function jump(chain: string): Target {
  return { kind: "jump", chain };
}

function rangeMatch(range: Cidr): AddressMatch {
  return { address: range.network, mask: netmask(range.prefixLength) };
}
