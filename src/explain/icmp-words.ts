import { IcmpType } from "../netstack/index.ts";

const UNREACHABLE: Readonly<Record<number, string>> = {
  0: "network unreachable",
  1: "host unreachable",
  2: "protocol unreachable",
  3: "port unreachable",
  4: "fragmentation needed",
  9: "network prohibited",
  10: "host prohibited",
  13: "administratively prohibited",
};

/** An ICMP error by its name. */
export function describeIcmpError(type: number, code: number): string {
  if (type === IcmpType.unreachable) return `ICMP ${UNREACHABLE[code] ?? `unreachable, code ${code}`}`;
  if (type === IcmpType.timeExceeded) return code === 0 ? "ICMP time exceeded" : "ICMP reassembly time exceeded";
  if (type === IcmpType.redirect) return "ICMP redirect";
  return `ICMP type ${type} code ${code}`;
}
