import { getU16, setU16 } from "../bytes.ts";
import { formatMac, getMac, type MacAddress, setMac } from "../mac.ts";

/** Field offsets, IEEE 802.3 §3.1.1. */
const DESTINATION = 0;
const SOURCE = 6;
const TYPE = 12;
export const ETHERNET_HEADER_LENGTH = 14;
/** An 802.1Q tag: two bytes of priority and VLAN number, then the type of what follows. */
export const VLAN_TAG_LENGTH = 4;

/** Numbers of the protocols in a frame. */
export const EtherType = { ipv4: 0x0800, arp: 0x0806, vlan: 0x8100, serviceVlan: 0x88a8, ipv6: 0x86dd } as const;

/** An Ethernet header, without VLAN tags. */
export interface EthernetHeader {
  readonly destination: MacAddress;
  readonly source: MacAddress;
  readonly type: number;
}

/** Reads the header at `at`; `undefined` when the frame is too short to have one. */
export function parseEthernet(bytes: Uint8Array, at: number, end: number): EthernetHeader | undefined {
  if (end - at < ETHERNET_HEADER_LENGTH) return undefined;
  return {
    destination: getMac(bytes, at + DESTINATION),
    source: getMac(bytes, at + SOURCE),
    type: getU16(bytes, at + TYPE),
  };
}

export function emitEthernet(header: EthernetHeader, bytes: Uint8Array, at: number): void {
  setMac(bytes, at + DESTINATION, header.destination);
  setMac(bytes, at + SOURCE, header.source);
  setU16(bytes, at + TYPE, header.type);
}

/** Whom the frame is for, without parsing the rest; the header must be there. */
export function destinationMac(bytes: Uint8Array, at: number): MacAddress {
  return getMac(bytes, at + DESTINATION);
}

/** Who sent it, likewise. */
export function sourceMac(bytes: Uint8Array, at: number): MacAddress {
  return getMac(bytes, at + SOURCE);
}

/** Has the frame go to another. */
export function setDestinationMac(bytes: Uint8Array, at: number, destination: MacAddress): void {
  setMac(bytes, at + DESTINATION, destination);
}

/** The frame's EtherType, without parsing the rest. */
export function ethernetType(bytes: Uint8Array, at: number): number {
  return getU16(bytes, at + TYPE);
}

/** Where a frame's network packet begins and of which type it is, any VLAN tags skipped; `undefined` when it is cut short. */
export function networkLayer(bytes: Uint8Array, at: number, end: number): { type: number; at: number } | undefined {
  let typeAt = at + TYPE;
  while (typeAt + 2 <= end) {
    const type = getU16(bytes, typeAt);
    if (type !== EtherType.vlan && type !== EtherType.serviceVlan) return { type, at: typeAt + 2 };
    typeAt += VLAN_TAG_LENGTH;
  }
  return undefined;
}

/** In one line. */
export function describeEthernet(header: EthernetHeader): string {
  return `${formatMac(header.source)} > ${formatMac(header.destination)} type 0x${header.type.toString(16).padStart(4, "0")}`;
}
