import { formatIpv4, type Ipv4Address, ipv4, netmask, parseIpv4 } from "../netstack/index.ts";
import { splitWord, type Word } from "./iptables-lexer.ts";
import { parseUint } from "./iptables-numbers.ts";
import { refuse } from "./iptables-options.ts";
import type { AddressMatch, AddressRange, InterfaceMatch } from "./rule.ts";

const INTERFACE_NAME_LIMIT = 15;

/**
 * Reads an address as iptables does: octets may be octal or hexadecimal, and missing ones at the end are zero, so that `10.1` is
 * 10.1.0.0 (libxtables, `xtables_numeric_to_ipaddr`).
 */
export function readAddress(word: Word): Ipv4Address {
  const octets = word.text.split(".").map(parseUint);
  let bits = 0;
  for (let at = 0; at < 4; at += 1) {
    const octet = at < octets.length ? octets[at] : 0;
    if (octet === undefined || octet > 255 || octets.length > 4)
      refuse(
        word,
        `"${word.text}" is not an IPv4 address`,
        "write four numbers, like 10.0.0.1: names are not looked up",
      );
    bits = bits * 256 + octet;
  }
  return ipv4(bits);
}

/** Reads an address written in full. */
export function readDottedQuad(word: Word): Ipv4Address {
  const address = parseIpv4(word.text);
  if (address === undefined) refuse(word, `"${word.text}" is not an IPv4 address`, "write four numbers, like 10.0.0.1");
  return address;
}

/** Reads `10.0.0.1`, `10.0.0.0/8` or `10.0.0.0/255.0.0.0`; the address is not masked. */
export function readHostAndMask(word: Word): Omit<AddressMatch, "not"> {
  const [host, mask, more] = splitWord(word, "/");
  if (host === undefined || more !== undefined)
    refuse(word, `"${word.text}" is not an address range`, "write one like 10.0.0.0/8");
  return { address: readAddress(host), mask: mask === undefined ? 0xffffffff : readMask(mask) };
}

/** Reads what `-s` and `-d` take: several ranges between commas, each of them masked. */
export function readAddresses(word: Word): Omit<AddressMatch, "not">[] {
  return splitWord(word, ",").map((piece) => {
    const { address, mask } = readHostAndMask(piece);
    return { address: ipv4(address & mask), mask };
  });
}

/** Reads `10.0.0.1-10.0.0.9`; a single address is a range of one. */
export function readAddressRange(word: Word): AddressRange {
  const [first, last, more] = splitWord(word, "-");
  if (first === undefined || more !== undefined)
    refuse(word, `"${word.text}" is not a range of addresses`, "write one as FIRST-LAST");
  const from = readAddress(first);
  return { from, to: last === undefined ? from : readAddress(last) };
}

/** The prefix length of a mask; `undefined` when its ones are not all in front. */
export function prefixLengthOf(mask: number): number | undefined {
  for (let length = 0; length <= 32; length += 1) if (netmask(length) === mask >>> 0) return length;
  return undefined;
}

/** `10.0.0.0/8`, with the mask written out where it is not a prefix. */
export function formatMaskedAddress(match: AddressMatch): string {
  return `${formatIpv4(match.address)}/${prefixLengthOf(match.mask) ?? formatIpv4(ipv4(match.mask))}`;
}

/** `10.0.0.1-10.0.0.9`, both ends always. */
export function formatAddressRange(range: AddressRange): string {
  return `${formatIpv4(range.from)}-${formatIpv4(range.to)}`;
}

/** Reads an interface name, `+` at its end standing for any ending. Blanks would make text that cannot be read back. */
export function readInterface(word: Word): Omit<InterfaceMatch, "not"> {
  const name = word.text;
  if (name === "" || /\s|"/.test(name) || name.length > INTERFACE_NAME_LIMIT)
    refuse(word, `"${name}" is not an interface name`, `write 1 to ${INTERFACE_NAME_LIMIT} characters without blanks`);
  return { name };
}

function readMask(word: Word): number {
  if (word.text.includes(".")) return readDottedQuad(word);
  const length = parseUint(word.text);
  if (length === undefined || length > 32)
    refuse(word, `"${word.text}" is not a mask`, "write a prefix length from 0 to 32, or a mask like 255.255.0.0");
  return netmask(length);
}
