declare const addressBrand: unique symbol;

/** An IPv4 address as an unsigned 32-bit number in network order: 10.0.0.1 is 0x0a000001. */
export type Ipv4Address = number & { readonly [addressBrand]: true };

/** 0.0.0.0, as a socket binds to for any of its host's. */
export const ANY_ADDRESS: Ipv4Address = 0 as Ipv4Address;
/** 255.255.255.255. */
export const LIMITED_BROADCAST: Ipv4Address = 0xffffffff as Ipv4Address;
/** 127.0.0.1. */
export const LOOPBACK_ADDRESS: Ipv4Address = 0x7f000001 as Ipv4Address;

/** The address with these 32 bits. */
export function ipv4(bits: number): Ipv4Address {
  return (bits >>> 0) as Ipv4Address;
}

/** Reads four decimal numbers, strictly: no signs, no blanks, no leading zeros, no short forms. */
export function parseIpv4(text: string): Ipv4Address | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let bits = 0;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return undefined;
    bits = bits * 256 + Number(part);
  }
  return ipv4(bits);
}

/** {@link parseIpv4} for addresses written in source code. @throws RangeError when `text` is not an address. */
export function address(text: string): Ipv4Address {
  const parsed = parseIpv4(text);
  if (parsed === undefined)
    throw new RangeError(`Cannot read IPv4 address "${text}": expected four numbers, like 10.0.0.1`);
  return parsed;
}

/** As `192.0.2.1`. */
export function formatIpv4(address: Ipv4Address): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** 127.0.0.0/8 (RFC 1122 §3.2.1.3). */
export function isLoopback(address: Ipv4Address): boolean {
  return address >>> 24 === 127;
}

/** 224.0.0.0/4 (RFC 1112). */
export function isMulticast(address: Ipv4Address): boolean {
  return address >>> 28 === 14;
}

/** 240.0.0.0/4 less the limited broadcast address (RFC 1112 §4). */
export function isReserved(address: Ipv4Address): boolean {
  return address >>> 28 === 15 && address !== LIMITED_BROADCAST;
}

/** 0.0.0.0/8, "this network" (RFC 1122 §3.2.1.3). */
export function isZeroNet(address: Ipv4Address): boolean {
  return address >>> 24 === 0;
}
