import { getU8, getU16, setU16 } from "./bytes.ts";

/** The ones' complement sum of 16-bit words, RFC 1071, not yet folded; pass it on as `initial` to sum several parts. */
export function sumWords(bytes: Uint8Array, at: number, end: number, initial = 0): number {
  let sum = initial;
  const even = end - ((end - at) & 1);
  for (let i = at; i < even; i += 2) sum += getU16(bytes, i);
  if (even < end) sum += getU8(bytes, even) << 8;
  return sum;
}

/** Folds a sum and complements it: the value for a checksum field. A correct packet, its field included, gives 0. */
export function finishChecksum(sum: number): number {
  let folded = (sum & 0xffff) + Math.floor(sum / 0x10000);
  folded = (folded & 0xffff) + (folded >>> 16);
  folded = (folded & 0xffff) + (folded >>> 16);
  return ~folded & 0xffff;
}

/** The internet checksum of `bytes` from `at` to `end`. */
export function checksum(bytes: Uint8Array, at: number, end: number): number {
  return finishChecksum(sumWords(bytes, at, end));
}

/** The sum of the pseudo-header that TCP and UDP put before themselves (RFC 9293 §3.1, RFC 768). */
export function sumPseudoHeader(source: number, destination: number, protocol: number, length: number): number {
  return (source >>> 16) + (source & 0xffff) + (destination >>> 16) + (destination & 0xffff) + protocol + length;
}

/** The checksum after one 16-bit word it covers has changed: RFC 1624 equation 3, HC' = ~(~HC + ~m + m'). */
export function updateChecksum(checksum: number, from: number, to: number): number {
  let sum = (~checksum & 0xffff) + (~from & 0xffff) + to;
  sum = (sum & 0xffff) + (sum >>> 16);
  return ~((sum & 0xffff) + (sum >>> 16)) & 0xffff;
}

/** The same for a 32-bit word, an address. */
export function updateChecksum32(checksum: number, from: number, to: number): number {
  return updateChecksum(updateChecksum(checksum, from >>> 16, to >>> 16), from & 0xffff, to & 0xffff);
}

/** Computes the checksum from `at` to `end` over a zeroed field and writes it at `field`. */
export function fillChecksum(
  bytes: Uint8Array,
  field: number,
  range: { at: number; end: number; initial?: number },
): void {
  setU16(bytes, field, 0);
  setU16(bytes, field, finishChecksum(sumWords(bytes, range.at, range.end, range.initial ?? 0)));
}
