import { getU8, getU16, type IcmpErrorMessage, IcmpType, IpProtocol } from "../netstack/index.ts";

/** The sequence number of the echo request with this identifier that an ICMP error is about; `undefined` for other errors. */
export function echoSequenceIn(error: IcmpErrorMessage, identifier: number): number | undefined {
  const { bytes, transport, quoted } = error;
  if (quoted.protocol !== IpProtocol.icmp || getU8(bytes, transport) !== IcmpType.echoRequest) return undefined;
  return getU16(bytes, transport + 4) === identifier ? getU16(bytes, transport + 6) : undefined;
}
