import { getU16, IpProtocol, type Packet, UDP_HEADER_LENGTH } from "../netstack/index.ts";
import type { ConntrackSysctls } from "./conntrack-sysctls.ts";
import { Field, RECORD_SHIFT, Status, word } from "./flow-record.ts";
import type { FlowTable } from "./flow-table.ts";

/** Traffic both ways for longer than this makes a stream of it (`UDP stream`, net/netfilter/nf_conntrack_proto_udp.c). */
const STREAM_AFTER_MS = 2000;

/** True for a datagram that cannot be one (`udp_error`). */
export function isUdpFaulty(packet: Packet, verifiesChecksum: boolean): boolean {
  const { bytes, transport, end } = packet;
  if (end - transport < UDP_HEADER_LENGTH) return true;
  const length = getU16(bytes, transport + 4);
  if (length < UDP_HEADER_LENGTH || transport + length > end) return true;
  if (!verifiesChecksum || packet.protocol !== IpProtocol.udp) return false;
  // Zero stands for no checksum.
  return getU16(bytes, transport + 6) !== 0 && !packet.isSumRight(transport + length);
}

export function beginUdp(table: FlowTable, slot: number, nowMs: number): void {
  table.words[(slot << RECORD_SHIFT) + Field.firstSeen] = nowMs;
}

/** The seconds a datagram gives its entry: 30, and 120 once both sides have talked for 2 s. */
export function trackUdp(table: FlowTable, slot: number, nowMs: number, sysctls: ConntrackSysctls): number {
  const status = table.status(slot);
  if ((status & Status.seenReply) === 0) return sysctls.udpTimeout;
  const age = (nowMs - word(table.words, (slot << RECORD_SHIFT) + Field.firstSeen)) | 0;
  if (age <= STREAM_AFTER_MS) return sysctls.udpTimeout;
  if ((status & Status.assured) === 0) table.addStatus(slot, Status.assured | Status.changed);
  return sysctls.udpTimeoutStream;
}
