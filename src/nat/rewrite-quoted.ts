import {
  fillIcmpChecksum,
  getU8,
  getU16,
  getU32,
  ICMP_HEADER_LENGTH,
  IpProtocol,
  type PacketField,
  type RewriteCause,
  setU16,
  setU32,
  TCP_HEADER_LENGTH,
  UDP_HEADER_LENGTH,
  updateChecksum,
  updateChecksum32,
} from "../netstack/index.ts";
import type { Manip } from "./nat-range.ts";
import { type TupleWords, UDP_LITE } from "./tuple.ts";
import { type RewritePlace, tellRewritten } from "./walk-events.ts";

/** Offsets in the IPv4 header. */
const CHECKSUM = 10;
const ADDRESS = { source: 12, destination: 16 } as const;
/** Offsets in the TCP and UDP headers. */
const PORT = { source: 0, destination: 2 } as const;
const TCP_CHECKSUM = 16;
const UDP_CHECKSUM = 6;
const NO_FIELD = -1;

/** The header of somebody's packet that an ICMP error quotes. */
interface Quoted {
  readonly bytes: Uint8Array;
  readonly ip: number;
  readonly transport: number;
  readonly protocol: number;
  /** Where the transport checksum is, or {@link NO_FIELD}: not in a quote that ends before it. */
  readonly checksum: number;
}

/**
 * Rewrites source or destination of the packet that an ICMP error quotes to what `tuple` says, with both of its checksums, and the error's own
 * (`nf_nat_icmp_reply_translation`, net/netfilter/nf_nat_proto.c).
 */
export function rewriteQuoted(
  walk: RewritePlace,
  tuple: TupleWords,
  manip: Manip,
  cause: RewriteCause | undefined,
): void {
  const { packet } = walk;
  const quoted = quotedIn(packet.bytes, packet.transport + ICMP_HEADER_LENGTH, packet.end);
  const address = (manip === "source" ? tuple.source : tuple.destination) >>> 0;
  const changes: [PacketField, number, number][] = [];
  const [portField, from, to] = setPort(quoted, tuple, manip);
  if (from !== to) changes.push([portField, from, to]);
  const before = setAddress(quoted, quoted.ip + ADDRESS[manip], address);
  if (before !== address) changes.unshift([manip, before, address]);
  fillIcmpChecksum(packet.bytes, packet.transport, packet.end);
  if (cause === undefined) return;
  for (const [field, from, to] of changes) tellRewritten(walk, { field, from, to, cause, quoted: true });
}

function quotedIn(bytes: Uint8Array, ip: number, end: number): Quoted {
  const transport = ip + (getU8(bytes, ip) & 15) * 4;
  const protocol = getU8(bytes, ip + 9);
  return { bytes, ip, transport, protocol, checksum: checksumField(bytes, transport, end - transport, protocol) };
}

function checksumField(bytes: Uint8Array, transport: number, length: number, protocol: number): number {
  if (protocol === IpProtocol.tcp) return length < TCP_HEADER_LENGTH ? NO_FIELD : transport + TCP_CHECKSUM;
  if (protocol === IpProtocol.icmp) return transport + 2;
  if ((protocol !== IpProtocol.udp && protocol !== UDP_LITE) || length < UDP_HEADER_LENGTH) return NO_FIELD;
  return getU16(bytes, transport + UDP_CHECKSUM) === 0 ? NO_FIELD : transport + UDP_CHECKSUM;
}

/** Gives the address that was there. */
function setAddress(quoted: Quoted, field: number, address: number): number {
  const { bytes, ip, checksum } = quoted;
  const before = getU32(bytes, field);
  setU32(bytes, field, address);
  setU16(bytes, ip + CHECKSUM, updateChecksum32(getU16(bytes, ip + CHECKSUM), before, address));
  // ICMP does not put the addresses under its checksum.
  if (checksum !== NO_FIELD && quoted.protocol !== IpProtocol.icmp)
    writeSum(quoted, updateChecksum32(getU16(bytes, checksum), before, address));
  return before;
}

/** Gives the field, what was there and what is there now. */
function setPort(quoted: Quoted, tuple: TupleWords, manip: Manip): [PacketField, number, number] {
  const { bytes, transport, protocol, checksum } = quoted;
  const isIcmp = protocol === IpProtocol.icmp;
  const name: PacketField = isIcmp || manip === "source" ? "sourcePort" : "destinationPort";
  const isKnown = isIcmp || protocol === IpProtocol.tcp || protocol === IpProtocol.udp || protocol === IpProtocol.sctp;
  if (!isKnown && protocol !== UDP_LITE) return [name, 0, 0];
  const field = transport + (isIcmp ? 4 : PORT[manip]);
  const port = isIcmp || manip === "source" ? tuple.ports >>> 16 : tuple.ports & 0xffff;
  const before = getU16(bytes, field);
  setU16(bytes, field, port);
  if (checksum !== NO_FIELD) writeSum(quoted, updateChecksum(getU16(bytes, checksum), before, port));
  return [name, before, port];
}

function writeSum(quoted: Quoted, sum: number): void {
  const isUdp = quoted.protocol === IpProtocol.udp || quoted.protocol === UDP_LITE;
  setU16(quoted.bytes, quoted.checksum, sum === 0 && isUdp ? 0xffff : sum);
}
