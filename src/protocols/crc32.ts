/** Reflected polynomials of the two CRC-32 in use here. */
const IEEE = 0xedb88320;
const CASTAGNOLI = 0x82f63b78;

const IEEE_TABLE = makeTable(IEEE);
const CASTAGNOLI_TABLE = makeTable(CASTAGNOLI);

/** CRC-32 of ITU V.42, as in Ethernet and STUN's FINGERPRINT. */
export function crc32(bytes: Uint8Array): number {
  return crcOf(bytes, IEEE_TABLE);
}

/** CRC-32C of RFC 4960 appendix B, as in SCTP and the PROXY protocol. */
export function crc32c(bytes: Uint8Array): number {
  return crcOf(bytes, CASTAGNOLI_TABLE);
}

function crcOf(bytes: Uint8Array, table: Uint32Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (crc >>> 8) ^ (table[(crc ^ byte) & 0xff] ?? 0);
  return (crc ^ 0xffffffff) >>> 0;
}

function makeTable(polynomial: number): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, index) => {
    let value = index;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
    return value;
  });
}
