import { getU8, getU16, getU32, setU8, setU16, setU32 } from "../bytes.ts";
import { formatIpv4, type Ipv4Address, ipv4 } from "../ipv4-address.ts";
import { formatMac, getMac, type MacAddress, setMac } from "../mac.ts";
import { EtherType } from "./ethernet.ts";

/** Field offsets, RFC 826, for Ethernet and IPv4. */
const HARDWARE_TYPE = 0;
const PROTOCOL_TYPE = 2;
const HARDWARE_LENGTH = 4;
const PROTOCOL_LENGTH = 5;
const OPERATION = 6;
const SENDER_MAC = 8;
const SENDER_IP = 14;
const TARGET_MAC = 18;
const TARGET_IP = 24;
export const ARP_LENGTH = 28;
const HARDWARE_ETHERNET = 1;

export const ArpOperation = { request: 1, reply: 2 } as const;

/** An ARP packet for IPv4 over Ethernet, RFC 826. */
export interface ArpPacket {
  readonly operation: number;
  readonly senderMac: MacAddress;
  readonly senderIp: Ipv4Address;
  readonly targetMac: MacAddress;
  readonly targetIp: Ipv4Address;
}

/** Reads the packet at `at`; `undefined` when it is not ARP for IPv4 over Ethernet. */
export function parseArp(bytes: Uint8Array, at: number, end: number): ArpPacket | undefined {
  if (end - at < ARP_LENGTH) return undefined;
  if (getU16(bytes, at + HARDWARE_TYPE) !== HARDWARE_ETHERNET || getU16(bytes, at + PROTOCOL_TYPE) !== EtherType.ipv4)
    return undefined;
  if (getU8(bytes, at + HARDWARE_LENGTH) !== 6 || getU8(bytes, at + PROTOCOL_LENGTH) !== 4) return undefined;
  return {
    operation: getU16(bytes, at + OPERATION),
    senderMac: getMac(bytes, at + SENDER_MAC),
    senderIp: ipv4(getU32(bytes, at + SENDER_IP)),
    targetMac: getMac(bytes, at + TARGET_MAC),
    targetIp: ipv4(getU32(bytes, at + TARGET_IP)),
  };
}

export function emitArp(packet: ArpPacket, bytes: Uint8Array, at: number): void {
  setU16(bytes, at + HARDWARE_TYPE, HARDWARE_ETHERNET);
  setU16(bytes, at + PROTOCOL_TYPE, EtherType.ipv4);
  setU8(bytes, at + HARDWARE_LENGTH, 6);
  setU8(bytes, at + PROTOCOL_LENGTH, 4);
  setU16(bytes, at + OPERATION, packet.operation);
  setMac(bytes, at + SENDER_MAC, packet.senderMac);
  setU32(bytes, at + SENDER_IP, packet.senderIp);
  setMac(bytes, at + TARGET_MAC, packet.targetMac);
  setU32(bytes, at + TARGET_IP, packet.targetIp);
}

/** In words, as tcpdump has it. */
export function describeArp(packet: ArpPacket): string {
  const target = formatIpv4(packet.targetIp);
  const sender = formatIpv4(packet.senderIp);
  if (packet.operation === ArpOperation.reply) return `ARP ${sender} is at ${formatMac(packet.senderMac)}`;
  return packet.senderIp === packet.targetIp
    ? `ARP announcement of ${sender}`
    : `ARP who has ${target}? tell ${sender}`;
}
