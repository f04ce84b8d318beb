import {
  getU8,
  getU32,
  ICMP_HEADER_LENGTH,
  IcmpType,
  isIcmpChecksumRight,
  isIcmpError,
  type Packet,
} from "../netstack/index.ts";
import { Field, RECORD_SHIFT, word } from "./flow-record.ts";
import { type FlowTable, NOT_FOUND } from "./flow-table.ts";
import type { TupleWords } from "./tuple.ts";

const HIGHEST_TYPE = 18;
/** Types that may begin a connection: those that ask. */
const ASKING: ReadonlySet<number> = new Set([IcmpType.echoRequest, IcmpType.timestampRequest, 15, 17]);

/** True for a message that conntrack does not look at (`nf_conntrack_icmpv4_error`, net/netfilter/nf_conntrack_proto_icmp.c). */
export function isIcmpFaulty(packet: Packet, verifiesChecksum: boolean): boolean {
  const { bytes, transport, end } = packet;
  if (end - transport < ICMP_HEADER_LENGTH) return true;
  if (verifiesChecksum && !isIcmpChecksumRight(bytes, transport, end)) return true;
  return getU8(bytes, transport) > HIGHEST_TYPE;
}

/** True for an ICMP message that quotes a packet of another connection. The header must be whole. */
export function isIcmpAboutOther(packet: Packet): boolean {
  return isIcmpError(getU8(packet.bytes, packet.transport));
}

export function mayIcmpBegin(type: number): boolean {
  return ASKING.has(type);
}

/**
 * The connection an ICMP error is about, as slot × 2 + the direction in which the error travels; {@link NOT_FOUND} when it is nobody's, or
 * sent to somebody else than who sent the quoted packet (`nf_conntrack_inet_error`).
 */
export function findQuoted(table: FlowTable, packet: Packet, scratch: TupleWords): number {
  const quoted = packet.transport + ICMP_HEADER_LENGTH;
  const { bytes, end } = packet;
  if (end - quoted < 20) return NOT_FOUND;
  const first = getU8(bytes, quoted);
  if (first >>> 4 !== 4 || (first & 15) < 5) return NOT_FOUND;
  if (!scratch.read(packet.frame.data, quoted, end) || !scratch.invert()) return NOT_FOUND;
  const found = table.find(scratch);
  if (found === NOT_FOUND) return NOT_FOUND;
  const at = ((found >> 1) << RECORD_SHIFT) + (found & 1) * Field.replySource;
  return word(table.words, at + 1) === (getU32(bytes, packet.ip + 16) | 0) ? found : NOT_FOUND;
}
