const INITIAL = 0xdeadbeef;

/**
 * Bob Jenkins's lookup3 hash over one IPv4 address, as netfilter hashes it to choose among a range of addresses: the address in network order in
 * the first of four words (`jhash2` over `union nf_inet_addr`, include/linux/jhash.h).
 */
export function hashAddress(address: number, seed: number): number {
  const start = (INITIAL + (4 << 2) + seed) | 0;
  let a = (start + swapBytes(address)) | 0;
  let b = start;
  let c = start;
  // One round over the first three words.
  a = (a - c) ^ rotate(c, 4);
  c = (c + b) | 0;
  b = (b - a) ^ rotate(a, 6);
  a = (a + c) | 0;
  c = (c - b) ^ rotate(b, 8);
  b = (b + a) | 0;
  a = (a - c) ^ rotate(c, 16);
  c = (c + b) | 0;
  b = (b - a) ^ rotate(a, 19);
  a = (a + c) | 0;
  c = (c - b) ^ rotate(b, 4);
  b = (b + a) | 0;
  // The fourth word is zero; this mixes what is there to an end.
  c = ((c ^ b) - rotate(b, 14)) | 0;
  a = ((a ^ c) - rotate(c, 11)) | 0;
  b = ((b ^ a) - rotate(a, 25)) | 0;
  c = ((c ^ b) - rotate(b, 16)) | 0;
  a = ((a ^ c) - rotate(c, 4)) | 0;
  b = ((b ^ a) - rotate(a, 14)) | 0;
  c = ((c ^ b) - rotate(b, 24)) | 0;
  return c >>> 0;
}

/** An address as the kernel of a little-endian machine has it in a register. */
export function swapBytes(word: number): number {
  return (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
