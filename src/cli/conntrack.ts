import { type ConntrackEntry, formatConntrackEntry, type Tuple } from "../nat/index.ts";
import { formatIpv4 } from "../netstack/index.ts";
import { type NodeFlags, runToStep } from "./inspect-node.ts";
import { type CommandIo, ExitCode } from "./io.ts";

export interface ConntrackFlags extends NodeFlags {
  readonly json?: boolean;
}

/** `natscope conntrack SCENARIO|FILE --node N`: a node's connections as conntrack -L -o extended prints them. */
export async function conntrack(given: string, flags: ConntrackFlags, io: CommandIo): Promise<ExitCode> {
  const host = await runToStep(given, flags, io);
  const entries = host.netfilter?.list() ?? [];
  if (flags.json === true) io.out(`${JSON.stringify(entries.map(entryJson), undefined, 2)}\n`);
  else for (const entry of entries) io.out(`${formatConntrackEntry(entry)}\n`);
  return ExitCode.ok;
}

function entryJson({ original, reply, state, timeout, seenReply, assured, mark }: ConntrackEntry): unknown {
  const { protocol } = original;
  return { protocol, state, timeout, original: sides(original), reply: sides(reply), seenReply, assured, mark };
}

function sides({ source, sourcePort, destination, destinationPort }: Tuple): unknown {
  return { source: formatIpv4(source), sourcePort, destination: formatIpv4(destination), destinationPort };
}
