import { getU8, getU16, getU32, setU8, setU16, setU32 } from "../bytes.ts";
import { fillChecksum, checksum as sumOf } from "../checksum.ts";

/** Field offsets, RFC 792. */
const TYPE = 0;
const CODE = 1;
const CHECKSUM = 2;
const REST = 4;
export const ICMP_HEADER_LENGTH = 8;

/** Numbers of ICMP messages. */
export const IcmpType = {
  echoReply: 0,
  unreachable: 3,
  redirect: 5,
  echoRequest: 8,
  timeExceeded: 11,
  parameterProblem: 12,
  timestampRequest: 13,
  timestampReply: 14,
} as const;

/** Codes of {@link IcmpType.unreachable}: RFC 792, RFC 1122 §3.2.2.1, RFC 1812 §5.2.7.1. */
export const UnreachableCode = {
  network: 0,
  host: 1,
  protocol: 2,
  port: 3,
  fragmentationNeeded: 4,
  networkProhibited: 9,
  hostProhibited: 10,
  administrativelyProhibited: 13,
} as const;

export const TimeExceededCode = { ttl: 0, reassembly: 1 } as const;

/** An ICMP header, RFC 792; `rest` is its second word. */
export interface IcmpHeader {
  readonly type: number;
  readonly code: number;
  readonly checksum: number;
  /** The second four bytes: identifier and sequence number of an echo, next-hop MTU of "fragmentation needed". */
  readonly rest: number;
}

/** Reads the header at `at`; `undefined` when the message is shorter than one. */
export function parseIcmp(bytes: Uint8Array, at: number, end: number): IcmpHeader | undefined {
  if (end - at < ICMP_HEADER_LENGTH) return undefined;
  return {
    type: getU8(bytes, at + TYPE),
    code: getU8(bytes, at + CODE),
    checksum: getU16(bytes, at + CHECKSUM),
    rest: getU32(bytes, at + REST),
  };
}

export function emitIcmp(header: IcmpHeader, bytes: Uint8Array, at: number): void {
  setU8(bytes, at + TYPE, header.type);
  setU8(bytes, at + CODE, header.code);
  setU16(bytes, at + CHECKSUM, header.checksum);
  setU32(bytes, at + REST, header.rest);
}

/** True when the checksum over the whole message is right. */
export function isIcmpChecksumRight(bytes: Uint8Array, at: number, end: number): boolean {
  return sumOf(bytes, at, end) === 0;
}

/** Computes and writes the checksum of the message from `at` to `end`. */
export function fillIcmpChecksum(bytes: Uint8Array, at: number, end: number): void {
  fillChecksum(bytes, at + CHECKSUM, { at, end });
}

/** True for messages that quote the packet they are about (RFC 1122 §3.2.2). */
export function isIcmpError(type: number): boolean {
  return (
    type === IcmpType.unreachable ||
    type === IcmpType.timeExceeded ||
    type === IcmpType.parameterProblem ||
    type === IcmpType.redirect ||
    type === 4
  );
}

/** In one line. */
export function describeIcmp(header: IcmpHeader): string {
  const echo = `id ${header.rest >>> 16} seq ${header.rest & 0xffff}`;
  if (header.type === IcmpType.echoRequest) return `ICMP echo request ${echo}`;
  if (header.type === IcmpType.echoReply) return `ICMP echo reply ${echo}`;
  if (header.type === IcmpType.unreachable)
    return `ICMP ${UNREACHABLE[header.code] ?? `code ${header.code}`} unreachable`;
  if (header.type === IcmpType.timeExceeded)
    return header.code === 0 ? "ICMP time exceeded in transit" : "ICMP reassembly time exceeded";
  return `ICMP type ${header.type} code ${header.code}`;
}

const UNREACHABLE: Readonly<Record<number, string>> = {
  0: "network",
  1: "host",
  2: "protocol",
  3: "port",
  4: "fragmentation needed, destination",
  9: "network (prohibited)",
  10: "host (prohibited)",
  13: "administratively prohibited, destination",
};
