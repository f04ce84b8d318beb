import { formatIpv4 } from "../netstack/index.ts";
import { prefixLengthOf, readHostAndMask } from "./iptables-addresses.ts";
import { splitWord, type Word } from "./iptables-lexer.ts";
import type { MatchModule, OfKind } from "./iptables-modules.ts";
import { PROTOCOL_NUMBERS } from "./iptables-names.ts";
import {
  ALL_ONES,
  formatMasked,
  formatNot,
  formatRange,
  parseUint,
  readMasked,
  readPortRange,
  readRange,
} from "./iptables-numbers.ts";
import { type Given, type GivenOption, need, needAny, negatable, negation, refuse, value } from "./iptables-options.ts";
import type { AddressMatch, CtState, CtStatus, Match, PortsMatch, ProtocolMatch } from "./rule.ts";

type ConntrackMatch = OfKind<Match, "conntrack">;

/** In the order in which they are printed. */
const STATES: readonly CtState[] = ["INVALID", "NEW", "RELATED", "ESTABLISHED", "UNTRACKED", "SNAT", "DNAT"];
const PLAIN_STATES: readonly CtState[] = ["INVALID", "NEW", "RELATED", "ESTABLISHED", "UNTRACKED"];
const STATUSES: readonly CtStatus[] = ["NONE", "EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED"];
const DIRECTIONS: readonly ("ORIGINAL" | "REPLY")[] = ["ORIGINAL", "REPLY"];

const ADDRESS_OPTIONS = [
  ["ctorigsrc", "originalSource"],
  ["ctorigdst", "originalDestination"],
  ["ctreplsrc", "replySource"],
  ["ctrepldst", "replyDestination"],
] as const;

const PORT_OPTIONS = [
  ["ctorigsrcport", "originalSourcePort"],
  ["ctorigdstport", "originalDestinationPort"],
  ["ctreplsrcport", "replySourcePort"],
  ["ctrepldstport", "replyDestinationPort"],
] as const;

export const conntrack: MatchModule<ConntrackMatch> = {
  options: [
    negatable(value("ctstate")),
    negatable(value("ctproto")),
    ...ADDRESS_OPTIONS.map(([name]) => negatable(value(name))),
    ...PORT_OPTIONS.map(([name]) => negatable(value(name))),
    negatable(value("ctstatus")),
    negatable(value("ctexpire")),
    value("ctdir"),
  ],
  read(given) {
    needAny(given);
    const [state, status] = [given.options.get("ctstate"), given.options.get("ctstatus")];
    const [protocol, expires] = [given.options.get("ctproto"), given.options.get("ctexpire")];
    const direction = given.options.get("ctdir");
    return {
      kind: "conntrack",
      ...(state && { state: { states: readList(state.value, STATES), ...negation(state) } }),
      ...(protocol && { protocol: readProtocol(protocol) }),
      ...readAddresses(given),
      ...readPorts(given),
      ...(status && { status: { statuses: readStatuses(status.value), ...negation(status) } }),
      ...(expires && { expires: { range: readExpiry(expires.value), ...negation(expires) } }),
      ...(direction && { direction: readOne(direction.value, DIRECTIONS) }),
    };
  },
  format(match) {
    const { state, protocol, status, expires, direction } = match;
    return [
      state ? `${formatNot(state)} --ctstate ${state.states.join(",")}` : "",
      protocol ? `${formatNot(protocol)} --ctproto ${protocol.protocol}` : "",
      ...ADDRESS_OPTIONS.map(([name, key]) => formatAddress(name, match[key])),
      ...PORT_OPTIONS.map(([name, key]) => formatPorts(name, match[key])),
      status ? `${formatNot(status)} --ctstatus ${status.statuses.join(",")}` : "",
      expires ? `${formatNot(expires)} --ctexpire ${formatRange(expires.range)}` : "",
      direction ? ` --ctdir ${direction}` : "",
    ].join("");
  },
};

export const state: MatchModule<OfKind<Match, "state">> = {
  options: [negatable(value("state"))],
  read(given) {
    const option = need(given, "state");
    return { kind: "state", states: readList(option.value, PLAIN_STATES), ...negation(option) };
  },
  format: (match) => `${formatNot(match)} --state ${match.states.join(",")}`,
};

export const connmark: MatchModule<OfKind<Match, "connmark">> = {
  options: [negatable(value("mark"))],
  read(given) {
    const option = need(given, "mark");
    return { kind: "connmark", ...readMasked(option.value), ...negation(option) };
  },
  format: (match) => `${formatNot(match)} --mark ${formatMasked(match)}`,
};

/** The protocol's number, from its number or name. @throws RuleSyntaxError. */
export function readProtocolNumber(word: Word): number {
  const number = PROTOCOL_NUMBERS.get(word.text.toLowerCase()) ?? parseUint(word.text);
  if (number === undefined || number > 255)
    refuse(word, `"${word.text}" is not a protocol`, "write tcp, udp, icmp, another known name, or a number up to 255");
  return number;
}

function readProtocol(option: GivenOption): ProtocolMatch {
  return { protocol: readProtocolNumber(option.value), ...negation(option) };
}

/** The names given, in the order of `known`. A name may be cut short; the first that fits is meant. */
function readList<Name extends string>(word: Word, known: readonly Name[]): Name[] {
  const wanted = splitWord(word, ",").map((piece) => readOne(piece, known));
  return known.filter((name) => wanted.includes(name));
}

function readOne<Name extends string>(word: Word, known: readonly Name[]): Name {
  const start = word.text.toUpperCase();
  const found = known.find((name) => start !== "" && name.startsWith(start));
  if (found === undefined) refuse(word, `"${word.text}" is not known here`, `write one of ${known.join(", ")}`);
  return found;
}

/** NONE is the absence of bits: beside another it is nothing. */
function readStatuses(word: Word): CtStatus[] {
  const statuses = readList(word, STATUSES);
  return statuses.length > 1 ? statuses.filter((status) => status !== "NONE") : statuses;
}

function readExpiry(word: Word): { from: number; to: number } {
  return readRange(word, { max: ALL_ONES, what: "a number of seconds" });
}

function readAddresses(given: Given): Partial<Record<(typeof ADDRESS_OPTIONS)[number][1], AddressMatch>> {
  const found: Partial<Record<(typeof ADDRESS_OPTIONS)[number][1], AddressMatch>> = {};
  for (const [name, key] of ADDRESS_OPTIONS) {
    const option = given.options.get(name);
    if (option !== undefined) found[key] = { ...readConnectionAddress(option.value), ...negation(option) };
  }
  return found;
}

/** Libxtables takes a mask that is no prefix for one of all ones here (libxtables/xtoptions.c, `xtopt_parse_hostmask`). */
function readConnectionAddress(word: Word): Omit<AddressMatch, "not"> {
  const { address, mask } = readHostAndMask(word);
  return { address, mask: prefixLengthOf(mask) === undefined ? ALL_ONES : mask };
}

function readPorts(given: Given): Partial<Record<(typeof PORT_OPTIONS)[number][1], PortsMatch>> {
  const found: Partial<Record<(typeof PORT_OPTIONS)[number][1], PortsMatch>> = {};
  for (const [name, key] of PORT_OPTIONS) {
    const option = given.options.get(name);
    if (option !== undefined) found[key] = { range: readPortRange(option.value), ...negation(option) };
  }
  return found;
}

function formatAddress(name: string, match: AddressMatch | undefined): string {
  if (match === undefined) return "";
  const prefix = prefixLengthOf(match.mask) ?? 32;
  return `${formatNot(match)} --${name} ${formatIpv4(match.address)}${prefix === 32 ? "" : `/${prefix}`}`;
}

function formatPorts(name: string, match: PortsMatch | undefined): string {
  return match === undefined ? "" : `${formatNot(match)} --${name} ${formatRange(match.range)}`;
}
