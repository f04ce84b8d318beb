import { fold, getU8, getU16, setU16, sumWords } from "./octets.ts";
import { Gso, parseVirtioHeader, VIRTIO_HEADER_LENGTH, type VirtioHeader } from "./virtio-header.ts";

/** Takes frames that are written into `bytes`. */
export interface FrameSink {
  readonly bytes: Uint8Array;
  /** Where a frame of `length` bytes is to be written, several TCP segments in one piece where there is a `segmentSize`; -1 when there is no room. */
  reserve(length: number, segmentSize?: number): number;
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
const UDP_CHECKSUM = 6;

/**
 * Passes on what the kernel handed over: a frame with its checksum completed, segments of TCP in one piece as they are, to be cut where somebody looks at
 * them, and datagrams in one piece as the network card would have sent them. `packet` begins with the virtio header and has `length` bytes.
 */
export function handOver(packet: Uint8Array, length: number, mtu: number, sink: FrameSink): HandedOver {
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
  const size = Math.min(header.segmentSize, mtu - (headers.payload - headers.ip));
  if (size <= 0) return "malformed";
  if (headers.protocol === UDP) return cutDatagrams(packet, length, headers, size, sink);
  if (length - headers.payload <= size) return copyFrame(packet, length, header, sink);
  return passTrain(packet, length, size, sink);
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

/** As the kernel gave it: its checksum is that of the pseudo-header, and is completed for each segment when it is cut. */
function passTrain(packet: Uint8Array, length: number, segmentSize: number, sink: FrameSink): HandedOver {
  const size = length - VIRTIO_HEADER_LENGTH;
  const total = getU16(packet, VIRTIO_HEADER_LENGTH + ETHERNET_LENGTH + 2);
  if (total !== size - ETHERNET_LENGTH) return "malformed";
  const at = sink.reserve(size, segmentSize);
  if (at < 0) return "no-room";
  sink.bytes.set(packet.subarray(VIRTIO_HEADER_LENGTH, length), at);
  sink.commit();
  return "passed";
}

function cutDatagrams(packet: Uint8Array, length: number, headers: Headers, size: number, sink: FrameSink): HandedOver {
  const head = headers.payload - VIRTIO_HEADER_LENGTH;
  for (let from = headers.payload, number = 0; from < length; from += size, number++) {
    const to = Math.min(from + size, length);
    const at = sink.reserve(head + to - from);
    if (at < 0) return "no-room";
    const { bytes } = sink;
    bytes.set(packet.subarray(VIRTIO_HEADER_LENGTH, headers.payload), at);
    bytes.set(packet.subarray(from, to), at + head);
    const shift = at - VIRTIO_HEADER_LENGTH;
    finishDatagram(
      bytes,
      { ip: headers.ip + shift, transport: headers.transport + shift, end: at + head + to - from },
      number,
    );
    sink.commit();
  }
  return "passed";
}

interface DatagramPlace {
  readonly ip: number;
  readonly transport: number;
  readonly end: number;
}

/** `inet_gso_segment` (net/ipv4/af_inet.c): identifications count up. */
function finishDatagram(bytes: Uint8Array, place: DatagramPlace, number: number): void {
  const { ip, transport, end } = place;
  setU16(bytes, ip + 2, end - ip);
  setU16(bytes, ip + 4, getU16(bytes, ip + 4) + number);
  setU16(bytes, ip + 10, 0);
  setU16(bytes, ip + 10, ~fold(sumWords(bytes, ip, transport)));
  setU16(bytes, transport + 4, end - transport);
  setU16(bytes, transport + UDP_CHECKSUM, 0);
  const sum = ~fold(sumWords(bytes, transport, end, pseudoHeaderSum(bytes, place, UDP))) & 0xffff;
  setU16(bytes, transport + UDP_CHECKSUM, sum === 0 ? 0xffff : sum);
}

/** The sum of the pseudo-header that TCP and UDP put before themselves, not folded. */
export function pseudoHeaderSum(bytes: Uint8Array, { ip, transport, end }: DatagramPlace, protocol: number): number {
  return sumWords(bytes, ip + 12, ip + 20) + protocol + (end - transport);
}
