/**
 * Octet strings: one character (U+0000–U+00FF) per byte, so that a byte which is not UTF-8 survives being read and written.
 * `TextDecoder("latin1")` is windows-1252 and would not do.
 */
export function bytesToOctets(bytes: Uint8Array, at = 0, end: number = bytes.length): string {
  let text = "";
  for (let from = at; from < end; from += CHUNK) {
    const chunk = bytes.subarray(from, Math.min(from + CHUNK, end));
    // Spread into a call, a typed array is walked by its iterator: five times as long.
    text += String.fromCharCode.apply(null, chunk as unknown as number[]);
  }
  return text;
}

/** Bytes given to one call at most, well under every engine's limit on arguments. */
const CHUNK = 4096;

/** The bytes of an octet string; a character above U+00FF is the caller's mistake (see `utf8ToOctets`). */
export function octetsToBytes(octets: string): Uint8Array {
  const bytes = new Uint8Array(octets.length);
  for (let i = 0; i < octets.length; i++) {
    const code = octets.charCodeAt(i);
    if (code > 0xff) throw new RangeError(`Cannot write "${octets}" as bytes: character ${i + 1} is above U+00FF`);
    bytes[i] = code;
  }
  return bytes;
}

/** Text as the octet string of its UTF-8 bytes: what a header value or a TXT string needs that is not plain ASCII. */
export function utf8ToOctets(text: string): string {
  return bytesToOctets(new TextEncoder().encode(text));
}

/** The text whose UTF-8 bytes an octet string holds; broken UTF-8 becomes U+FFFD. */
export function octetsToUtf8(octets: string): string {
  return new TextDecoder().decode(octetsToBytes(octets));
}
