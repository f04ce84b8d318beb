import { type Cidr, formatIpv4, type Ipv4Address, ipv4, netmask, parseIpv4 } from "../nat/index.ts";

export {
  address,
  type Cidr,
  cidr,
  contains,
  formatCidr,
  formatIpv4,
  type Ipv4Address,
  ipv4,
  LOOPBACK_ADDRESS as LOOPBACK,
  lastAddress,
  netmask,
  parseCidr,
  parseIpv4,
} from "../nat/index.ts";

/**
 * Reads an address as Kubernetes does where old objects may be sloppy: blanks around it and leading zeros are allowed, and
 * `010` is ten, not eight (k8s.io/utils/net ParseIPSloppy).
 */
export function parseSloppyIpv4(text: string): Ipv4Address | undefined {
  const strict = parseIpv4(text);
  if (strict !== undefined) return strict;
  const trimmed = text.trim();
  if (!/^\d+(\.\d+){3}$/.test(trimmed)) return undefined;
  return parseIpv4(trimmed.replaceAll(/(^|\.)0+(?=\d)/g, "$1"));
}

/** Reads `10.0.0.0/8` as sloppily as {@link parseSloppyIpv4}; bits behind the prefix are cleared. */
export function parseSloppyCidr(text: string): Cidr | undefined {
  const [addressText, prefixText, ...rest] = text.trim().split("/");
  if (addressText === undefined || prefixText === undefined || rest.length > 0) return undefined;
  const address = parseSloppyIpv4(addressText);
  if (address === undefined || !/^\d{1,2}$/.test(prefixText) || Number(prefixText) > 32) return undefined;
  const prefixLength = Number(prefixText);
  return { network: ipv4(address & netmask(prefixLength)), prefixLength };
}

/** `10.0.0.1:80`, the form in which kube-proxy names, compares and sorts endpoints. */
export function formatAddressPort(address: Ipv4Address, port: number): string {
  return `${formatIpv4(address)}:${port}`;
}
