import type { Process, Program } from "../apps/index.ts";
import { formatRuleset, formatTable, type TableName } from "../nat/index.ts";
import { conntrack } from "./conntrack-command.ts";
import type { Host } from "./host.ts";
import { sysctl } from "./sysctl-command.ts";

/** The programs that show what a host's kernel knows, by name: their like on Linux asks the kernel of the host it runs on. */
export function hostCommands(host: Host): ReadonlyMap<string, Program> {
  return new Map<string, Program>([
    ["conntrack", (process) => conntrack(process, host)],
    ["nat-mappings", (process) => natMappings(process, host)],
    ["iptables-save", (process) => iptablesSave(process, host)],
    ["sysctl", (process) => sysctl(process, host)],
  ]);
}

/** `nat-mappings`: the table of a NAT that is not netfilter's, as a home router's page shows it. */
function natMappings(process: Process, host: Host): void {
  if (host.natGateway === undefined) {
    process.writeError("nat-mappings: this machine is no NAT; conntrack -L shows what its rules translate\n");
    return process.exit(1);
  }
  for (const line of host.natGateway.list()) process.write(`${line}\n`);
  process.exit(0);
}

/** `iptables-save [-t TABLE]`. */
function iptablesSave(process: Process, host: Host): void {
  const [option, name = "", ...more] = process.argv.slice(1);
  const isTable = option === "-t" && ["raw", "mangle", "nat", "filter"].includes(name) && more.length === 0;
  if (option !== undefined && !isTable) {
    process.writeError("iptables-save: expected nothing, or -t raw|mangle|nat|filter\n");
    return process.exit(2);
  }
  const rules = host.netfilter?.ruleset ?? new Map();
  if (!isTable) process.write(formatRuleset(rules));
  else {
    const table = rules.get(name as TableName);
    if (table !== undefined) process.write(formatTable(table));
  }
  process.exit(0);
}
