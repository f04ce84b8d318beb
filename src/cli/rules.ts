import { formatRule, formatRuleset, formatTable, type Ruleset, type TableName } from "../nat/index.ts";
import { ConfigError } from "../scenario/index.ts";
import { type NodeFlags, runToStep } from "./inspect-node.ts";
import { type CommandIo, ExitCode } from "./io.ts";

export interface RulesFlags extends NodeFlags {
  readonly table?: TableName;
  readonly json?: boolean;
}

/** `natscope rules SCENARIO|FILE --node N`: a node's rules as iptables-save prints them. */
export async function rules(given: string, flags: RulesFlags, io: CommandIo): Promise<ExitCode> {
  const host = await runToStep(given, flags, io);
  const ruleset: Ruleset = host.netfilter?.ruleset ?? new Map();
  const table = flags.table === undefined ? undefined : ruleset.get(flags.table);
  if (flags.table !== undefined && table === undefined) {
    throw new ConfigError([{ file: `--table ${flags.table}`, message: `${host.name} has no such table` }]);
  }
  const shown: Ruleset = table === undefined ? ruleset : new Map([[table.name, table]]);
  if (flags.json === true) io.out(`${JSON.stringify(rulesJson(shown), undefined, 2)}\n`);
  else if (table === undefined && host.formatRules !== undefined) io.out(host.formatRules());
  else io.out(table === undefined ? formatRuleset(ruleset) : formatTable(table));
  if (ruleset.size === 0) io.err(`note: ${host.name} has no rules\n`);
  return ExitCode.ok;
}

/** `{ nat: { PREROUTING: { policy: "ACCEPT", rules: ["-j …"] } } }`, rules as iptables-save writes them behind `-A CHAIN`. */
function rulesJson(ruleset: Ruleset): unknown {
  const tables = [...ruleset.values()].map(({ name, chains }) => {
    const each = [...chains.values()].map((chain) => {
      const policy = chain.policy === undefined ? {} : { policy: chain.policy };
      return [chain.name, { ...policy, rules: chain.rules.map(formatRule) }];
    });
    return [name, Object.fromEntries(each)];
  });
  return Object.fromEntries(tables);
}
