import { formatIpv4, type IcmpErrorMessage, IcmpType, ipv4, UnreachableCode } from "../netstack/index.ts";

/** iputils' words for destination unreachable, by code. */
const UNREACHABLE: Readonly<Record<number, string>> = {
  0: "Destination Net Unreachable",
  1: "Destination Host Unreachable",
  2: "Destination Protocol Unreachable",
  3: "Destination Port Unreachable",
  5: "Source Route Failed",
  6: "Destination Net Unknown",
  7: "Destination Host Unknown",
  8: "Source Host Isolated",
  9: "Destination Net Prohibited",
  10: "Destination Host Prohibited",
  11: "Destination Net Unreachable for Type of Service",
  12: "Destination Host Unreachable for Type of Service",
  13: "Packet filtered",
  14: "Precedence Violation",
  15: "Precedence Cutoff",
};

/** An ICMP error in ping's words. */
export function describePingError(error: IcmpErrorMessage): string {
  const { type, code, rest } = error;
  switch (type) {
    case IcmpType.unreachable:
      if (code === UnreachableCode.fragmentationNeeded) return `Frag needed and DF set (mtu = ${rest & 0xffff})`;
      return UNREACHABLE[code] ?? `Dest Unreachable, Bad Code: ${code}`;
    case IcmpType.timeExceeded:
      return code === 0 ? "Time to live exceeded" : "Frag reassembly time exceeded";
    case IcmpType.redirect:
      return `Redirect ${code === 1 ? "Host" : "Network"}(New nexthop: ${formatIpv4(ipv4(rest))})`;
    case IcmpType.parameterProblem:
      return `Parameter problem: pointer = ${rest >>> 24}`;
    default:
      return `Bad ICMP type: ${type}`;
  }
}
