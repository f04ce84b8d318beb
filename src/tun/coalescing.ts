import { fold, getU8, getU16, getU32, setU16, sumWords } from "./octets.ts";
import { pseudoHeaderSum } from "./segmentation.ts";
import { emitPlainHeader, emitTcpHeader, VIRTIO_HEADER_LENGTH } from "./virtio-header.ts";

/** Takes what is to be written to the kernel: the first `length` bytes, a virtio header in front. */
export type PacketWriter = (packet: Uint8Array, length: number) => void;

const ETHERNET_LENGTH = 14;
const IP = VIRTIO_HEADER_LENGTH + ETHERNET_LENGTH;
const TRANSPORT = IP + 20;
const MOST_IP_BYTES = 65535;
const TCP = 6;
const ACK = 0x10;
const PSH = 0x08;

/**
 * Joins TCP segments that follow each other into one packet of up to 64 KiB, as a network card with large receive offload does (`tcp_gro_receive`,
 * net/ipv4/tcp_offload.c): the kernel takes it with one call and works on it once. Segments with a wrong checksum, and all else, pass as they are.
 */
export class Coalescer {
  readonly #write: PacketWriter;
  readonly #packet = new Uint8Array(VIRTIO_HEADER_LENGTH + ETHERNET_LENGTH + MOST_IP_BYTES);
  /** Bytes in the packet; 0 when there is none. */
  #length = 0;
  /** Of the payload of each segment. */
  #segmentSize = 0;
  #segments = 0;
  #headers = 0;
  #nextSequence = 0;
  /** False once nothing may follow: after PSH, or a shorter segment. */
  #isOpen = false;

  constructor(write: PacketWriter) {
    this.#write = write;
  }

  /** Takes the frame from `start` to `end`, or where there is a `segmentSize` segments that are joined already; the bytes are copied. */
  add(bytes: Uint8Array, start: number, end: number, segmentSize: number): void {
    if (segmentSize === 0 && this.#append(bytes, start, end)) return;
    this.flush();
    if (segmentSize === 0) this.#begin(bytes, start, end);
    else this.#beginJoined(bytes, start, end, segmentSize);
  }

  /** Writes what has been joined so far. */
  flush(): void {
    if (this.#length === 0) return;
    if (this.#segments > 1) this.#finishJoined();
    this.#write(this.#packet, this.#length);
    this.#length = 0;
  }

  #begin(bytes: Uint8Array, start: number, end: number): void {
    const packet = this.#packet;
    if (end - start > packet.length - VIRTIO_HEADER_LENGTH) return;
    emitPlainHeader(packet, 0);
    packet.set(bytes.subarray(start, end), VIRTIO_HEADER_LENGTH);
    this.#length = VIRTIO_HEADER_LENGTH + end - start;
    this.#segments = 1;
    // The end of what was sent, as most short segments are: no checksum need be verified.
    const isLast = (getU8(packet, TRANSPORT + 13) & PSH) !== 0;
    const headers = isLast ? 0 : joinableHeaders(packet, VIRTIO_HEADER_LENGTH, this.#length);
    this.#isOpen = headers > 0;
    if (!this.#isOpen) return;
    this.#headers = headers;
    this.#segmentSize = end - start - headers;
    this.#nextSequence = (getU32(packet, TRANSPORT + 4) + this.#segmentSize) >>> 0;
  }

  #beginJoined(bytes: Uint8Array, start: number, end: number, segmentSize: number): void {
    this.#packet.set(bytes.subarray(start, end), VIRTIO_HEADER_LENGTH);
    this.#length = VIRTIO_HEADER_LENGTH + end - start;
    this.#headers = TRANSPORT - VIRTIO_HEADER_LENGTH + (getU8(this.#packet, TRANSPORT + 12) >> 4) * 4;
    this.#segmentSize = segmentSize;
    this.#segments = Math.ceil((end - start - this.#headers) / segmentSize);
    this.#isOpen = false;
  }

  #append(bytes: Uint8Array, start: number, end: number): boolean {
    if (this.#length === 0 || !this.#isOpen) return false;
    const payload = end - start - this.#headers;
    if (payload <= 0 || payload > this.#segmentSize) return false;
    if (this.#length + payload > this.#packet.length) return false;
    if (!this.#continues(bytes, start) || joinableHeaders(bytes, start, end) !== this.#headers) return false;
    this.#packet.set(bytes.subarray(start + this.#headers, end), this.#length);
    this.#length += payload;
    this.#segments += 1;
    this.#nextSequence = (this.#nextSequence + payload) >>> 0;
    const push = getU8(bytes, start + 34 + 13) & PSH;
    this.#packet[TRANSPORT + 13] = getU8(this.#packet, TRANSPORT + 13) | push;
    this.#isOpen = push === 0 && payload === this.#segmentSize;
    return true;
  }

  /** True when all but length, identification, sequence number, PSH and checksums is as in the packet. */
  #continues(bytes: Uint8Array, start: number): boolean {
    if (getU32(bytes, start + 34 + 4) !== this.#nextSequence) return false;
    const packet = this.#packet;
    const shift = VIRTIO_HEADER_LENGTH - start;
    const same = (from: number, to: number): boolean => {
      for (let at = start + from; at < start + to; at++) if (bytes[at] !== packet[at + shift]) return false;
      return true;
    };
    // Ethernet, version and TOS; flags, TTL and protocol; addresses and ports; acknowledgement and length; window; options.
    return same(0, 16) && same(20, 24) && same(26, 38) && same(42, 47) && same(48, 50) && same(54, this.#headers);
  }

  #finishJoined(): void {
    const packet = this.#packet;
    const end = this.#length;
    setU16(packet, IP + 2, end - IP);
    setU16(packet, IP + 10, 0);
    setU16(packet, IP + 10, ~fold(sumWords(packet, IP, TRANSPORT)));
    // The pseudo-header's sum only; the kernel adds the rest when it has to.
    const sum = pseudoHeaderSum(packet, { ip: IP, transport: TRANSPORT, end }, TCP);
    setU16(packet, TRANSPORT + 16, fold(sum));
    const transport = TRANSPORT - VIRTIO_HEADER_LENGTH;
    emitTcpHeader(packet, 0, { headers: this.#headers, transport, segmentSize: this.#segmentSize });
  }
}

/** The bytes of headers of a TCP segment that may be joined with others: plain, with payload and a right checksum; 0 for all else. */
function joinableHeaders(bytes: Uint8Array, start: number, end: number): number {
  const ip = start + ETHERNET_LENGTH;
  const transport = ip + 20;
  if (end < transport + 20 || getU16(bytes, start + 12) !== 0x0800 || getU8(bytes, ip) !== 0x45) return 0;
  if (getU8(bytes, ip + 9) !== TCP || (getU16(bytes, ip + 6) & 0xbfff) !== 0) return 0;
  if (getU16(bytes, ip + 2) !== end - ip || fold(sumWords(bytes, ip, transport)) !== 0xffff) return 0;
  if ((getU8(bytes, transport + 13) & ~PSH) !== ACK) return 0;
  const payload = transport + (getU8(bytes, transport + 12) >> 4) * 4;
  if (payload < transport + 20 || payload >= end) return 0;
  const sum = sumWords(bytes, transport, end, pseudoHeaderSum(bytes, { ip, transport, end }, TCP));
  return fold(sum) === 0xffff ? payload - start : 0;
}
