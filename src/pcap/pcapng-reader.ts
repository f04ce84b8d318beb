import type {
  CapturedInterface,
  CapturedNames,
  CapturedPacket,
  CaptureFile,
  CaptureFileError,
  Direction,
} from "./captured-packet.ts";
import {
  BlockType,
  BYTE_ORDER_MAGIC,
  DIRECTION_IN,
  DIRECTION_MASK,
  DIRECTION_OUT,
  NameRecordType,
  OptionCode,
} from "./pcapng-format.ts";
import { padded, parseOptions, type RawOption } from "./pcapng-options.ts";

/** What a Section Header Block says. */
export interface CapturedSection {
  readonly littleEndian: boolean;
  readonly hardware: string | undefined;
  readonly os: string | undefined;
  readonly application: string | undefined;
  readonly comments: readonly string[];
}

/** What an Interface Statistics Block says; times in nanoseconds since 1970. */
export interface CapturedStatistics {
  readonly interface: CapturedInterface;
  readonly start: bigint | undefined;
  readonly end: bigint | undefined;
  readonly received: bigint | undefined;
  readonly dropped: bigint | undefined;
  readonly accepted: bigint | undefined;
}

/** A pcapng file; its interfaces are those of all sections, one after another. */
export interface PcapngFile extends CaptureFile {
  readonly format: "pcapng";
  readonly sections: readonly CapturedSection[];
  readonly statistics: readonly CapturedStatistics[];
}

/** An interface with what is needed to turn its timestamps into nanoseconds: `ticks * numerator / denominator + offset`. */
interface SectionInterface {
  readonly captured: CapturedInterface;
  readonly numerator: bigint;
  readonly denominator: bigint;
  readonly offset: bigint;
}

interface Reading {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  littleEndian: boolean;
  /** The interfaces of the present section, by id. */
  interfaces: SectionInterface[];
  readonly file: {
    readonly sections: CapturedSection[];
    readonly interfaces: CapturedInterface[];
    readonly packets: CapturedPacket[];
    readonly names: CapturedNames[];
    readonly statistics: CapturedStatistics[];
  };
}

/** A block whose frame has been checked: the body lies between `at` and `end`, `offset` is where the block starts. */
interface Block {
  readonly type: number;
  readonly offset: number;
  readonly at: number;
  readonly end: number;
}

const BLOCK_HEADER_BYTES = 8;
const BLOCK_TRAILER_BYTES = 4;
const GIGA = 1_000_000_000n;

const decoder = new TextDecoder();

/**
 * Reads a pcapng file of either byte order. Never throws: what is not whole or not valid ends the reading and is told in
 * `error`; everything before it is returned. Blocks and options it does not know are skipped.
 */
export function readPcapng(bytes: Uint8Array): PcapngFile {
  const reading: Reading = {
    bytes,
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    littleEndian: true,
    interfaces: [],
    file: { sections: [], interfaces: [], packets: [], names: [], statistics: [] },
  };
  return { format: "pcapng", ...reading.file, error: readBlocks(reading) };
}

function readBlocks(reading: Reading): CaptureFileError | undefined {
  let at = 0;
  do {
    const block = parseBlock(reading, at);
    if ("message" in block) return block;
    const problem = readBlock(reading, block);
    if (problem !== undefined) return corrupt(at, problem);
    at = block.end + BLOCK_TRAILER_BYTES;
  } while (at < reading.bytes.length);
  return undefined;
}

/** Checks everything that holds for any block. A Section Header Block decides the byte order from here on, its own length included. */
function parseBlock(reading: Reading, offset: number): Block | CaptureFileError {
  const { view } = reading;
  const left = view.byteLength - offset;
  if (left < BLOCK_HEADER_BYTES + BLOCK_TRAILER_BYTES) {
    return truncated(offset, `${left} bytes left, a block has at least ${BLOCK_HEADER_BYTES + BLOCK_TRAILER_BYTES}`);
  }
  const type = view.getUint32(offset, reading.littleEndian);
  if (type === BlockType.sectionHeader) {
    const magic = view.getUint32(offset + BLOCK_HEADER_BYTES, true);
    if (magic !== BYTE_ORDER_MAGIC && magic !== 0x4d3c2b1a)
      return corrupt(offset, "no byte-order magic in the section header");
    reading.littleEndian = magic === BYTE_ORDER_MAGIC;
  } else if (offset === 0) {
    return corrupt(0, "not a pcapng file: it does not start with a section header");
  }
  const total = view.getUint32(offset + 4, reading.littleEndian);
  if (total < 12 || total % 4 !== 0)
    return corrupt(offset, `block length ${total} is less than 12 or no multiple of 4`);
  if (total > left) return truncated(offset, `block of ${total} bytes, ${left} left`);
  const end = offset + total - BLOCK_TRAILER_BYTES;
  const trailer = view.getUint32(end, reading.littleEndian);
  if (trailer !== total) return corrupt(offset, `block length is ${total} before the block and ${trailer} after it`);
  return { type, offset, at: offset + BLOCK_HEADER_BYTES, end };
}

/** Reads one block's body; returns what is wrong with it. */
function readBlock(reading: Reading, block: Block): string | undefined {
  switch (block.type) {
    case BlockType.sectionHeader:
      return readSectionHeader(reading, block);
    case BlockType.interfaceDescription:
      return readInterface(reading, block);
    case BlockType.enhancedPacket:
    case BlockType.packet:
      return readPacket(reading, block);
    case BlockType.simplePacket:
      return readSimplePacket(reading, block);
    case BlockType.nameResolution:
      return readNames(reading, block);
    case BlockType.interfaceStatistics:
      return readStatistics(reading, block);
    default:
      return undefined;
  }
}

function readSectionHeader(reading: Reading, block: Block): string | undefined {
  if (block.end - block.at < 16) return "section header is too short";
  const major = reading.view.getUint16(block.at + 4, reading.littleEndian);
  if (major !== 1) return `pcapng version ${major} is not known`;
  const options = optionsOf(reading, block.at + 16, block.end);
  if (options === undefined) return "an option reaches beyond the section header";
  reading.interfaces = [];
  reading.file.sections.push({
    littleEndian: reading.littleEndian,
    hardware: textOf(reading, options, OptionCode.sectionHardware),
    os: textOf(reading, options, OptionCode.sectionOs),
    application: textOf(reading, options, OptionCode.sectionApplication),
    comments: commentsOf(reading, options),
  });
  return undefined;
}

function readInterface(reading: Reading, block: Block): string | undefined {
  if (block.end - block.at < 8) return "interface description is too short";
  const options = optionsOf(reading, block.at + 8, block.end);
  if (options === undefined) return "an option reaches beyond the interface description";
  const { view } = reading;
  const ipv4 = find(options, OptionCode.interfaceIpv4, 8);
  const mac = find(options, OptionCode.interfaceMac, 6);
  const filter = find(options, OptionCode.interfaceFilter, 1);
  const captured: CapturedInterface = {
    name: textOf(reading, options, OptionCode.interfaceName),
    description: textOf(reading, options, OptionCode.interfaceDescription),
    linkType: view.getUint16(block.at, reading.littleEndian),
    snapLength: view.getUint32(block.at + 4, reading.littleEndian),
    mac: mac && view.getUint16(mac.at) * 0x1_0000_0000 + view.getUint32(mac.at + 2),
    ipv4: ipv4 && { address: view.getUint32(ipv4.at), netmask: view.getUint32(ipv4.at + 4) },
    filter: filter && decode(reading, filter.at + 1, filter.length - 1),
    comments: commentsOf(reading, options),
  };
  reading.interfaces.push({ captured, ...timeScaleOf(reading, options) });
  reading.file.interfaces.push(captured);
  return undefined;
}

/** if_tsresol: the top bit says whether the other seven are a negative power of two or of ten; 10^−6 when absent. */
function timeScaleOf(reading: Reading, options: readonly RawOption[]): Omit<SectionInterface, "captured"> {
  const resolution = find(options, OptionCode.interfaceTimeResolution, 1);
  const value = resolution === undefined ? 6 : reading.view.getUint8(resolution.at);
  const exponent = BigInt(value & 0x7f);
  const offset = find(options, OptionCode.interfaceTimeOffset, 8);
  return {
    numerator: GIGA,
    denominator: value >= 0x80 ? 2n ** exponent : 10n ** exponent,
    offset: offset === undefined ? 0n : reading.view.getBigInt64(offset.at, reading.littleEndian) * GIGA,
  };
}

/** The Enhanced Packet Block, and the obsolete Packet Block, which differs in its first word only. */
function readPacket(reading: Reading, block: Block): string | undefined {
  const { view, littleEndian } = reading;
  if (block.end - block.at < 20) return "packet block is too short";
  const isObsolete = block.type === BlockType.packet;
  const id = isObsolete ? view.getUint16(block.at, littleEndian) : view.getUint32(block.at, littleEndian);
  const source = reading.interfaces[id];
  if (source === undefined) return `packet of interface ${id}, which is not described`;
  const start = block.at + 20;
  const length = view.getUint32(block.at + 12, littleEndian);
  if (start + padded(length) > block.end)
    return `packet of ${length} bytes in a block of ${block.end - block.offset + 4}`;
  const options = optionsOf(reading, start + padded(length), block.end);
  if (options === undefined) return "an option reaches beyond the packet block";
  const flags = find(options, OptionCode.packetFlags, 4);
  const packetId = isObsolete ? undefined : find(options, OptionCode.packetId, 8);
  reading.file.packets.push({
    interface: source.captured,
    time: timeAt(reading, source, block.at + 4),
    bytes: reading.bytes.subarray(start, start + length),
    originalLength: view.getUint32(block.at + 16, littleEndian),
    direction: flags && directionOf(view.getUint32(flags.at, littleEndian)),
    packetId: packetId && view.getBigUint64(packetId.at, littleEndian),
    comments: commentsOf(reading, options),
    offset: block.offset,
  });
  return undefined;
}

/** A Simple Packet Block belongs to interface 0 and has neither a time nor a captured length of its own. */
function readSimplePacket(reading: Reading, block: Block): string | undefined {
  if (block.end - block.at < 4) return "simple packet block is too short";
  const source = reading.interfaces[0];
  if (source === undefined) return "packet of interface 0, which is not described";
  const originalLength = reading.view.getUint32(block.at, reading.littleEndian);
  const { snapLength } = source.captured;
  const length = snapLength > 0 ? Math.min(originalLength, snapLength) : originalLength;
  const start = block.at + 4;
  if (start + padded(length) > block.end)
    return `packet of ${length} bytes in a block of ${block.end - block.offset + 4}`;
  reading.file.packets.push({
    interface: source.captured,
    time: undefined,
    bytes: reading.bytes.subarray(start, start + length),
    originalLength,
    direction: undefined,
    packetId: undefined,
    comments: [],
    offset: block.offset,
  });
  return undefined;
}

function readNames(reading: Reading, block: Block): string | undefined {
  const { view, littleEndian } = reading;
  let at = block.at;
  while (at + 4 <= block.end) {
    const type = view.getUint16(at, littleEndian);
    const length = view.getUint16(at + 2, littleEndian);
    if (type === NameRecordType.end) return undefined;
    if (at + 4 + padded(length) > block.end) return "a name record reaches beyond its block";
    if (type === NameRecordType.ipv4) {
      if (length < 4) return "a name record is shorter than its address";
      const names = decode(reading, at + 8, length - 4).split("\0");
      reading.file.names.push({ address: view.getUint32(at + 4), names: names.filter((name) => name !== "") });
    }
    at += 4 + padded(length);
  }
  return undefined;
}

function readStatistics(reading: Reading, block: Block): string | undefined {
  if (block.end - block.at < 12) return "interface statistics are too short";
  const id = reading.view.getUint32(block.at, reading.littleEndian);
  const source = reading.interfaces[id];
  if (source === undefined) return `statistics of interface ${id}, which is not described`;
  const options = optionsOf(reading, block.at + 12, block.end);
  if (options === undefined) return "an option reaches beyond the interface statistics";
  const time = (code: number): bigint | undefined => {
    const option = find(options, code, 8);
    return option && timeAt(reading, source, option.at);
  };
  const count = (code: number): bigint | undefined => {
    const option = find(options, code, 8);
    return option && reading.view.getBigUint64(option.at, reading.littleEndian);
  };
  reading.file.statistics.push({
    interface: source.captured,
    start: time(OptionCode.statisticsStart),
    end: time(OptionCode.statisticsEnd),
    received: count(OptionCode.statisticsReceived),
    dropped: count(OptionCode.statisticsDropped),
    accepted: count(OptionCode.statisticsAccepted),
  });
  return undefined;
}

function timeAt(reading: Reading, source: SectionInterface, at: number): bigint {
  const high = BigInt(reading.view.getUint32(at, reading.littleEndian));
  const low = BigInt(reading.view.getUint32(at + 4, reading.littleEndian));
  return (((high << 32n) | low) * source.numerator) / source.denominator + source.offset;
}

function directionOf(flags: number): Direction | undefined {
  const bits = flags & DIRECTION_MASK;
  return bits === DIRECTION_IN ? "in" : bits === DIRECTION_OUT ? "out" : undefined;
}

function optionsOf(reading: Reading, at: number, end: number): RawOption[] | undefined {
  return parseOptions(reading.view, at, end, reading.littleEndian);
}

/** The first option with this code; one too short for its meaning counts as absent. */
function find(options: readonly RawOption[], code: number, minimum: number): RawOption | undefined {
  return options.find((option) => option.code === code && option.length >= minimum);
}

function textOf(reading: Reading, options: readonly RawOption[], code: number): string | undefined {
  const option = find(options, code, 0);
  return option && decode(reading, option.at, option.length);
}

function commentsOf(reading: Reading, options: readonly RawOption[]): string[] {
  return options
    .filter((option) => option.code === OptionCode.comment)
    .map((option) => decode(reading, option.at, option.length));
}

function decode(reading: Reading, at: number, length: number): string {
  return decoder.decode(reading.bytes.subarray(at, at + length));
}

function truncated(offset: number, message: string): CaptureFileError {
  return { kind: "truncated", offset, message };
}

function corrupt(offset: number, message: string): CaptureFileError {
  return { kind: "corrupt", offset, message };
}
