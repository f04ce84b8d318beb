import { getU8, getU16 } from "./big-endian.ts";
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { bytesToOctets, octetsToBytes } from "./octets.ts";

/** The labels of a name, without the root's empty one, as octet strings. */
export type DnsLabels = readonly string[];

/** Where a message has already written which name, for compression. */
export type DnsNameOffsets = Map<string, number>;

const MAX_LABEL = 63;
/** Octets of a name on the wire, length octets and the root's included (RFC 1035 §2.3.4). */
const MAX_NAME = 255;
/** A name of 255 octets has at most 127 labels; more pointers than that cannot be of use. */
const MAX_POINTERS = 127;
const HEADER_LENGTH = 12;
/** Offsets a pointer can hold: 14 bits. */
const POINTER_LIMIT = 0x4000;

/**
 * Reads a name in presentation form, with or without the final dot: `\.` is a dot inside a label, `\065` an octet by
 * number. `undefined` when it is no name.
 */
export function parseName(text: string): DnsLabels | undefined {
  if (text === ".") return [];
  const labels: string[] = [];
  let label = "";
  for (let at = 0; at < text.length; at++) {
    const character = text.charAt(at);
    if (character === ".") {
      labels.push(label);
      label = "";
    } else if (character === "\\") {
      const escaped = readEscape(text, at + 1);
      if (escaped === undefined) return undefined;
      label += escaped.octet;
      at += escaped.length;
    } else {
      label += character;
    }
  }
  // Without a final dot the last label is still open.
  if (label !== "" || labels.length === 0) labels.push(label);
  return isName(labels) ? labels : undefined;
}

/** What stands behind a backslash: three digits for an octet, or one character for itself. */
function readEscape(text: string, at: number): { octet: string; length: number } | undefined {
  const digits = /^\d{3}/.exec(text.slice(at, at + 3))?.[0];
  if (digits !== undefined) {
    return Number(digits) > 255 ? undefined : { octet: String.fromCharCode(Number(digits)), length: 3 };
  }
  const character = text.charAt(at);
  return character === "" || /\d/.test(character) ? undefined : { octet: character, length: 1 };
}

function isName(labels: DnsLabels): boolean {
  const wireLength = labels.reduce((sum, label) => sum + label.length + 1, 1);
  if (wireLength > MAX_NAME) return false;
  return labels.every((label) => label !== "" && label.length <= MAX_LABEL && !/[^\0-\xff]/.test(label));
}

/** Writes labels in presentation form with the final dot: `example.com.`; the root is `.`. */
export function formatName(labels: DnsLabels): string {
  return labels.length === 0 ? "." : labels.map((label) => `${formatLabel(label)}.`).join("");
}

function formatLabel(label: string): string {
  return label.replace(/[.\\]|[^\x21-\x7e]/g, (octet) => {
    if (octet === "." || octet === "\\") return `\\${octet}`;
    return `\\${String(octet.charCodeAt(0)).padStart(3, "0")}`;
  });
}

/** One text for all ways to write a name: lower case, with the final dot. The key for tables; `undefined` when it is no name. */
export function canonicalName(text: string): string | undefined {
  const labels = parseName(text);
  return labels === undefined ? undefined : formatName(labels).toLowerCase();
}

/** Whether both texts are the same name; ASCII case does not matter (RFC 4343). */
export function sameName(a: string, b: string): boolean {
  const canonical = canonicalName(a);
  return canonical !== undefined && canonical === canonicalName(b);
}

/** The name whose PTR record tells who has this IPv4 address: `4.0.240.10.in-addr.arpa.` */
export function reverseName(address: number): string {
  return `${[0, 8, 16, 24].map((shift) => (address >>> shift) & 0xff).join(".")}.in-addr.arpa.`;
}

/**
 * Reads a name from a message. A pointer may only lead to before the run of labels it ends, so every step goes backwards and
 * the reading ends. A malformed name makes the reader fail.
 */
export function readName(reader: ByteReader): string {
  const { bytes } = reader;
  const labels: string[] = [];
  let at = reader.at;
  let end = reader.end;
  let runStart = at;
  let afterwards: number | undefined;
  let wireLength = 1;
  let pointers = 0;
  while (at < end) {
    const length = getU8(bytes, at);
    if (length === 0) {
      reader.at = afterwards ?? at + 1;
      return formatName(labels);
    }
    if (length >= 0xc0) {
      const target = getU16(bytes, at) & 0x3fff;
      if (at + 2 > end || target < HEADER_LENGTH || target >= runStart || ++pointers > MAX_POINTERS) break;
      afterwards ??= at + 2;
      // Earlier parts of the message are read without regard to this record's end.
      end = bytes.length;
      runStart = target;
      at = target;
      continue;
    }
    wireLength += length + 1;
    // 0x40 and 0x80 begin label types that nobody uses (RFC 6891 §5).
    if (length > MAX_LABEL || wireLength > MAX_NAME || at + 1 + length > end) break;
    labels.push(bytesToOctets(bytes, at + 1, at + 1 + length));
    at += 1 + length;
  }
  reader.fail();
  return ".";
}

/**
 * Writes a name. With `offsets`, the longest tail written before becomes a pointer, and what is new is noted. Tails are
 * compared with their case, so that every name keeps its own. A text that is no name is the caller's mistake.
 */
export function writeName(name: string, writer: ByteWriter, offsets: DnsNameOffsets | undefined): void {
  const labels = parseName(name);
  if (labels === undefined) throw new RangeError(`Cannot write "${name}": it is not a domain name`);
  for (const [index, label] of labels.entries()) {
    const tail = formatName(labels.slice(index));
    const offset = offsets?.get(tail);
    if (offset !== undefined) {
      writer.u16(0xc000 | offset);
      return;
    }
    if (writer.length < POINTER_LIMIT) offsets?.set(tail, writer.length);
    writer.u8(label.length);
    writer.raw(octetsToBytes(label));
  }
  writer.u8(0);
}
