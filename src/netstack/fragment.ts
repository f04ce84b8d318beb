import type { Frame, FramePool } from "../sim/index.ts";
import { getU8, setU8, setU16 } from "./bytes.ts";
import type { Packet } from "./packet.ts";
import { ETHERNET_HEADER_LENGTH } from "./wire/ethernet.ts";
import { emitIpv4Header, fillIpv4Checksum, IPV4_HEADER_LENGTH, type Ipv4Header, readIpv4Header } from "./wire/ipv4.ts";

/** Option 0 ends the list, 1 is padding; the high bit says "copy into every fragment" (RFC 791 §3.1). */
const OPTION_END = 0;
const OPTION_NOP = 1;
const OPTION_COPIED = 0x80;

/**
 * Cuts `packet` into fragments that fit `mtu`, in order (RFC 791 §3.2). A packet that was reassembled on its way in is cut where its sender cut it,
 * if those pieces fit: as `ip_do_fragment` (net/ipv4/ip_output.c) does with a datagram whose pieces it still holds. The packet's own frame is
 * released.
 */
export function fragment(packet: Packet, mtu: number, frames: FramePool): Packet[] {
  const header = readIpv4Header(packet.bytes, packet.ip);
  const payload = packet.length - header.headerLength;
  const pieces: Packet[] = [];
  let offset = 0;
  for (const length of pieceLengths(packet, header, mtu)) {
    const last = offset + length >= payload;
    pieces.push(cut(packet, header, { offset, length, last }, frames));
    offset += length;
  }
  packet.frame.release();
  return pieces;
}

/** True when `packet` must be cut to leave through an interface with this MTU, because it is too long or was whole only for the hooks. */
export function needsFragmenting(packet: Packet, mtu: number): boolean {
  return packet.longestOnWire > mtu || packet.fragments !== undefined;
}

function pieceLengths(packet: Packet, header: Ipv4Header, mtu: number): readonly number[] {
  const room = mtu - header.headerLength;
  const original = packet.fragments;
  if (original?.every((length) => length <= room)) return original;
  const step = room & ~7;
  const lengths: number[] = [];
  for (let left = packet.length - header.headerLength; left > 0; left -= step)
    lengths.push(Math.min(left, left > room ? step : left));
  return lengths;
}

interface Piece {
  readonly offset: number;
  readonly length: number;
  readonly last: boolean;
}

function cut(packet: Packet, header: Ipv4Header, piece: Piece, frames: FramePool): Packet {
  const total = header.headerLength + piece.length;
  const frame = frames.derive(packet.frame, ETHERNET_HEADER_LENGTH + total);
  const ip = frame.start + ETHERNET_HEADER_LENGTH;
  frame.bytes.set(packet.bytes.subarray(packet.ip, packet.ip + header.headerLength), ip);
  const from = packet.transport + piece.offset;
  frame.bytes.set(packet.bytes.subarray(from, from + piece.length), ip + header.headerLength);
  const place = header.fragmentOffset + piece.offset;
  emitIpv4Header(
    { ...header, totalLength: total, fragmentOffset: place, moreFragments: header.moreFragments || !piece.last },
    frame.bytes,
    ip,
  );
  if (place > 0) blankUncopiedOptions(frame.bytes, ip, header.headerLength);
  fillIpv4Checksum(frame.bytes, ip);
  return packet.continuedIn(frame);
}

/** Overwrites options that only the first fragment carries with padding (`ip_options_fragment`, net/ipv4/ip_options.c). */
function blankUncopiedOptions(bytes: Uint8Array, ip: number, headerLength: number): void {
  let i = ip + IPV4_HEADER_LENGTH;
  const end = ip + headerLength;
  while (i < end) {
    const kind = getU8(bytes, i);
    if (kind === OPTION_END) return;
    const length = kind === OPTION_NOP ? 1 : i + 1 < end ? getU8(bytes, i + 1) : 0;
    if (length === 0 || i + length > end) return;
    if ((kind & OPTION_COPIED) === 0) bytes.fill(OPTION_NOP, i, i + length);
    i += length;
  }
}

/** Puts the payloads of `pieces`, sorted and without gaps, behind the first one's header: one datagram. The pieces' frames stay the caller's. */
export function join(pieces: readonly Packet[], payloadLength: number, frames: FramePool): Packet {
  const first = pieces[0] as Packet;
  const header = readIpv4Header(first.bytes, first.ip);
  const total = header.headerLength + payloadLength;
  const frame: Frame = frames.derive(first.frame, ETHERNET_HEADER_LENGTH + total);
  const ip = frame.start + ETHERNET_HEADER_LENGTH;
  frame.bytes.set(first.bytes.subarray(first.ip - ETHERNET_HEADER_LENGTH, first.transport), frame.start);
  let at = ip + header.headerLength;
  for (const piece of pieces) {
    frame.bytes.set(piece.bytes.subarray(piece.transport, piece.end), at);
    at += piece.end - piece.transport;
  }
  setU16(frame.bytes, ip + 2, total);
  setU8(frame.bytes, ip + 6, header.dontFragment ? 0x40 : 0);
  setU8(frame.bytes, ip + 7, 0);
  fillIpv4Checksum(frame.bytes, ip);
  const whole = first.continuedIn(frame);
  whole.fragments = pieces.map((piece) => piece.end - piece.transport);
  return whole;
}
