import type { Process } from "../apps/index.ts";
import { type ConntrackEntry, formatConntrackEntry, formatConntrackStatistics } from "../nat/index.ts";
import { type ConntrackFilter, readConntrackFilter } from "./conntrack-filter.ts";
import type { Host } from "./host.ts";

/** What conntrack-tools puts before its messages. */
const TOOLS = "conntrack v1.4.7 (conntrack-tools)";
const HELP = "Try `conntrack -h' or 'conntrack --help' for more information.";

const COMMANDS: Readonly<Record<string, "list" | "delete" | "flush" | "count" | "statistics" | "events" | "version">> =
  {
    "-L": "list",
    "--dump": "list",
    "-D": "delete",
    "--delete": "delete",
    "-F": "flush",
    "--flush": "flush",
    "-C": "count",
    "--count": "count",
    "-S": "statistics",
    "--stats": "statistics",
    "-E": "events",
    "--event": "events",
    "-V": "version",
    "--version": "version",
  };

/**
 * `conntrack` of conntrack-tools 1.4.7: -L lists connections, -D deletes those that fit, -F all, -C counts them, -S shows counters. Events are for who looks
 * on from outside: `natscope conntrack --events`.
 */
export function conntrack(process: Process, host: Host): void {
  const [first = "", ...more] = process.argv.slice(1);
  const command = Object.hasOwn(COMMANDS, first) ? COMMANDS[first] : undefined;
  const args = more[0] === "conntrack" ? more.slice(1) : more;
  if (command === undefined)
    return refuse(process, `expected one of -L, -D, -F, -C and -S, got ${JSON.stringify(first)}`);
  if (command === "version") {
    process.write(`${TOOLS}\n`);
    return process.exit(0);
  }
  if (command === "events")
    return refuse(process, "-E would wait for events that only other steps make: see natscope conntrack --events");
  if (command === "list" || command === "delete") {
    const filter = readConntrackFilter(args);
    return "fault" in filter
      ? refuse(process, filter.fault)
      : select(process, host, { deletes: command === "delete", filter });
  }
  if (args.length > 0) return refuse(process, `unknown option \`${args[0]}'`);
  show(process, host, command);
}

function show(process: Process, { netfilter }: Host, command: "flush" | "count" | "statistics"): void {
  if (command === "count") process.write(`${netfilter?.connections ?? 0}\n`);
  else if (command === "statistics") {
    if (netfilter !== undefined) process.write(`${formatConntrackStatistics(netfilter.statistics)}\n`);
  } else {
    netfilter?.deleteWhere(() => true);
    process.writeError(`${TOOLS}: connection tracking table has been emptied.\n`);
  }
  process.exit(0);
}

function select(
  process: Process,
  { netfilter }: Host,
  { deletes, filter }: { readonly deletes: boolean; readonly filter: ConntrackFilter },
): void {
  const chosen: ConntrackEntry[] = (netfilter?.list() ?? []).filter(filter.fits);
  for (const entry of chosen) process.write(`${formatConntrackEntry(entry, filter.form)}\n`);
  if (deletes) netfilter?.deleteWhere(filter.fits);
  process.writeError(`${TOOLS}: ${chosen.length} flow entries have been ${deletes ? "deleted" : "shown"}.\n`);
  process.exit(deletes && chosen.length === 0 ? 1 : 0);
}

function refuse(process: Process, why: string): void {
  process.writeError(`${TOOLS}: ${why}\n${HELP}\n`);
  process.exit(2);
}
