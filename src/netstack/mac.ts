import { getU16, getU32, setU16, setU32 } from "./bytes.ts";

declare const macBrand: unique symbol;

/** An Ethernet address as a 48-bit number, exact in a JS number. */
export type MacAddress = number & { readonly [macBrand]: true };

export const BROADCAST_MAC: MacAddress = 0xffffffffffff as MacAddress;
export const ZERO_MAC: MacAddress = 0 as MacAddress;

/** The address with these 48 bits. */
export function mac(bits: number): MacAddress {
  return bits as MacAddress;
}

export function getMac(bytes: Uint8Array, at: number): MacAddress {
  return mac(getU16(bytes, at) * 2 ** 32 + getU32(bytes, at + 2));
}

export function setMac(bytes: Uint8Array, at: number, address: MacAddress): void {
  setU16(bytes, at, Math.floor(address / 2 ** 32));
  setU32(bytes, at + 2, address >>> 0);
}

/** True for broadcast and multicast: the first bit on the wire is set (IEEE 802.3 §3.2.3). */
export function isGroupMac(address: MacAddress): boolean {
  return (Math.floor(address / 2 ** 40) & 1) === 1;
}

/** Reads six hexadecimal bytes between colons. */
export function parseMac(text: string): MacAddress | undefined {
  if (!/^[\da-f]{2}(:[\da-f]{2}){5}$/i.test(text)) return undefined;
  return mac(Number.parseInt(text.replaceAll(":", ""), 16));
}

/** As `02:00:00:00:00:01`. */
export function formatMac(address: MacAddress): string {
  return address
    .toString(16)
    .padStart(12, "0")
    .replace(/..(?!$)/g, "$&:");
}
