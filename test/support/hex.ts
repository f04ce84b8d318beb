/** Bytes written as hexadecimal digits; blanks are for the reader. */
export function hex(digits: string): Uint8Array {
  const clean = digits.replace(/\s+/g, "");
  return Uint8Array.from({ length: clean.length / 2 }, (_, i) => Number.parseInt(clean.slice(2 * i, 2 * i + 2), 16));
}

/** The inverse of {@link hex}, without blanks. */
export function toHex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
