import { DnsRcode } from "../protocols/index.ts";

/** Response codes as DNS tools print them. */
const RCODE_NAMES: Readonly<Record<number, string>> = {
  [DnsRcode.noError]: "NOERROR",
  [DnsRcode.formatError]: "FORMERR",
  [DnsRcode.serverFailure]: "SERVFAIL",
  [DnsRcode.nameError]: "NXDOMAIN",
  [DnsRcode.notImplemented]: "NOTIMP",
  [DnsRcode.refused]: "REFUSED",
  [DnsRcode.badVersion]: "BADVERS",
};

/** The name of a response code, `RCODE11` for one without. */
export function rcodeName(rcode: number): string {
  return RCODE_NAMES[rcode] ?? `RCODE${rcode}`;
}
