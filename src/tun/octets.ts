/** Numbers in bytes whose bounds the caller has checked: network order, and little-endian for what the kernel hands over in its own. */

export function getU8(bytes: Uint8Array, at: number): number {
  return bytes[at] as number;
}

export function getU16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

export function getU32(bytes: Uint8Array, at: number): number {
  return ((getU16(bytes, at) << 16) | getU16(bytes, at + 2)) >>> 0;
}

export function setU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

export function setU32(bytes: Uint8Array, at: number, value: number): void {
  setU16(bytes, at, value >>> 16);
  setU16(bytes, at + 2, value);
}

export function getU16LittleEndian(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}

export function setU16LittleEndian(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
}

/** The ones' complement sum of 16-bit words (RFC 1071), not yet folded. */
export function sumWords(bytes: Uint8Array, at: number, end: number, initial = 0): number {
  let sum = initial;
  const even = end - ((end - at) & 1);
  for (let i = at; i < even; i += 2) sum += ((bytes[i] as number) << 8) | (bytes[i + 1] as number);
  return even < end ? sum + ((bytes[even] as number) << 8) : sum;
}

/** Folds a sum to 16 bits. */
export function fold(sum: number): number {
  let folded = (sum & 0xffff) + Math.floor(sum / 0x10000);
  folded = (folded & 0xffff) + (folded >>> 16);
  return (folded & 0xffff) + (folded >>> 16);
}
