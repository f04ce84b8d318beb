/** Numbers of the pcapng format, draft-ietf-opsawg-pcapng §4 (blocks) and §3.5 (options), shared by its writer and its reader. */

export const BYTE_ORDER_MAGIC = 0x1a2b3c4d;

export const BlockType = {
  sectionHeader: 0x0a0d0d0a,
  interfaceDescription: 1,
  packet: 2,
  simplePacket: 3,
  nameResolution: 4,
  interfaceStatistics: 5,
  enhancedPacket: 6,
} as const;

/** Codes are per block type, except the first two. */
export const OptionCode = {
  end: 0,
  comment: 1,
  sectionHardware: 2,
  sectionOs: 3,
  sectionApplication: 4,
  interfaceName: 2,
  interfaceDescription: 3,
  interfaceIpv4: 4,
  interfaceMac: 6,
  interfaceTimeResolution: 9,
  interfaceFilter: 11,
  interfaceTimeOffset: 14,
  packetFlags: 2,
  packetId: 5,
  statisticsStart: 2,
  statisticsEnd: 3,
  statisticsReceived: 4,
  statisticsDropped: 5,
  statisticsAccepted: 6,
} as const;

export const NameRecordType = { end: 0, ipv4: 1 } as const;

/** epb_flags bits 0–1. */
export const DIRECTION_MASK = 3;
export const DIRECTION_IN = 1;
export const DIRECTION_OUT = 2;

/** An option's or a name record's length is a u16. */
export const MAX_VALUE_BYTES = 0xffff;
