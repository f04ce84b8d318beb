import {
  cutTrain,
  ETHERNET_HEADER_LENGTH,
  EtherType,
  emitEthernet,
  fillChecksum,
  mac,
  sumPseudoHeader,
} from "../../src/netstack/index.ts";
import { FramePool } from "../../src/sim/index.ts";
import type { FrameSink } from "../../src/tun/segmentation.ts";

/** Bytes of a virtio header, before each packet from the kernel. */
export const VIRTIO = 10;
export const SOURCE = 0xc633644f;
export const DESTINATION = 0xcb007104;

/** A TCP packet behind Ethernet as the tests need it. */
export interface TcpPacket {
  readonly sequence?: number;
  readonly acknowledgement?: number;
  readonly flags?: number;
  readonly identification?: number;
  readonly payload: Uint8Array;
  /** In multiples of four. */
  readonly options?: Uint8Array;
  readonly sourcePort?: number;
}

/** An Ethernet frame with a whole TCP segment and right checksums. */
export function tcpFrame(tcp: TcpPacket): Uint8Array {
  const { sequence = 1000, acknowledgement = 5000, flags = 0x10, identification = 7, payload } = tcp;
  const { options = new Uint8Array(), sourcePort = 40000 } = tcp;
  const header = 20 + options.length;
  const frame = ipFrame(6, header + payload.length, identification);
  const view = new DataView(frame.buffer);
  const at = ETHERNET_HEADER_LENGTH + 20;
  view.setUint16(at, sourcePort);
  view.setUint16(at + 2, 80);
  view.setUint32(at + 4, sequence);
  view.setUint32(at + 8, acknowledgement);
  view.setUint16(at + 12, ((header / 4) << 12) | flags);
  view.setUint16(at + 14, 512);
  frame.set(options, at + 20);
  frame.set(payload, at + header);
  const initial = sumPseudoHeader(SOURCE, DESTINATION, 6, header + payload.length);
  fillChecksum(frame, at + 16, { at, end: frame.length, initial });
  return frame;
}

/** An Ethernet frame with a UDP datagram and right checksums. */
export function udpFrame(payload: Uint8Array, identification = 7): Uint8Array {
  const frame = ipFrame(17, 8 + payload.length, identification);
  const view = new DataView(frame.buffer);
  const at = ETHERNET_HEADER_LENGTH + 20;
  view.setUint16(at, 40000);
  view.setUint16(at + 2, 53);
  view.setUint16(at + 4, 8 + payload.length);
  frame.set(payload, at + 8);
  const initial = sumPseudoHeader(SOURCE, DESTINATION, 17, 8 + payload.length);
  fillChecksum(frame, at + 6, { at, end: frame.length, initial });
  return frame;
}

function ipFrame(protocol: number, length: number, identification: number): Uint8Array {
  const frame = new Uint8Array(ETHERNET_HEADER_LENGTH + 20 + length);
  emitEthernet({ destination: mac(0x420100000001), source: mac(0x420100000002), type: EtherType.ipv4 }, frame, 0);
  const view = new DataView(frame.buffer);
  view.setUint16(14, 0x4500);
  view.setUint16(16, 20 + length);
  view.setUint16(18, identification);
  view.setUint16(20, 0x4000);
  view.setUint16(22, (64 << 8) | protocol);
  view.setUint32(26, SOURCE);
  view.setUint32(30, DESTINATION);
  fillChecksum(frame, 24, { at: 14, end: 34 });
  return frame;
}

/** The frame behind a virtio header, as the kernel hands it over: the fields are flags, type, size, start and offset. */
export function handedOver(
  frame: Uint8Array,
  header: Partial<Record<"flags" | "gso" | "size" | "start" | "offset", number>> = {},
): Uint8Array {
  const packet = new Uint8Array(VIRTIO + frame.length);
  const view = new DataView(packet.buffer);
  packet[0] = header.flags ?? 0;
  packet[1] = header.gso ?? 0;
  view.setUint16(4, header.size ?? 0, true);
  view.setUint16(6, header.start ?? 0, true);
  view.setUint16(8, header.offset ?? 0, true);
  packet.set(frame, VIRTIO);
  return packet;
}

/** Leaves in a frame's checksum field the sum of the pseudo-header only, as the kernel does when it leaves the rest to the card. */
export function withPartialChecksum(frame: Uint8Array): Uint8Array {
  const copy = frame.slice();
  const view = new DataView(copy.buffer);
  const protocol = copy[23] ?? 0;
  let sum = sumPseudoHeader(SOURCE, DESTINATION, protocol, copy.length - 34);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  view.setUint16(34 + (protocol === 6 ? 16 : 6), sum);
  return copy;
}

/** Collects frames as they are on the wire. */
export function collector(room: number = 1 << 20): FrameSink & { readonly frames: Uint8Array[] } {
  const bytes = new Uint8Array(room);
  const frames: Uint8Array[] = [];
  let at = 0;
  let reserved = 0;
  let size = 0;
  return {
    bytes,
    frames,
    reserve: (length, segmentSize = 0) => {
      if (at + length > bytes.length) return -1;
      reserved = length;
      size = segmentSize;
      return at;
    },
    commit: () => {
      frames.push(...onTheWire(bytes.slice(at, at + reserved), size));
      at += reserved;
    },
  };
}

/** The frames that segments in one piece are cut into. */
function onTheWire(bytes: Uint8Array, segmentSize: number): Uint8Array[] {
  if (segmentSize === 0) return [bytes];
  const pool = new FramePool();
  const payload = bytes.length - 34 - ((bytes[46] ?? 0) >> 4) * 4;
  const train = pool.createTrain(bytes.length, Math.ceil(payload / segmentSize), segmentSize);
  train.bytes.set(bytes, train.start);
  return cutTrain(train, pool).map((frame) => frame.view().slice());
}

/** `count` bytes that differ from their neighbours. */
export function pattern(count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, index) => (index * 31 + (index >> 8)) & 0xff);
}
