/** Unsigned byte at `at`; 0 beyond the end, so callers check the length first. */
export function getU8(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}

/** Unsigned big-endian 16-bit number at `at`. */
export function getU16(bytes: Uint8Array, at: number): number {
  return (getU8(bytes, at) << 8) | getU8(bytes, at + 1);
}

/** Unsigned big-endian 32-bit number at `at`. */
export function getU32(bytes: Uint8Array, at: number): number {
  return ((getU16(bytes, at) << 16) | getU16(bytes, at + 2)) >>> 0;
}

/** Writes `value` as a big-endian 32-bit number at `at`. */
export function setU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
