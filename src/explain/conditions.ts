import type { AddressMatch, Match, NumberRange, PortsMatch, Rule } from "../nat/index.ts";
import { formatIpv4, ipv4 } from "../netstack/index.ts";
import { type Flow, protocolName } from "./flow.ts";

/** What a rule saw when it matched. */
export interface MatchedPacket {
  readonly box: string;
  readonly flow: Flow;
  readonly in: string | undefined;
  readonly out: string | undefined;
}

/** What in the packet made a rule match, in words; empty for a rule that matches every packet. The rule has matched: nothing is evaluated here. */
export function describeConditions(rule: Rule, packet: MatchedPacket): string[] {
  const { flow } = packet;
  const words: (string | undefined)[] = [
    rule.source && describeAddress("source", flow.source, rule.source),
    rule.destination && describeAddress("destination", flow.destination, rule.destination),
    rule.inInterface &&
      (rule.inInterface.not ? `did not come in by ${rule.inInterface.name}` : `came in by ${packet.in}`),
    rule.outInterface &&
      (rule.outInterface.not ? `does not leave by ${rule.outInterface.name}` : `leaves by ${packet.out}`),
    rule.protocol && describeProtocol(rule),
    rule.fragment && (rule.fragment.not ? "is no later fragment" : "is a later fragment"),
    ...rule.matches.flatMap((match) => describeMatch(match, packet)),
  ];
  return words
    .filter((word) => word !== undefined)
    .map((word) => (/^(?:its?|the|one|no more|more) /.test(word) ? word : `it ${word}`));
}

function describeAddress(side: "source" | "destination", value: number, match: AddressMatch): string {
  const address = formatIpv4(ipv4(value));
  if (match.mask === 0xffffffff && !match.not) return `its ${side} is ${address}`;
  return `its ${side} ${address} is ${match.not ? "not " : ""}in ${formatMasked(match)}`;
}

function formatMasked({ address, mask }: AddressMatch): string {
  const ones = mask === 0 ? 0 : 32 - Math.log2(2 ** 32 - mask);
  return `${formatIpv4(address)}/${Number.isInteger(ones) ? ones : formatIpv4(ipv4(mask))}`;
}

/** A port match says the protocol, too. */
function describeProtocol({ protocol, matches }: Rule): string | undefined {
  if (protocol === undefined) return undefined;
  const name = protocolName(protocol.protocol);
  if (protocol.not) return `is not ${name}`;
  return matches.some((match) => hasPorts(match)) ? undefined : `is ${name}`;
}

function hasPorts(match: Match): boolean {
  const isTransport = match.kind === "tcp" || match.kind === "udp" || match.kind === "sctp";
  return isTransport && (match.sourcePort ?? match.destinationPort) !== undefined;
}

type Describe<K extends Match["kind"]> = (match: Extract<Match, { kind: K }>, packet: MatchedPacket) => string[];

/** By the match's kind; what has no row is said by its name. */
const DESCRIBE: { readonly [K in Match["kind"]]?: Describe<K> } = {
  comment: () => [],
  tcp: (match, packet) => [...describePorts("TCP", match, packet), ...describeFlags(match)],
  udp: (match, packet) => describePorts("UDP", match, packet),
  sctp: (match, packet) => describePorts("SCTP", match, packet),
  icmp: ({ type, not }) => (type === 255 ? ["is ICMP"] : [`is ${not ? "not " : ""}ICMP type ${type}`]),
  multiport: ({ which, ports, not }) => {
    const side = which === "either" ? "one of its ports" : `its ${which} port`;
    return [`${side} is ${not ? "not " : ""}in ${ports.map(formatRange).join(",")}`];
  },
  mark: ({ value, mask, not }) => [`${not ? "does not carry" : "carries"} the mark ${formatMark(value, mask)}`],
  connmark: ({ value, mask, not }) => [
    `its connection ${not ? "does not carry" : "carries"} the mark ${formatMark(value, mask)}`,
  ],
  conntrack: ({ state, direction, ...others }) => [
    ...(state === undefined ? [] : [describeState(state.states, state.not)]),
    ...(direction === undefined ? [] : [`goes the connection's ${direction.toLowerCase()} way`]),
    ...Object.keys(others)
      .filter((key) => key !== "kind")
      .map((key) => `its connection's ${key} is as the rule wants it`),
  ],
  state: ({ states, not }) => [describeState(states, not)],
  addrtype: ({ source, destination }, packet) => [
    ...(source === undefined ? [] : [describeType("source", packet.flow.source, { ...source, box: packet.box })]),
    ...(destination === undefined
      ? []
      : [describeType("destination", packet.flow.destination, { ...destination, box: packet.box })]),
  ],
  statistic: (match) => [
    match.mode === "random"
      ? `the draw fell on this rule (chance ${formatShare(match.probability / 2 ** 31)})`
      : `it was this rule's turn (one packet in ${match.every})`,
  ],
  recent: ({ action, seconds, name }) => [
    action === "set"
      ? `its source is remembered in the list ${name}`
      : `its source is in the list ${name}${seconds === undefined ? "" : `, seen in the last ${seconds} s`}`,
  ],
  limit: ({ rate, unit }) => [`no more than ${rate} a ${unit} came`],
  hashlimit: ({ above, rate, unit }) => [`${above ? "more" : "no more"} than ${rate} a ${unit} came`],
  set: ({ name, not }) => [`is ${not ? "not " : ""}in the ipset ${name}`],
  length: ({ range, not }) => [`its length is ${not ? "not " : ""}${formatRange(range)}`],
};

function describeMatch<K extends Match["kind"]>(match: Extract<Match, { kind: K }>, packet: MatchedPacket): string[] {
  const describe = DESCRIBE[match.kind as K] as Describe<K> | undefined;
  return describe?.(match, packet) ?? [`is as -m ${match.kind} wants it`];
}

function describePorts(
  protocol: string,
  match: { readonly sourcePort?: PortsMatch; readonly destinationPort?: PortsMatch },
  { flow }: MatchedPacket,
): string[] {
  const { sourcePort, destinationPort } = match;
  const from = sourcePort && `from port ${describePort(flow.sourcePort, sourcePort)}`;
  const to = destinationPort && `to port ${describePort(flow.destinationPort, destinationPort)}`;
  if (from === undefined && to === undefined) return [];
  return [`is ${[protocol, from, to].filter((word) => word !== undefined).join(" ")}`];
}

function describePort(port: number, { range, not }: PortsMatch): string {
  if (range.from === range.to && !not) return String(port);
  return `${port}, which is ${not ? "not " : ""}in ${formatRange(range)}`;
}

function describeFlags({ flags }: Extract<Match, { kind: "tcp" }>): string[] {
  return flags === undefined
    ? []
    : [flags.not ? "its TCP flags are not those of the rule" : "its TCP flags are the rule's"];
}

const STATES: Readonly<Record<string, string>> = {
  NEW: "it opens a connection (NEW)",
  ESTABLISHED: "its connection is known (ESTABLISHED)",
  RELATED: "it belongs to a known connection (RELATED)",
  INVALID: "it belongs to no connection that conntrack knows (INVALID)",
  UNTRACKED: "it is not tracked (UNTRACKED)",
  DNAT: "its connection's destination was translated (DNAT)",
  SNAT: "its connection's source was translated (SNAT)",
};

function describeState(states: readonly string[], not: true | undefined): string {
  if (not) return `its connection is none of ${states.join(", ")}`;
  const [only, more] = states;
  return more === undefined
    ? (STATES[only ?? ""] ?? `its state is ${only}`)
    : `its connection is known (${states.join(" or ")})`;
}

function describeType(
  side: "source" | "destination",
  value: number,
  { types, not, box }: { readonly types: readonly string[]; readonly not?: true; readonly box: string },
): string {
  const address = formatIpv4(ipv4(value));
  if (types.length !== 1 || types[0] !== "LOCAL")
    return `its ${side} ${address} is ${not ? "not " : ""}${types.join(" or ")}`;
  return `its ${side} ${address} is ${not ? "no" : "an"} address of ${box} itself`;
}

function formatRange({ from, to }: NumberRange): string {
  return from === to ? String(from) : `${from}-${to}`;
}

function formatMark(value: number, mask: number): string {
  const text = `0x${value.toString(16)}`;
  return mask === 0xffffffff ? text : `${text}/0x${mask.toString(16)}`;
}

function formatShare(share: number): string {
  return share >= 0.995 ? "1" : share.toFixed(2);
}
