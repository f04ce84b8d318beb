import {
  getU8,
  getU16,
  IcmpType,
  IpProtocol,
  ipv4,
  type Packet,
  type PacketField,
  type RewriteCause,
  setU16,
  updateChecksum,
} from "../netstack/index.ts";
import type { Manip } from "./nat-range.ts";
import type { PacketWalk } from "./packet-walk.ts";
import type { TupleWords } from "./tuple.ts";
import { tellRewritten } from "./walk-events.ts";

/** ICMP messages with an identifier: echo, timestamp, information and address mask, asked and answered. */
const WITH_ID: ReadonlySet<number> = new Set([0, 8, 13, 14, 15, 16, 17, 18]);

/** Makes the packet's source, or its destination, what `target` says: address and port, or ICMP identifier (`nf_nat_manip_pkt`). */
export function rewrite(walk: PacketWalk, target: TupleWords, manip: Manip, cause: RewriteCause | undefined): void {
  const { packet } = walk;
  if (cause !== undefined) rewriteAndTell(walk, target, manip, cause);
  else if (packet.protocol === IpProtocol.icmp) {
    setIcmpId(packet, target.ports >>> 16);
    if (manip === "source") packet.source = ipv4(target.source);
    else packet.destination = ipv4(target.destination);
  } else if (manip === "source") packet.setSource(ipv4(target.source), target.ports >>> 16);
  else packet.setDestination(ipv4(target.destination), target.ports & 0xffff);
}

function rewriteAndTell(walk: PacketWalk, target: TupleWords, manip: Manip, cause: RewriteCause): void {
  const before = walk.packet.summary();
  rewrite(walk, target, manip, undefined);
  const now = walk.packet.summary();
  const fields: readonly PacketField[] =
    manip === "source" ? ["source", "sourcePort", "destinationPort"] : ["destination", "destinationPort", "sourcePort"];
  for (const field of fields) {
    const from = before[field as keyof typeof before];
    const to = now[field as keyof typeof now];
    if (from !== to) tellRewritten(walk, { field, from, to, cause });
  }
}

function setIcmpId(packet: Packet, id: number): void {
  const { bytes, transport, end } = packet;
  if (packet.isLaterFragment || end - transport < 8) return;
  const type = getU8(bytes, transport);
  if (!WITH_ID.has(type)) return;
  const before = getU16(bytes, transport + 4);
  setU16(bytes, transport + 4, id);
  setU16(bytes, transport + 2, updateChecksum(getU16(bytes, transport + 2), before, id));
}

/** True for the redirect message, which translation does not let through. */
export function isRedirect(packet: Packet): boolean {
  return getU8(packet.bytes, packet.transport) === IcmpType.redirect;
}
