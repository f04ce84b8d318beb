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
  // Character by character: a large cluster has some hundred thousands.
  let bits = 0;
  let parts = 0;
  let part = NO_DIGIT;
  for (let at = 0; at <= text.length; at++) {
    const digit = text.charCodeAt(at) - ZERO;
    if (digit >= 0 && digit <= 9) {
      if (part === 0) return undefined;
      part = part === NO_DIGIT ? digit : part * 10 + digit;
      if (part > 255) return undefined;
    } else if (part !== NO_DIGIT && (at === text.length || digit === POINT)) {
      bits = bits * 256 + part;
      parts += 1;
      part = NO_DIGIT;
    } else return undefined;
  }
  return parts === 4 ? ipv4(bits) : undefined;
}

const NO_DIGIT = -1;
const ZERO = 48;
/** `.`, counted from `0`. */
const POINT = -2;

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
