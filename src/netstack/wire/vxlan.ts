import { getU8, getU32, setU32 } from "../bytes.ts";

/*
 * RFC 7348 §5, behind the outer UDP header; the inner Ethernet frame follows.
 *
 *    0                   1                   2                   3
 *    0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *   |R|R|R|R|I|R|R|R|            Reserved                           |
 *   |                VXLAN Network Identifier (VNI) |   Reserved    |
 */
const FLAGS = 0;
const VNI = 4;
export const VXLAN_HEADER_LENGTH = 8;

/** The port that IANA gave it. Linux's own default, which flannel uses, is the older 8472. */
export const VXLAN_PORT = 4789;

/** The I flag: there is a VNI. All others are 0 when sent and ignored when received (RFC 7348 §5). */
const HAS_VNI = 0x08;

export interface VxlanHeader {
  /** 24 bits. */
  readonly vni: number;
}

/** Reads the header at `at`; `undefined` when it is cut short or names no VNI. */
export function parseVxlan(bytes: Uint8Array, at: number, end: number): VxlanHeader | undefined {
  if (end - at < VXLAN_HEADER_LENGTH || (getU8(bytes, at + FLAGS) & HAS_VNI) === 0) return undefined;
  return { vni: getU32(bytes, at + VNI) >>> 8 };
}

export function emitVxlan({ vni }: VxlanHeader, bytes: Uint8Array, at: number): void {
  setU32(bytes, at + FLAGS, HAS_VNI * 2 ** 24);
  setU32(bytes, at + VNI, vni * 2 ** 8);
}

export function describeVxlan({ vni }: VxlanHeader): string {
  return `VXLAN vni ${vni}`;
}
