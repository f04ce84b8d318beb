import { formatIpv4, IpProtocol } from "../netstack/index.ts";
import { type Tuple, UDP_LITE } from "./tuple.ts";

/** One connection as a value, for who lists them. */
export interface ConntrackEntry {
  readonly original: Tuple;
  readonly reply: Tuple;
  /** TCP's state by its name; `undefined` for other protocols. */
  readonly state: string | undefined;
  /** Seconds left, rounded down; `undefined` once it is dead. */
  readonly timeout: number | undefined;
  readonly seenReply: boolean;
  readonly assured: boolean;
  readonly mark: number;
}

const NAMES: Readonly<Record<number, string>> = {
  [IpProtocol.icmp]: "icmp",
  [IpProtocol.tcp]: "tcp",
  [IpProtocol.udp]: "udp",
  [IpProtocol.gre]: "gre",
  [IpProtocol.sctp]: "sctp",
  [UDP_LITE]: "udplite",
};

/** The line that `conntrack -L` prints for an entry; with `-o extended` unless told. */
export function formatConntrackEntry(entry: ConntrackEntry, form: "extended" | "short" = "extended"): string {
  return `${form === "extended" ? "ipv4     2 " : ""}${formatParts(entry)} mark=${entry.mark} use=1`;
}

/** The line that `conntrack -E` prints for an entry, behind `[NEW] ` and the like. */
export function formatConntrackEvent(entry: ConntrackEntry): string {
  return entry.mark === 0 ? formatParts(entry) : `${formatParts(entry)} mark=${entry.mark}`;
}

function formatParts(entry: ConntrackEntry): string {
  const { protocol } = entry.original;
  const parts = [`${(NAMES[protocol] ?? "unknown").padEnd(8)} ${protocol}`];
  if (entry.timeout !== undefined) parts.push(String(entry.timeout));
  if (entry.state !== undefined) parts.push(entry.state);
  parts.push(formatTuple(entry.original));
  if (!entry.seenReply) parts.push("[UNREPLIED]");
  parts.push(formatTuple(entry.reply));
  if (entry.assured) parts.push("[ASSURED]");
  return parts.join(" ");
}

function formatTuple(tuple: Tuple): string {
  const addresses = `src=${formatIpv4(tuple.source)} dst=${formatIpv4(tuple.destination)}`;
  const { sourcePort, destinationPort } = tuple;
  switch (tuple.protocol) {
    case IpProtocol.icmp:
      return `${addresses} type=${destinationPort >>> 8} code=${destinationPort & 255} id=${sourcePort}`;
    case IpProtocol.gre:
      return `${addresses} srckey=0x${sourcePort.toString(16)} dstkey=0x${destinationPort.toString(16)}`;
    case IpProtocol.tcp:
    case IpProtocol.udp:
    case IpProtocol.sctp:
    case UDP_LITE:
      return `${addresses} sport=${sourcePort} dport=${destinationPort}`;
    default:
      return addresses;
  }
}

/** Counters of connection tracking, by the names of `conntrack -S`. */
export interface ConntrackStatistics {
  /** Tuples that were wanted and found taken. */
  found: number;
  /** Packets that belong to no connection. */
  invalid: number;
  insert: number;
  /** Connections that could not be entered because another one had the tuple. */
  insertFailed: number;
  /** Packets dropped: no room, or a clash. */
  drop: number;
  /** Entries that made room for new ones. */
  earlyDrop: number;
  /** ICMP errors about nobody's packet. */
  error: number;
  searchRestart: number;
  /** Clashes that were settled without loss. */
  clashResolve: number;
  chainTooLong: number;
}

/** Counters of a box that has tracked nothing yet. */
export function emptyStatistics(): ConntrackStatistics {
  return {
    found: 0,
    invalid: 0,
    insert: 0,
    insertFailed: 0,
    drop: 0,
    earlyDrop: 0,
    error: 0,
    searchRestart: 0,
    clashResolve: 0,
    chainTooLong: 0,
  };
}

/** The line that `conntrack -S` prints. */
export function formatConntrackStatistics(counts: Readonly<ConntrackStatistics>): string {
  const fields = [
    `found=${counts.found} invalid=${counts.invalid} insert=${counts.insert} insert_failed=${counts.insertFailed}`,
    `drop=${counts.drop} early_drop=${counts.earlyDrop} error=${counts.error} search_restart=${counts.searchRestart}`,
    `clash_resolve=${counts.clashResolve} chaintoolong=${counts.chainTooLong} `,
  ];
  return `cpu=0   \t${fields.join(" ")}`;
}
