/** Bytes written as hex digits and `'text'`, with any spaces between: `hex("03 'www' 00")`. */
export function hex(text: string): Uint8Array {
  const bytes: number[] = [];
  for (const [part, quoted, digits] of text.matchAll(/'([^']*)'|([0-9a-f]{2})|\S/g)) {
    if (quoted !== undefined) bytes.push(...new TextEncoder().encode(quoted));
    else if (digits !== undefined) bytes.push(Number.parseInt(digits, 16));
    else throw new Error(`hex() does not understand "${part}" in "${text}"`);
  }
  return Uint8Array.from(bytes);
}

/** Plain bytes of ASCII text. */
export function ascii(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** The text of ASCII bytes. */
export function asText(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
}

/** Every beginning of `bytes` that is shorter than the whole. */
export function shorterPrefixes(bytes: Uint8Array): Uint8Array[] {
  return Array.from({ length: bytes.length }, (_, length) => bytes.slice(0, length));
}
