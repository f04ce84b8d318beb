import {
  emitIcmp,
  fillIcmpChecksum,
  getU8,
  getU16,
  ICMP_HEADER_LENGTH,
  type IcmpErrorMessage,
  IcmpType,
  IpProtocol,
  type Ipv4Address,
  type Stack,
  setU8,
} from "../netstack/index.ts";

export interface EchoRequest {
  readonly source: Ipv4Address;
  readonly destination: Ipv4Address;
  readonly identifier: number;
  readonly sequence: number;
  /** Bytes of data behind the ICMP header. */
  readonly length: number;
  readonly ttl: number | undefined;
  readonly dontFragment: boolean;
}

/** Sends an echo request as ping and traceroute do. Its data counts up from 0, where a real ping has the time in front. */
export function sendEchoRequest(stack: Stack, request: EchoRequest): void {
  const { source, destination, ttl, dontFragment } = request;
  const header = { protocol: IpProtocol.icmp, source, destination, dontFragment, ...(ttl !== undefined && { ttl }) };
  const packet = stack.ip.create(header, ICMP_HEADER_LENGTH + request.length);
  const { bytes, transport, end } = packet;
  const rest = request.identifier * 0x10000 + request.sequence;
  emitIcmp({ type: IcmpType.echoRequest, code: 0, checksum: 0, rest }, bytes, transport);
  for (let at = 0; at < request.length; at++) setU8(bytes, transport + ICMP_HEADER_LENGTH + at, at & 0xff);
  fillIcmpChecksum(bytes, transport, end);
  stack.ip.send(packet);
}

/** The sequence number of the echo request with this identifier that an ICMP error is about; `undefined` for other errors. */
export function echoSequenceIn(error: IcmpErrorMessage, identifier: number): number | undefined {
  const { bytes, transport, quoted } = error;
  if (quoted.protocol !== IpProtocol.icmp || getU8(bytes, transport) !== IcmpType.echoRequest) return undefined;
  return getU16(bytes, transport + 4) === identifier ? getU16(bytes, transport + 6) : undefined;
}
