import {
  type ConntrackEntry,
  emptyStatistics,
  formatConntrackEntry,
  formatConntrackStatistics,
  type Tuple,
} from "../nat/index.ts";
import { formatIpv4, type PacketEvent } from "../netstack/index.ts";
import { type NodeFlags, runToStep } from "./inspect-node.ts";
import { type CommandIo, ExitCode } from "./io.ts";

export interface ConntrackFlags extends NodeFlags {
  readonly json?: boolean;
  /** What changed in the table during the run, instead of the table. */
  readonly events?: boolean;
  /** Counters instead of the table. */
  readonly statistics?: boolean;
}

/** `natscope conntrack SCENARIO|FILE --node N`: a node's connections as conntrack -L -o extended prints them; events as with -E, counters as with -S. */
export async function conntrack(given: string, flags: ConntrackFlags, io: CommandIo): Promise<ExitCode> {
  const events: ConntrackEvent[] = [];
  const note = (event: PacketEvent): void => {
    if (event.kind === "conntrack") events.push(event);
  };
  const host = await runToStep(given, flags, io, flags.events === true ? note : undefined);
  const { netfilter } = host;
  const asJson = (value: unknown): void => io.out(`${JSON.stringify(value, undefined, 2)}\n`);
  if (flags.events === true) {
    const own = events.filter(({ node }) => node === host.name);
    if (flags.json === true) asJson(own.map(({ time, change, text }) => ({ time, change, text })));
    else for (const event of own) io.out(`${formatEvent(event, host.startDate)}\n`);
  } else if (flags.statistics === true) {
    // A machine without rules tracks nothing.
    const statistics = netfilter?.statistics ?? emptyStatistics();
    if (flags.json === true) asJson(statistics);
    else io.out(`${formatConntrackStatistics(statistics)}\n`);
  } else {
    const entries = netfilter?.list() ?? [];
    if (flags.json === true) asJson(entries.map(entryJson));
    else for (const entry of entries) io.out(`${formatConntrackEntry(entry)}\n`);
  }
  return ExitCode.ok;
}

type ConntrackEvent = Extract<PacketEvent, { kind: "conntrack" }>;

/** As `conntrack -E -o timestamp,extended` does: seconds since 1970, a tab, and what happened, set right. */
function formatEvent({ time, change, text }: ConntrackEvent, startDate: number): string {
  const microseconds = BigInt(startDate) * 1000n + BigInt(Math.floor(time / 1000));
  const fraction = String(microseconds % 1_000_000n).padStart(6, "0");
  return `[${microseconds / 1_000_000n}.${fraction}]\t${`[${change}]`.padStart(9)} ipv4     2 ${text}`;
}

function entryJson({ original, reply, state, timeout, seenReply, assured, mark }: ConntrackEntry): unknown {
  const { protocol } = original;
  return { protocol, state, timeout, original: sides(original), reply: sides(reply), seenReply, assured, mark };
}

function sides({ source, sourcePort, destination, destinationPort }: Tuple): unknown {
  return { source: formatIpv4(source), sourcePort, destination: formatIpv4(destination), destinationPort };
}
