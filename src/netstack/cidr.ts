import { formatIpv4, type Ipv4Address, ipv4, parseIpv4 } from "./ipv4-address.ts";

/** A range of addresses with a common prefix. `network` has no bits set behind the prefix. */
export interface Cidr {
  readonly network: Ipv4Address;
  readonly prefixLength: number;
}

/** An interface's own address with the length of its subnet's prefix. */
export interface InterfaceAddress {
  readonly address: Ipv4Address;
  readonly prefixLength: number;
}

/** 0.0.0.0/0. */
export const EVERYWHERE: Cidr = { network: ipv4(0), prefixLength: 0 };

/** The netmask of a prefix length from 0 to 32, as a number. */
export function netmask(prefixLength: number): number {
  return prefixLength === 0 ? 0 : (0xffffffff << (32 - prefixLength)) >>> 0;
}

/** The range that `address` is in. */
export function subnetOf(address: Ipv4Address, prefixLength: number): Cidr {
  return { network: ipv4(address & netmask(prefixLength)), prefixLength };
}

/** Whether the address lies in the range. */
export function contains(range: Cidr, address: Ipv4Address): boolean {
  return ((address ^ range.network) & netmask(range.prefixLength)) === 0;
}

/** The last address: the subnet's broadcast address when the prefix is at most 30. */
export function lastAddress(range: Cidr): Ipv4Address {
  return ipv4(range.network | ~netmask(range.prefixLength));
}

/** Reads `10.0.0.0/8`; a bare address is a /32. Bits behind the prefix are cleared, as iptables and ip do. */
export function parseCidr(text: string): Cidr | undefined {
  const parsed = parseInterfaceAddress(text.includes("/") ? text : `${text}/32`);
  return parsed && subnetOf(parsed.address, parsed.prefixLength);
}

/** {@link parseCidr} for ranges written in source code. @throws RangeError when `text` is not a range. */
export function cidr(text: string): Cidr {
  const parsed = parseCidr(text);
  if (parsed === undefined) throw new RangeError(`Cannot read address range "${text}": expected one like 10.0.0.0/8`);
  return parsed;
}

/** Reads `10.0.0.5/24` and keeps the address whole. */
export function parseInterfaceAddress(text: string): InterfaceAddress | undefined {
  const match = /^([\d.]+)\/(0|[1-9]\d?)$/.exec(text);
  const address = match?.[1] === undefined ? undefined : parseIpv4(match[1]);
  const prefixLength = Number(match?.[2]);
  if (address === undefined || prefixLength > 32) return undefined;
  return { address, prefixLength };
}

/** `parseInterfaceAddress` for addresses written in source code. @throws RangeError when `text` is not one. */
export function interfaceAddress(text: string): InterfaceAddress {
  const parsed = parseInterfaceAddress(text);
  if (parsed === undefined)
    throw new RangeError(`Cannot read interface address "${text}": expected one like 10.0.0.5/24`);
  return parsed;
}

/** As `10.0.0.0/8`. */
export function formatCidr(range: Cidr): string {
  return `${formatIpv4(range.network)}/${range.prefixLength}`;
}

/** As `10.0.0.1/8`: the address, not the network. */
export function formatInterfaceAddress(own: InterfaceAddress): string {
  return `${formatIpv4(own.address)}/${own.prefixLength}`;
}
