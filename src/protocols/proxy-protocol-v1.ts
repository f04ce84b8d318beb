import { parseIpv4Text, parseIpv6Text } from "./ip-text.ts";
import { octetsToBytes } from "./octets.ts";

/** A version 1 header: a line of text (proxy-protocol.txt §2.1). Addresses are text, as on the wire. */
export type ProxyHeaderV1 =
  | {
      readonly version: 1;
      readonly family: "TCP4" | "TCP6";
      readonly source: string;
      readonly destination: string;
      readonly sourcePort: number;
      readonly destinationPort: number;
    }
  | { readonly version: 1; readonly family: "UNKNOWN" };

/** Reads the line without its CRLF; a text is the reason why it is none. */
export function parseProxyV1(line: string): ProxyHeaderV1 | string {
  const [prefix, family, source = "", destination = "", sourcePort = "", destinationPort = "", ...more] =
    line.split(" ");
  if (prefix !== "PROXY") return "the line does not begin with PROXY";
  // After UNKNOWN a receiver ignores whatever stands on the line.
  if (family === "UNKNOWN") return { version: 1, family };
  if (family !== "TCP4" && family !== "TCP6") return "protocol is not TCP4, TCP6 or UNKNOWN";
  if (more.length > 0) return "there is text after the destination port";
  if (!isAddress(family, source)) return `source is not a ${family} address`;
  if (!isAddress(family, destination)) return `destination is not a ${family} address`;
  const ports = [parsePort(sourcePort), parsePort(destinationPort)] as const;
  if (ports[0] === undefined) return "source port is not a number from 0 to 65535";
  if (ports[1] === undefined) return "destination port is not a number from 0 to 65535";
  return { version: 1, family, source, destination, sourcePort: ports[0], destinationPort: ports[1] };
}

/** The bytes of a version 1 header; addresses or ports that are none are the caller's mistake. */
export function emitProxyV1(header: ProxyHeaderV1): Uint8Array {
  if (header.family === "UNKNOWN") return octetsToBytes("PROXY UNKNOWN\r\n");
  const { family, source, destination, sourcePort, destinationPort } = header;
  const line = `PROXY ${family} ${source} ${destination} ${sourcePort} ${destinationPort}`;
  const reread = parseProxyV1(line);
  if (typeof reread === "string") throw new RangeError(`Cannot write "${line}": ${reread}`);
  return octetsToBytes(`${line}\r\n`);
}

function isAddress(family: "TCP4" | "TCP6", text: string): boolean {
  return (family === "TCP4" ? parseIpv4Text(text) : parseIpv6Text(text)) !== undefined;
}

/** A decimal port without leading zeros. */
function parsePort(text: string): number | undefined {
  return /^(?:0|[1-9]\d{0,4})$/.test(text) && Number(text) <= 65535 ? Number(text) : undefined;
}
