import { fold, getU8, getU16, getU32, setU16, setU32, sumWords } from "./octets.ts";
import { Gso, parseVirtioHeader, VIRTIO_HEADER_LENGTH, type VirtioHeader } from "./virtio-header.ts";

/** Takes frames that are written into `bytes`. */
export interface FrameSink {
  readonly bytes: Uint8Array;
  /** Where a frame of `length` bytes is to be written; -1 when there is no room. */
  reserve(length: number): number;
  /** The frame last reserved is whole. */
  commit(): void;
}

/** What became of what the kernel handed over. */
export type HandedOver = "passed" | "not-ipv4" | "malformed" | "unsupported-offload" | "no-room";

const ETHERNET_LENGTH = 14;
const ETHER_IPV4 = 0x0800;
const ETHER_ARP = 0x0806;
const TCP = 6;
const UDP = 17;
const TCP_CHECKSUM = 16;
const UDP_CHECKSUM = 6;
const TCP_FLAGS = 13;
const FIN_PSH = 0x09;
const CWR = 0x80;

/**
 * Makes wire-sized frames of what the kernel handed over: cuts a super-packet into the segments a network card would have made of it
 * (`tcp_gso_segment`, net/ipv4/tcp_offload.c) and completes checksums. `packet` begins with the virtio header and has `length` bytes.
 */
export function toWireFrames(packet: Uint8Array, length: number, mtu: number, sink: FrameSink): HandedOver {
  const start = VIRTIO_HEADER_LENGTH;
  if (length < start + ETHERNET_LENGTH) return "malformed";
  const type = getU16(packet, start + 12);
  if (type !== ETHER_IPV4 && type !== ETHER_ARP) return "not-ipv4";
  const header = parseVirtioHeader(packet, 0);
  if (header.gso === Gso.none) return copyFrame(packet, length, header, sink);
  if (type !== ETHER_IPV4 || (header.gso !== Gso.tcp4 && header.gso !== Gso.udp)) return "unsupported-offload";
  const headers = findHeaders(packet, length);
  if (headers === undefined || header.segmentSize === 0) return "malformed";
  if ((headers.protocol === TCP) !== (header.gso === Gso.tcp4)) return "malformed";
  const room = mtu - (headers.payload - headers.ip);
  return cutSegments(packet, length, headers, Math.min(header.segmentSize, room), sink);
}

function copyFrame(packet: Uint8Array, length: number, header: VirtioHeader, sink: FrameSink): HandedOver {
  const size = length - VIRTIO_HEADER_LENGTH;
  const field = header.checksumStart + header.checksumOffset;
  if (header.needsChecksum && field + 2 > size) return "malformed";
  const at = sink.reserve(size);
  if (at < 0) return "no-room";
  const { bytes } = sink;
  bytes.set(packet.subarray(VIRTIO_HEADER_LENGTH, length), at);
  if (header.needsChecksum) {
    const sum = ~fold(sumWords(bytes, at + header.checksumStart, at + size)) & 0xffff;
    // RFC 768: 0 says that there is no checksum.
    setU16(bytes, at + field, sum === 0 && header.checksumOffset === UDP_CHECKSUM ? 0xffff : sum);
  }
  sink.commit();
  return "passed";
}

interface Headers {
  readonly ip: number;
  readonly transport: number;
  readonly payload: number;
  readonly protocol: number;
}

function findHeaders(packet: Uint8Array, length: number): Headers | undefined {
  const ip = VIRTIO_HEADER_LENGTH + ETHERNET_LENGTH;
  if (length < ip + 20) return undefined;
  const transport = ip + (getU8(packet, ip) & 15) * 4;
  const protocol = getU8(packet, ip + 9);
  if (transport < ip + 20 || length < transport + (protocol === TCP ? 20 : 8)) return undefined;
  if (protocol === UDP) return { ip, transport, payload: transport + 8, protocol };
  const payload = transport + (getU8(packet, transport + 12) >> 4) * 4;
  if (protocol !== TCP || payload < transport + 20 || payload > length) return undefined;
  return { ip, transport, payload, protocol };
}

function cutSegments(packet: Uint8Array, length: number, headers: Headers, size: number, sink: FrameSink): HandedOver {
  if (size <= 0) return "malformed";
  const head = headers.payload - VIRTIO_HEADER_LENGTH;
  for (let from = headers.payload, number = 0; from < length; from += size, number++) {
    const to = Math.min(from + size, length);
    const at = sink.reserve(head + to - from);
    if (at < 0) return "no-room";
    const { bytes } = sink;
    bytes.set(packet.subarray(VIRTIO_HEADER_LENGTH, headers.payload), at);
    bytes.set(packet.subarray(from, to), at + head);
    const shift = at - VIRTIO_HEADER_LENGTH;
    const segment = { ip: headers.ip + shift, transport: headers.transport + shift, end: at + head + to - from };
    finishIp(bytes, segment, number);
    if (headers.protocol === TCP)
      finishTcp(bytes, segment, { offset: from - headers.payload, number, isLast: to === length });
    else finishUdp(bytes, segment);
    sink.commit();
  }
  return "passed";
}

interface SegmentPlace {
  readonly ip: number;
  readonly transport: number;
  readonly end: number;
}

/** `inet_gso_segment` (net/ipv4/af_inet.c): identifications count up. */
function finishIp(bytes: Uint8Array, { ip, transport, end }: SegmentPlace, number: number): void {
  setU16(bytes, ip + 2, end - ip);
  setU16(bytes, ip + 4, getU16(bytes, ip + 4) + number);
  setU16(bytes, ip + 10, 0);
  setU16(bytes, ip + 10, ~fold(sumWords(bytes, ip, transport)));
}

/** FIN and PSH belong to the last segment, CWR to the first. */
function finishTcp(
  bytes: Uint8Array,
  place: SegmentPlace,
  { offset, number, isLast }: { readonly offset: number; readonly number: number; readonly isLast: boolean },
): void {
  const { transport } = place;
  setU32(bytes, transport + 4, (getU32(bytes, transport + 4) + offset) >>> 0);
  let flags = getU8(bytes, transport + TCP_FLAGS);
  if (!isLast) flags &= ~FIN_PSH;
  if (number > 0) flags &= ~CWR;
  bytes[transport + TCP_FLAGS] = flags;
  setU16(bytes, transport + TCP_CHECKSUM, 0);
  setU16(bytes, transport + TCP_CHECKSUM, transportChecksum(bytes, place, TCP));
}

function finishUdp(bytes: Uint8Array, place: SegmentPlace): void {
  const { transport, end } = place;
  setU16(bytes, transport + 4, end - transport);
  setU16(bytes, transport + UDP_CHECKSUM, 0);
  const sum = transportChecksum(bytes, place, UDP);
  setU16(bytes, transport + UDP_CHECKSUM, sum === 0 ? 0xffff : sum);
}

function transportChecksum(bytes: Uint8Array, place: SegmentPlace, protocol: number): number {
  return ~fold(sumWords(bytes, place.transport, place.end, pseudoHeaderSum(bytes, place, protocol))) & 0xffff;
}

/** The sum of the pseudo-header that TCP and UDP put before themselves, not folded. */
export function pseudoHeaderSum(bytes: Uint8Array, { ip, transport, end }: SegmentPlace, protocol: number): number {
  return sumWords(bytes, ip + 12, ip + 20) + protocol + (end - transport);
}
