import { splitWord, type Word } from "./iptables-lexer.ts";
import { SERVICE_PORTS } from "./iptables-names.ts";
import { refuse } from "./iptables-options.ts";
import type { NumberRange } from "./rule.ts";

/** The largest unsigned 32-bit number; a mask of all ones. */
export const ALL_ONES = 0xffffffff;

/** Numbers from `min` to `max`, and what they are called in an error. */
export interface Bounds {
  readonly min?: number;
  readonly max: number;
  readonly what: string;
}

const PORT: Bounds = { max: 65535, what: "a port" };

/** Reads a number as `strtoul` with base 0 does: decimal, `0x…` hexadecimal, or octal behind a leading zero. */
export function parseUint(text: string): number | undefined {
  if (/^\+?0x[\da-f]+$/i.test(text)) return Number.parseInt(text.replace("+", ""), 16);
  if (/^\+?0[0-7]*$/.test(text)) return Number.parseInt(text, 8);
  return /^\+?[1-9]\d*$/.test(text) ? Number.parseInt(text, 10) : undefined;
}

/** {@link parseUint} within bounds. @throws RuleSyntaxError. */
export function readUint(word: Word, bounds: Bounds): number {
  const number = parseUint(word.text);
  const min = bounds.min ?? 0;
  if (number === undefined || number < min || number > bounds.max)
    refuse(word, `"${word.text}" is not ${bounds.what}`, `write a number from ${min} to ${bounds.max}`);
  return number;
}

/** Reads `5`, `5:9`, `:9` or `5:`. A missing end is the least or the largest number there is. */
export function readRange(word: Word, bounds: Bounds): NumberRange {
  const [first, last, more] = splitWord(word, ":");
  if (first === undefined || more !== undefined)
    refuse(word, `"${word.text}" is not a range`, "write one as FROM:TO, or a single number");
  if (last === undefined) {
    const only = readUint(first, bounds);
    return { from: only, to: only };
  }
  const from = first.text === "" ? (bounds.min ?? 0) : readUint(first, bounds);
  const to = last.text === "" ? bounds.max : readUint(last, bounds);
  return { from, to };
}

/** {@link readRange} that insists on rising order. */
export function readRisingRange(word: Word, bounds: Bounds): NumberRange {
  return needRising(word, readRange(word, bounds));
}

/** Reads a port number or the name of a service. */
export function readPort(word: Word): number {
  return SERVICE_PORTS.get(word.text) ?? readUint(word, { ...PORT, what: "a port or a service known here" });
}

/** Reads `80`, `http`, `80:90`, `:90` or `80:`. */
export function readPortRange(word: Word): NumberRange {
  const [first, last, more] = splitWord(word, ":");
  if (first === undefined || more !== undefined)
    refuse(word, `"${word.text}" is not a range of ports`, "write one as FROM:TO, or a single port");
  if (last === undefined) {
    const only = readPort(first);
    return { from: only, to: only };
  }
  return { from: first.text === "" ? 0 : readPort(first), to: last.text === "" ? PORT.max : readPort(last) };
}

/** {@link readPortRange} that insists on rising order. */
export function readRisingPorts(word: Word): NumberRange {
  return needRising(word, readPortRange(word));
}

function needRising(word: Word, range: NumberRange): NumberRange {
  if (range.from > range.to) refuse(word, `the range "${word.text}" runs backwards`, "write the smaller number first");
  return range;
}

/** Reads `value` or `value/mask`, as marks are written. */
export function readMasked(word: Word): { readonly value: number; readonly mask: number } {
  const [first, second, more] = splitWord(word, "/");
  const bounds = { max: ALL_ONES, what: "a mark" };
  if (first === undefined || more !== undefined)
    refuse(word, `"${word.text}" is not a mark`, "write VALUE or VALUE/MASK, like 0x4000/0x4000");
  return { value: readUint(first, bounds), mask: second === undefined ? ALL_ONES : readUint(second, bounds) };
}

/** `5` or `5:9`. */
export function formatRange(range: NumberRange, separator = ":"): string {
  return range.from === range.to ? String(range.from) : `${range.from}${separator}${range.to}`;
}

/** A number as C's `%#x` would, zero included as `0x0`. */
export function formatHex(number: number): string {
  return `0x${(number >>> 0).toString(16)}`;
}

/** `value`, or `value/mask` where the mask is not all ones. */
export function formatMasked(marked: { readonly value: number; readonly mask: number }): string {
  return marked.mask >>> 0 === ALL_ONES
    ? formatHex(marked.value)
    : `${formatHex(marked.value)}/${formatHex(marked.mask)}`;
}

/** ` !` before an option that is negated. */
export function formatNot(match: { readonly not?: true }): string {
  return match.not ? " !" : "";
}
