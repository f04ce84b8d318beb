import type { Process, Program } from "../apps/index.ts";
import {
  type ConntrackEntry,
  formatConntrackEntry,
  formatConntrackStatistics,
  formatRuleset,
  formatTable,
  type TableName,
} from "../nat/index.ts";
import { IpProtocol } from "../netstack/index.ts";
import type { Host } from "./host.ts";

/** What conntrack-tools 1.4 says behind a list, on stderr. */
const TOOLS = "conntrack v1.4.7 (conntrack-tools)";
const PROTOCOLS: Readonly<Record<string, number>> = {
  tcp: IpProtocol.tcp,
  udp: IpProtocol.udp,
  icmp: IpProtocol.icmp,
};

/** The programs that show what a host's kernel knows, by name: their like on Linux asks the kernel of the host it runs on. */
export function hostCommands(host: Host): ReadonlyMap<string, Program> {
  return new Map<string, Program>([
    ["conntrack", (process) => conntrack(process, host)],
    ["nat-mappings", (process) => natMappings(process, host)],
    ["iptables-save", (process) => iptablesSave(process, host)],
  ]);
}

/** `conntrack -L [-p PROTOCOL] [-o extended]` lists connections, `-C` counts them, `-S` shows counters. */
function conntrack(process: Process, host: Host): void {
  const { netfilter } = host;
  const asked = listing(process.argv.slice(1));
  if (asked === undefined) {
    process.writeError("conntrack: expected -L [-p tcp|udp|icmp] [-o extended], -C or -S\n");
    return process.exit(2);
  }
  if (asked.kind === "count") process.write(`${netfilter?.connections ?? 0}\n`);
  else if (asked.kind === "statistics") {
    if (netfilter !== undefined) process.write(`${formatConntrackStatistics(netfilter.statistics)}\n`);
  } else {
    const shown = (netfilter?.list() ?? []).filter(asked.shows);
    for (const entry of shown) process.write(`${formatConntrackEntry(entry, asked.form)}\n`);
    process.writeError(`${TOOLS}: ${shown.length} flow entries have been shown.\n`);
  }
  process.exit(0);
}

type Listing =
  | { readonly kind: "count" }
  | { readonly kind: "statistics" }
  | {
      readonly kind: "list";
      readonly form: "extended" | "short";
      readonly shows: (entry: ConntrackEntry) => boolean;
    };

function listing(args: readonly string[]): Listing | undefined {
  const [command, ...options] = args;
  if (command === "-C" || command === "-S")
    return options.length > 0 ? undefined : command === "-C" ? { kind: "count" } : { kind: "statistics" };
  if (command !== "-L") return undefined;
  let protocol: number | undefined;
  let form: "extended" | "short" = "short";
  for (let i = 0; i < options.length; i += 2) {
    const value = options[i + 1] ?? "";
    if (options[i] === "-o" && value === "extended") form = "extended";
    else if (options[i] === "-p" && Object.hasOwn(PROTOCOLS, value)) protocol = PROTOCOLS[value];
    else return undefined;
  }
  return { kind: "list", form, shows: ({ original }) => protocol === undefined || original.protocol === protocol };
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
