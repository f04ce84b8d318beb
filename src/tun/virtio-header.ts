import { getU8, getU16LittleEndian, setU16LittleEndian } from "./octets.ts";

/*
 * struct virtio_net_hdr (linux/virtio_net.h), which stands before each frame: whether its checksum is yet to be computed, and whether it is
 * several TCP segments in one piece.
 *
 *   0 flags   1 gso_type   2 hdr_len   4 gso_size   6 csum_start   8 csum_offset
 */

export const VIRTIO_HEADER_LENGTH = 10;

/** The kinds of super-packets; the others are not asked for. */
export const Gso = { none: 0, tcp4: 1, udp: 5 } as const;
/** Marks a TCP super-packet whose first segment carries CWR. */
const GSO_ECN = 0x80;
const NEEDS_CHECKSUM = 1;

export interface VirtioHeader {
  /** The sum from `checksumStart` to the end is to be written at `checksumStart + checksumOffset`, where the pseudo-header's already is. */
  readonly needsChecksum: boolean;
  readonly gso: number;
  /** Bytes of payload in each segment. */
  readonly segmentSize: number;
  readonly checksumStart: number;
  readonly checksumOffset: number;
}

/** Reads the header at `at`, which the caller knows to be there. */
export function parseVirtioHeader(bytes: Uint8Array, at: number): VirtioHeader {
  return {
    needsChecksum: (getU8(bytes, at) & NEEDS_CHECKSUM) !== 0,
    gso: getU8(bytes, at + 1) & ~GSO_ECN,
    segmentSize: getU16LittleEndian(bytes, at + 4),
    checksumStart: getU16LittleEndian(bytes, at + 6),
    checksumOffset: getU16LittleEndian(bytes, at + 8),
  };
}

/** Writes the header of a frame that is complete as it is. */
export function emitPlainHeader(bytes: Uint8Array, at: number): void {
  bytes.fill(0, at, at + VIRTIO_HEADER_LENGTH);
}

/** Writes the header of a TCP super-packet; lengths count from the frame's first byte. */
export function emitTcpHeader(
  bytes: Uint8Array,
  at: number,
  sizes: { readonly headers: number; readonly transport: number; readonly segmentSize: number },
): void {
  bytes[at] = NEEDS_CHECKSUM;
  bytes[at + 1] = Gso.tcp4;
  setU16LittleEndian(bytes, at + 2, sizes.headers);
  setU16LittleEndian(bytes, at + 4, sizes.segmentSize);
  setU16LittleEndian(bytes, at + 6, sizes.transport);
  setU16LittleEndian(bytes, at + 8, TCP_CHECKSUM);
}

/** The checksum's place in a TCP header, RFC 9293 §3.1. */
const TCP_CHECKSUM = 16;
