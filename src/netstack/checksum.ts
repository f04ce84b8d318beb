import { getU8, getU16, setU16 } from "./bytes.ts";

/** The ones' complement sum of 16-bit words, RFC 1071, not yet folded; pass it on as `initial` to sum several parts. */
export function sumWords(bytes: Uint8Array, at: number, end: number, initial = 0): number {
  let sum = initial;
  const even = end - ((end - at) & 1);
  for (let i = at; i < even; i += 2) sum += getU16(bytes, i);
  if (even < end) sum += getU8(bytes, even) << 8;
  return sum;
}

/**
 * {@link sumWords} through a frame's `DataView`, which reads four bytes at a time, 32 bytes a round; for packets, not for files: what is summed must fit into 31
 * bits. `all` is the sum of the 32-bit words less multiples of 2^32, `high` that of their upper halves, and the lower halves' is what is left.
 */
export function sumData(data: DataView, at: number, end: number, initial: number): number {
  let high = 0;
  let all = 0;
  let i = at;
  for (; i + 32 <= end; i += 32) {
    const a = data.getInt32(i);
    const b = data.getInt32(i + 4);
    const c = data.getInt32(i + 8);
    const d = data.getInt32(i + 12);
    const e = data.getInt32(i + 16);
    const f = data.getInt32(i + 20);
    const g = data.getInt32(i + 24);
    const h = data.getInt32(i + 28);
    const firsts = (a >>> 16) + (b >>> 16) + (c >>> 16) + (d >>> 16);
    high = (high + firsts + (e >>> 16) + (f >>> 16) + (g >>> 16) + (h >>> 16)) | 0;
    all = (all + ((((a + b) | 0) + ((c + d) | 0)) | 0) + ((((e + f) | 0) + ((g + h) | 0)) | 0)) | 0;
  }
  for (; i + 4 <= end; i += 4) {
    const word = data.getInt32(i);
    high = (high + (word >>> 16)) | 0;
    all = (all + word) | 0;
  }
  let low = (all - (high << 16)) | 0;
  if (i + 2 <= end) {
    low += data.getUint16(i);
    i += 2;
  }
  if (i < end) low += data.getUint8(i) << 8;
  return initial + high + low;
}

/** Folds a sum and complements it: the value for a checksum field. A correct packet, its field included, gives 0. */
export function finishChecksum(sum: number): number {
  // A packet's sum is small; a file's may need more than 32 bits.
  let folded = (sum & 0xffff) + (sum < 0x80000000 ? sum >>> 16 : Math.floor(sum / 0x10000));
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
  return applyChange(checksum, change32(from, to));
}

/** What a 16-bit word's change adds to the sum; changes are added up and put in by {@link applyChange} in one go. Nothing where nothing changed. */
export function change16(from: number, to: number): number {
  return from === to ? 0 : 0xffff - from + to;
}

/** The same for a 32-bit word. */
export function change32(from: number, to: number): number {
  return change16(from >>> 16, to >>> 16) + change16(from & 0xffff, to & 0xffff);
}

/** The checksum after words it covers have changed: RFC 1624 equation 3 for all of them at once, which gives what one after the other gives. */
export function applyChange(checksum: number, change: number): number {
  let sum = (~checksum & 0xffff) + change;
  sum = (sum & 0xffff) + (sum >>> 16);
  return ~((sum & 0xffff) + (sum >>> 16)) & 0xffff;
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
