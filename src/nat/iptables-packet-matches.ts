import { formatMac, mac as macAddress } from "../netstack/index.ts";
import { formatAddressRange, readAddressRange, readInterface } from "./iptables-addresses.ts";
import { formatQuoted, splitWord, type Word } from "./iptables-lexer.ts";
import type { MatchModule, OfKind } from "./iptables-modules.ts";
import { formatMasked, formatNot, formatRange, readMasked, readRange, readUint } from "./iptables-numbers.ts";
import {
  atMostOne,
  exactlyOne,
  flag,
  type GivenOption,
  need,
  needAny,
  negatable,
  negation,
  pair,
  refuse,
  value,
} from "./iptables-options.ts";
import type { AddressType, InterfaceMatch, Match } from "./rule.ts";

type PhysdevMatch = OfKind<Match, "physdev">;

/** `XT_MAX_COMMENT_LEN` less the zero at the end; libxtables cuts a longer comment short. */
const COMMENT_BYTES = 255;
/** `IPSET_DIM_MAX`. */
const SET_DIMENSIONS = 6;
/** `IPSET_MAXNAMELEN` less the zero at the end. */
const SET_NAME_LIMIT = 31;

/** In the order in which they are printed. */
const ADDRESS_TYPES: readonly AddressType[] = [
  "UNSPEC",
  "UNICAST",
  "LOCAL",
  "BROADCAST",
  "ANYCAST",
  "MULTICAST",
  "BLACKHOLE",
  "UNREACHABLE",
  "PROHIBIT",
  "THROW",
  "NAT",
  "XRESOLVE",
];

export const comment: MatchModule<OfKind<Match, "comment">> = {
  options: [value("comment")],
  read: (given) => ({ kind: "comment", text: cutToBytes(need(given, "comment").value.text, COMMENT_BYTES) }),
  format: (match) => ` --comment ${formatQuoted(match.text)}`,
};

export const mark: MatchModule<OfKind<Match, "mark">> = {
  options: [negatable(value("mark"))],
  read(given) {
    const option = need(given, "mark");
    return { kind: "mark", ...readMasked(option.value), ...negation(option) };
  },
  format: (match) => `${formatNot(match)} --mark ${formatMasked(match)}`,
};

export const length: MatchModule<OfKind<Match, "length">> = {
  options: [negatable(value("length"))],
  read(given) {
    const option = need(given, "length");
    const range = readRange(option.value, { max: 65535, what: "a packet length" });
    return { kind: "length", range, ...negation(option) };
  },
  format: (match) => `${formatNot(match)} --length ${formatRange(match.range)}`,
};

export const ttl: MatchModule<OfKind<Match, "ttl">> = {
  options: [negatable(value("ttl-eq", "ttl")), value("ttl-lt"), value("ttl-gt")],
  read(given) {
    const name = exactlyOne(given, ["ttl-eq", "ttl-lt", "ttl-gt"]);
    const option = need(given, name);
    const comparison = ({ "ttl-eq": "eq", "ttl-lt": "lt", "ttl-gt": "gt" } as const)[name];
    return { kind: "ttl", comparison, value: readUint(option.value, { max: 255, what: "a TTL" }), ...negation(option) };
  },
  format: (match) => `${formatNot(match)} --ttl-${match.comparison} ${match.value}`,
};

export const iprange: MatchModule<OfKind<Match, "iprange">> = {
  options: [negatable(value("src-range")), negatable(value("dst-range"))],
  read(given) {
    needAny(given);
    const source = given.options.get("src-range");
    const destination = given.options.get("dst-range");
    return {
      kind: "iprange",
      ...(source && { source: { range: readAddressRange(source.value), ...negation(source) } }),
      ...(destination && { destination: { range: readAddressRange(destination.value), ...negation(destination) } }),
    };
  },
  format({ source, destination }) {
    const first = source ? `${formatNot(source)} --src-range ${formatAddressRange(source.range)}` : "";
    const last = destination ? `${formatNot(destination)} --dst-range ${formatAddressRange(destination.range)}` : "";
    return first + last;
  },
};

export const mac: MatchModule<OfKind<Match, "mac">> = {
  options: [negatable(value("mac-source"))],
  read(given) {
    const option = need(given, "mac-source");
    return { kind: "mac", source: readMac(option.value), ...negation(option) };
  },
  format: (match) => `${formatNot(match)} --mac-source ${formatMac(macAddress(match.source))}`,
};

export const physdev: MatchModule<PhysdevMatch> = {
  options: [
    negatable(value("physdev-in")),
    negatable(value("physdev-out")),
    negatable(flag("physdev-is-in")),
    negatable(flag("physdev-is-out")),
    negatable(flag("physdev-is-bridged")),
  ],
  read(given) {
    needAny(given);
    const [inside, outside] = [given.options.get("physdev-in"), given.options.get("physdev-out")];
    const [isIn, isOut] = [given.options.get("physdev-is-in"), given.options.get("physdev-is-out")];
    const isBridged = given.options.get("physdev-is-bridged");
    return {
      kind: "physdev",
      ...(inside && { in: readInterfaceMatch(inside) }),
      ...(outside && { out: readInterfaceMatch(outside) }),
      ...(isIn && { isIn: negation(isIn) }),
      ...(isOut && { isOut: negation(isOut) }),
      ...(isBridged && { isBridged: negation(isBridged) }),
    };
  },
  format(match) {
    return [
      formatFlag("physdev-is-in", match.isIn),
      formatInterfaceOption("physdev-in", match.in),
      formatFlag("physdev-is-out", match.isOut),
      formatInterfaceOption("physdev-out", match.out),
      formatFlag("physdev-is-bridged", match.isBridged),
    ].join("");
  },
};

export const addrtype: MatchModule<OfKind<Match, "addrtype">> = {
  options: [
    negatable(value("src-type")),
    negatable(value("dst-type")),
    flag("limit-iface-in"),
    flag("limit-iface-out"),
  ],
  read(given) {
    const source = given.options.get("src-type");
    const destination = given.options.get("dst-type");
    if (source === undefined && destination === undefined)
      refuse(given.at, "addrtype needs --src-type or --dst-type", "add one behind it");
    const limit = atMostOne(given, ["limit-iface-in", "limit-iface-out"]);
    return {
      kind: "addrtype",
      ...(source && { source: { types: readAddressTypes(source.value), ...negation(source) } }),
      ...(destination && { destination: { types: readAddressTypes(destination.value), ...negation(destination) } }),
      ...(limit && { limitInterface: limit === "limit-iface-in" ? "in" : "out" }),
    };
  },
  format({ source, destination, limitInterface }) {
    const first = source ? `${formatNot(source)} --src-type ${source.types.join(",")}` : "";
    const last = destination ? `${formatNot(destination)} --dst-type ${destination.types.join(",")}` : "";
    return `${first}${last}${limitInterface ? ` --limit-iface-${limitInterface}` : ""}`;
  },
};

export const set: MatchModule<OfKind<Match, "set">> = {
  options: [negatable(pair("match-set", "set"))],
  read(given) {
    const option = need(given, "match-set");
    const name = option.value.text;
    if (name === "" || name.length > SET_NAME_LIMIT || /\s|"/.test(name))
      refuse(option.value, `"${name}" is not a set's name`, `write 1 to ${SET_NAME_LIMIT} characters without blanks`);
    return { kind: "set", name, flags: readSetFlags(option.second), ...negation(option) };
  },
  format: (match) => `${formatNot(match)} --match-set ${match.name} ${match.flags.join(",")}`,
};

/** A text's first bytes in UTF-8, as many as there is room for. */
export function cutToBytes(text: string, room: number): string {
  let bytes = 0;
  let end = 0;
  for (const character of text) {
    const point = character.codePointAt(0) ?? 0;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    if (bytes > room) return text.slice(0, end);
    end += character.length;
  }
  return text;
}

function readInterfaceMatch(option: GivenOption): InterfaceMatch {
  return { ...readInterface(option.value), ...negation(option) };
}

function formatInterfaceOption(name: string, match: InterfaceMatch | undefined): string {
  return match === undefined ? "" : `${formatNot(match)} --${name} ${match.name}`;
}

function formatFlag(name: string, given: { readonly not?: true } | undefined): string {
  return given === undefined ? "" : `${formatNot(given)} --${name}`;
}

/** Bytes may be written with one digit. */
function readMac(word: Word): number {
  if (!/^[\da-f]{1,2}(:[\da-f]{1,2}){5}$/i.test(word.text))
    refuse(word, `"${word.text}" is not an Ethernet address`, "write six hexadecimal bytes, like 0a:58:0a:f4:03:08");
  return word.text.split(":").reduce((bits, byte) => bits * 256 + Number.parseInt(byte, 16), 0);
}

/** Names may be cut short; the first that fits is meant (extensions/libxt_addrtype.c, `parse_type`). */
function readAddressTypes(word: Word): AddressType[] {
  const wanted = splitWord(word, ",").map((piece) => {
    const start = piece.text.toUpperCase();
    const found = ADDRESS_TYPES.find((type) => start !== "" && type.startsWith(start));
    if (found === undefined)
      refuse(piece, `"${piece.text}" is not an address type`, `write one of ${ADDRESS_TYPES.join(", ")}`);
    return found;
  });
  return ADDRESS_TYPES.filter((type) => wanted.includes(type));
}

function readSetFlags(word: Word): ("src" | "dst")[] {
  const pieces = splitWord(word, ",");
  if (pieces.length > SET_DIMENSIONS)
    refuse(word, `a set has at most ${SET_DIMENSIONS} dimensions`, "write fewer of src and dst");
  return pieces.map((piece) => {
    if (piece.text !== "src" && piece.text !== "dst")
      refuse(piece, `"${piece.text}" is neither src nor dst`, "write one of them for each dimension, like src,dst");
    return piece.text;
  });
}
