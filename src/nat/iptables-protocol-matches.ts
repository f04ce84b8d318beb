import { splitWord, type Word } from "./iptables-lexer.ts";
import type { MatchModule, OfKind, RuleHead } from "./iptables-modules.ts";
import { ICMP_NAMES, SERVICE_PORTS } from "./iptables-names.ts";
import {
  formatNot,
  formatRange,
  parseUint,
  readPort,
  readRisingPorts,
  readRisingRange,
  readUint,
} from "./iptables-numbers.ts";
import {
  atMostOne,
  exactlyOne,
  flag,
  type Given,
  type GivenOption,
  need,
  negatable,
  negation,
  pair,
  refuse,
  value,
} from "./iptables-options.ts";
import type { Match, NumberRange, PortsMatch } from "./rule.ts";

type TcpMatch = OfKind<Match, "tcp">;
type UdpMatch = OfKind<Match, "udp">;
type SctpMatch = OfKind<Match, "sctp">;
type IcmpMatch = OfKind<Match, "icmp">;
type MultiportMatch = OfKind<Match, "multiport">;
type TcpmssMatch = OfKind<Match, "tcpmss">;

const ICMP = 1;
const TCP = 6;
const UDP = 17;
const SCTP = 132;
/** TCP, UDP, DCCP, SCTP and UDP-Lite (extensions/libxt_multiport.c, `check_proto`). */
const PROTOCOLS_WITH_PORTS: readonly number[] = [TCP, UDP, 33, 132, 136];
/** `XT_MULTI_PORTS`; a range takes two places. */
const MULTIPORT_PLACES = 15;

const TCP_FLAGS: readonly (readonly [name: string, bit: number])[] = [
  ["FIN", 0x01],
  ["SYN", 0x02],
  ["RST", 0x04],
  ["PSH", 0x08],
  ["ACK", 0x10],
  ["URG", 0x20],
];
const ALL_FLAGS = 0x3f;
const SYN = { mask: 0x17, set: 0x02 };

const PORT_OPTIONS = [negatable(value("sport", "source-port")), negatable(value("dport", "destination-port"))];

export const tcp: MatchModule<TcpMatch> = {
  options: [...PORT_OPTIONS, negatable(pair("tcp-flags")), negatable(flag("syn")), negatable(value("tcp-option"))],
  read(given, head) {
    needProtocol(given, head, TCP, "tcp");
    const option = given.options.get("tcp-option");
    return { kind: "tcp", ...readPorts(given), ...readFlags(given), ...(option && { option: readTcpOption(option) }) };
  },
  format(match) {
    const { flags, option } = match;
    const flagsText =
      flags === undefined || (flags.mask === 0 && !flags.not)
        ? ""
        : `${formatNot(flags)} --tcp-flags ${formatFlags(flags.mask)} ${formatFlags(flags.set)}`;
    const optionText = option === undefined ? "" : `${formatNot(option)} --tcp-option ${option.kind}`;
    return `${formatPorts(match)}${optionText}${flagsText}`;
  },
};

export const udp: MatchModule<UdpMatch> = {
  options: PORT_OPTIONS,
  read(given, head) {
    needProtocol(given, head, UDP, "udp");
    return { kind: "udp", ...readPorts(given) };
  },
  format: formatPorts,
};

export const sctp: MatchModule<SctpMatch> = {
  options: PORT_OPTIONS,
  read(given, head) {
    needProtocol(given, head, SCTP, "sctp");
    return { kind: "sctp", ...readPorts(given) };
  },
  format: (match) => formatPort("sport", match.sourcePort) + formatPort("dport", match.destinationPort),
};

export const icmp: MatchModule<IcmpMatch> = {
  options: [negatable(value("icmp-type"))],
  read(given, head) {
    needProtocol(given, head, ICMP, "icmp");
    const option = need(given, "icmp-type");
    return { kind: "icmp", ...readIcmpType(option.value), ...negation(option) };
  },
  format(match) {
    const { type, code } = match;
    const typeText = type === 255 ? "any" : code.from === code.to ? `${type}/${code.from}` : String(type);
    return `${formatNot(match)} --icmp-type ${typeText}`;
  },
};

export const multiport: MatchModule<MultiportMatch> = {
  options: [
    negatable(value("sports", "source-ports")),
    negatable(value("dports", "destination-ports")),
    negatable(value("ports")),
  ],
  read(given, head) {
    const protocol = head.protocol;
    if (protocol === undefined || protocol.not || !PROTOCOLS_WITH_PORTS.includes(protocol.protocol))
      refuse(given.at, "multiport needs a protocol that has ports", "add -p tcp, udp, sctp, dccp or udplite");
    const name = exactlyOne(given, ["sports", "dports", "ports"]);
    const option = need(given, name);
    const which = { sports: "source", dports: "destination", ports: "either" } as const;
    return { kind: "multiport", which: which[name], ports: readMultiports(option.value), ...negation(option) };
  },
  format(match) {
    const name = { source: "sports", destination: "dports", either: "ports" }[match.which];
    return `${formatNot(match)} --${name} ${match.ports.map((range) => formatRange(range)).join(",")}`;
  },
};

export const tcpmss: MatchModule<TcpmssMatch> = {
  options: [negatable(value("mss"))],
  read(given, head) {
    needProtocol(given, head, TCP, "tcp");
    const option = need(given, "mss");
    const range = readRisingRange(option.value, { max: 65535, what: "a segment size" });
    return { kind: "tcpmss", range, ...negation(option) };
  },
  format: (match) => `${formatNot(match)} --mss ${formatRange(match.range)}`,
};

/**
 * Two `-m tcp`, or two `-m udp`, of one rule as one, where they speak of different things. The nft backend does so, as it keeps
 * their conditions as its own expressions and not as modules.
 */
export function joinRepeated(matches: readonly Match[]): Match[] {
  const joined: Match[] = [];
  for (const match of matches) {
    const at = joined.findIndex((earlier) => canJoin(earlier, match));
    const earlier = joined[at];
    if (earlier === undefined) joined.push(match);
    else joined[at] = { ...earlier, ...match } as Match;
  }
  return joined;
}

function canJoin(one: Match, other: Match): boolean {
  if (one.kind !== other.kind || (one.kind !== "tcp" && one.kind !== "udp")) return false;
  if ("option" in one || "option" in other) return false;
  const keys = [...Object.keys(one), ...Object.keys(other)];
  return Object.keys(one).length > 1 && Object.keys(other).length > 1 && new Set(keys).size === keys.length - 1;
}

/** The kernel refuses these matches without their protocol (net/netfilter/xt_tcpudp.c, `.proto`), whatever the order of words. */
function needProtocol(given: Given, head: RuleHead, protocol: number, name: string): void {
  if (head.protocol === undefined || head.protocol.not || head.protocol.protocol !== protocol)
    refuse(given.at, `${given.module} matches only with -p ${name}`, `add -p ${name} to the rule`);
}

function readPorts(given: Given): { sourcePort?: PortsMatch; destinationPort?: PortsMatch } {
  const source = given.options.get("sport");
  const destination = given.options.get("dport");
  return {
    ...(source && { sourcePort: readPortsMatch(source) }),
    ...(destination && { destinationPort: readPortsMatch(destination) }),
  };
}

function readPortsMatch(option: GivenOption): PortsMatch {
  return { range: readRisingPorts(option.value), ...negation(option) };
}

/** For TCP and UDP all ports are no condition, and are left out, even negated (extensions/libxt_tcp.c, `print_port`). */
function formatPorts({ sourcePort, destinationPort }: TcpMatch | UdpMatch): string {
  return formatPort("sport", isEveryPort(sourcePort) ? undefined : sourcePort).concat(
    formatPort("dport", isEveryPort(destinationPort) ? undefined : destinationPort),
  );
}

function isEveryPort(ports: PortsMatch | undefined): boolean {
  return ports?.range.from === 0 && ports.range.to === 65535;
}

function formatPort(name: string, ports: PortsMatch | undefined): string {
  return ports === undefined ? "" : `${formatNot(ports)} --${name} ${formatRange(ports.range)}`;
}

function readFlags(given: Given): Pick<TcpMatch, "flags"> {
  const name = atMostOne(given, ["tcp-flags", "syn"]);
  if (name === undefined) return {};
  const option = need(given, name);
  if (name === "syn") return { flags: { ...SYN, ...negation(option) } };
  const flags = { mask: readFlagList(option.value), set: readFlagList(option.second), ...negation(option) };
  return { flags };
}

function readFlagList(word: Word): number {
  let bits = 0;
  for (const piece of splitWord(word, ",")) {
    const name = piece.text.toUpperCase();
    const bit = name === "ALL" ? ALL_FLAGS : name === "NONE" ? 0 : TCP_FLAGS.find(([known]) => known === name)?.[1];
    if (bit === undefined && name !== "")
      refuse(piece, `"${piece.text}" is not a TCP flag`, "write a list of SYN ACK FIN RST URG PSH, or ALL, or NONE");
    bits |= bit ?? 0;
  }
  return bits;
}

function formatFlags(bits: number): string {
  const names = TCP_FLAGS.filter(([, bit]) => (bits & bit) !== 0).map(([name]) => name);
  return names.length === 0 ? "NONE" : names.join(",");
}

function readTcpOption(option: GivenOption): NonNullable<TcpMatch["option"]> {
  return { kind: readUint(option.value, { min: 1, max: 255, what: "a TCP option" }), ...negation(option) };
}

function readIcmpType(word: Word): { type: number; code: NumberRange } {
  const [first, second, more] = splitWord(word, "/");
  if (first === undefined || more !== undefined || parseUint(first.text) === undefined) return readIcmpName(word);
  const type = readUint(first, { max: 255, what: "an ICMP type" });
  if (type === 255 || second === undefined) return { type, code: { from: 0, to: 255 } };
  const code = readUint(second, { max: 255, what: "an ICMP code" });
  return { type, code: { from: code, to: code } };
}

/** A name may be cut short as long as it remains the only one that fits (extensions/libxt_icmp.h, `parse_icmp`). */
function readIcmpName(word: Word): { type: number; code: NumberRange } {
  const start = word.text.toLowerCase();
  const [found, other] = ICMP_NAMES.filter(([name]) => name.toLowerCase().startsWith(start));
  if (found === undefined)
    refuse(word, `"${word.text}" is not an ICMP type`, "write TYPE, TYPE/CODE, a name like echo-request, or any");
  if (other !== undefined)
    refuse(word, `"${word.text}" could be ${found[0]} or ${other[0]}`, "write the ICMP type's name in full");
  const [, type, code] = found;
  return { type, code: code === undefined ? { from: 0, to: 255 } : { from: code, to: code } };
}

function readMultiports(word: Word): NumberRange[] {
  const ranges = splitWord(word, ",").map(readMultiport);
  const places = ranges.reduce((sum, range) => sum + (range.from === range.to ? 1 : 2), 0);
  if (places > MULTIPORT_PLACES)
    refuse(word, `multiport takes ${MULTIPORT_PLACES} ports, a range counting twice`, "split the rule into several");
  return ranges;
}

function readMultiport(word: Word): NumberRange {
  const [first, last, more] = splitWord(word, ":");
  if (SERVICE_PORTS.has(word.text) || first === undefined || last === undefined) {
    const port = readPort(word);
    return { from: port, to: port };
  }
  const range = { from: readPort(first), to: readPort(last) };
  if (more !== undefined || range.from >= range.to)
    refuse(word, `"${word.text}" is not a range of ports`, "write one as FROM:TO, the smaller port first");
  return range;
}
