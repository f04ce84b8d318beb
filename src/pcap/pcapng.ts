import type { Direction } from "./captured-packet.ts";
import { type ByteSink, ChunkWriter } from "./chunk-writer.ts";
import {
  BlockType,
  BYTE_ORDER_MAGIC,
  DIRECTION_IN,
  DIRECTION_OUT,
  MAX_VALUE_BYTES,
  NameRecordType,
  OptionCode,
} from "./pcapng-format.ts";
import {
  beginTimeOption,
  END_OPTION_BYTES,
  FIXED_OPTION_BYTES,
  putEndOfOptions,
  putFilterOption,
  putIpv4Option,
  putMacOption,
  putTextOption,
  putU8Option,
  putU32Option,
  putU64Option,
  textOptionRoom,
} from "./pcapng-options.ts";

/** 2026-01-01T00:00:00Z in nanoseconds since 1970: the date at which every run starts, so that a run's bytes never change. */
export const DEFAULT_START_DATE = 1_767_225_600_000_000_000n;

const DEFAULT_BUFFER_BYTES = 256 * 1024;
/** Block type and the two total lengths. */
const BLOCK_FRAME_BYTES = 12;
const NANOSECONDS = 9;
const TWO_TO_32 = 0x1_0000_0000;

/** What the Section Header Block says about the whole file. */
export interface SectionInfo {
  readonly hardware?: string;
  readonly os?: string;
  readonly application?: string;
  readonly comment?: string;
}

/** What the section's header says, and how much is buffered. */
export interface PcapngWriterOptions {
  readonly section?: SectionInfo;
  /** What time 0 is, in nanoseconds since 1970; `DEFAULT_START_DATE` when left out. */
  readonly startDate?: bigint;
  readonly bufferBytes?: number;
}

/** What an Interface Description Block says. */
export interface InterfaceDescription {
  readonly name: string;
  readonly description?: string;
  /** `LinkType.ethernet` when left out. */
  readonly linkType?: number;
  /** Packets are cut off after so many bytes; 0, the default, keeps all. */
  readonly snapLength?: number;
  /** 48 bits. */
  readonly mac?: number;
  readonly ipv4?: { readonly address: number; readonly prefixLength: number };
  /** The capture filter in words. */
  readonly filter?: string;
  /** When capturing began here, in nanoseconds since the run's start; for the statistics. */
  readonly since?: number;
}

/** One packet to write. It is read during the call and not kept, so that the caller can fill the same object again. */
export interface OutgoingPacket {
  readonly interfaceId: number;
  /** Nanoseconds since the run's start, a whole number. */
  readonly time: number;
  readonly direction: Direction | undefined;
  /** epb_packetid, the lineage; 0 writes none. */
  readonly packetId: number;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
  /** UTF-8, cut off at 65,535 bytes; "" writes none. */
  readonly comment: string;
}

type TextOption = readonly [code: number, text: string | undefined];

interface InterfaceState {
  readonly description: InterfaceDescription;
  readonly snapLength: number;
  written: number;
  filtered: number;
  dropped: number;
}

/**
 * Writes one little-endian pcapng section with nanosecond timestamps. Packets are written in the order given: ordering them by
 * time is `Capture`'s work. Nothing reaches the sink before the buffer is full, `flush` or `close`.
 */
export class PcapngWriter {
  readonly #out: ChunkWriter;
  readonly #startHigh: number;
  readonly #startLow: number;
  readonly #interfaces: InterfaceState[] = [];
  #closed = false;

  constructor(sink: ByteSink, options: PcapngWriterOptions = {}) {
    const start = options.startDate ?? DEFAULT_START_DATE;
    this.#startHigh = Number(start >> 32n);
    this.#startLow = Number(start & 0xffff_ffffn);
    this.#out = new ChunkWriter(sink, options.bufferBytes ?? DEFAULT_BUFFER_BYTES);
    this.#writeSectionHeader(options.section ?? {});
  }

  /** Declares an interface, at any time before its first packet; returns the id that its packets carry. */
  addInterface(description: InterfaceDescription): number {
    this.#assertOpen("add an interface");
    const snapLength = description.snapLength ?? 0;
    this.#writeInterfaceDescription(description, snapLength);
    return this.#interfaces.push({ description, snapLength, written: 0, filtered: 0, dropped: 0 }) - 1;
  }

  /** Writes an Enhanced Packet Block. */
  writePacket(packet: OutgoingPacket): void {
    const target = this.#interface(packet.interfaceId);
    if (!(packet.time >= 0)) throw new RangeError(`Cannot write a packet: its time is ${packet.time}`);
    target.written += 1;
    const length = packet.end - packet.start;
    const captured = target.snapLength > 0 && length > target.snapLength ? target.snapLength : length;
    const comment = packet.comment;
    const out = this.#out;
    const commentRoom = comment === "" ? 0 : textOptionRoom(comment);
    const start = this.#begin(BlockType.enhancedPacket, 20 + captured + 3 + commentRoom + 2 * FIXED_OPTION_BYTES);
    out.u32(packet.interfaceId);
    this.#putTime(packet.time);
    out.u32(captured);
    out.u32(length);
    out.bytes(packet.bytes, packet.start, packet.start + captured);
    out.padTo4();
    if (comment !== "") putTextOption(out, OptionCode.comment, comment);
    if (packet.direction !== undefined) {
      putU32Option(out, OptionCode.packetFlags, packet.direction === "in" ? DIRECTION_IN : DIRECTION_OUT);
    }
    if (packet.packetId !== 0) putU64Option(out, OptionCode.packetId, packet.packetId);
    putEndOfOptions(out);
    this.#end(start);
  }

  /** Writes a Name Resolution Block: the names of each IPv4 address. Wireshark displays the last one. */
  writeNames(names: ReadonlyMap<number, readonly string[]>): void {
    this.#assertOpen("write names");
    let room = 4 + END_OPTION_BYTES;
    for (const list of names.values()) room += 8 + Math.min(bytesForNames(list), MAX_VALUE_BYTES) + 3;
    const start = this.#begin(BlockType.nameResolution, room);
    for (const [address, list] of names) this.#putNameRecord(address, list);
    this.#out.u16(NameRecordType.end);
    this.#out.u16(0);
    this.#end(start);
  }

  /** Counts a packet that was seen on the interface but not written, for the statistics at the end. */
  countUnwritten(interfaceId: number, why: "filtered" | "dropped"): void {
    const target = this.#interface(interfaceId);
    target[why] += 1;
  }

  /** Hands everything written so far to the sink; until then a file is complete up to the last flush. */
  flush(): void {
    this.#out.flush();
  }

  /** Writes an Interface Statistics Block for each interface and flushes. `time` is when capturing ended. */
  close(time: number): void {
    this.#assertOpen("close");
    for (const [id, target] of this.#interfaces.entries()) this.#writeStatistics(id, target, time);
    this.#closed = true;
    this.flush();
  }

  #writeSectionHeader(info: SectionInfo): void {
    const out = this.#out;
    const texts: readonly TextOption[] = [
      [OptionCode.comment, info.comment],
      [OptionCode.sectionHardware, info.hardware],
      [OptionCode.sectionOs, info.os],
      [OptionCode.sectionApplication, info.application],
    ];
    const start = this.#begin(BlockType.sectionHeader, 16 + roomForTexts(texts));
    out.u32(BYTE_ORDER_MAGIC);
    out.u16(1);
    out.u16(0);
    // Section length −1: not known, readers walk the blocks.
    out.u32(0xffff_ffff);
    out.u32(0xffff_ffff);
    putTexts(out, texts);
    putEndOfOptions(out);
    this.#end(start);
  }

  #writeInterfaceDescription(description: InterfaceDescription, snapLength: number): void {
    const out = this.#out;
    const { mac, ipv4, filter } = description;
    const texts: readonly TextOption[] = [
      [OptionCode.interfaceName, description.name],
      [OptionCode.interfaceDescription, description.description],
    ];
    const filterRoom = filter === undefined ? 0 : 1 + textOptionRoom(filter);
    const start = this.#begin(
      BlockType.interfaceDescription,
      8 + roomForTexts(texts) + 3 * FIXED_OPTION_BYTES + filterRoom,
    );
    out.u16(description.linkType ?? 1);
    out.u16(0);
    out.u32(snapLength);
    putTexts(out, texts);
    if (ipv4 !== undefined) putIpv4Option(out, OptionCode.interfaceIpv4, ipv4.address, netmask(ipv4.prefixLength));
    if (mac !== undefined) putMacOption(out, OptionCode.interfaceMac, mac);
    putU8Option(out, OptionCode.interfaceTimeResolution, NANOSECONDS);
    if (filter !== undefined) putFilterOption(out, OptionCode.interfaceFilter, filter);
    putEndOfOptions(out);
    this.#end(start);
  }

  #putNameRecord(address: number, names: readonly string[]): void {
    const out = this.#out;
    const header = out.position;
    out.u16(NameRecordType.ipv4);
    out.u16(0);
    out.ipv4(address);
    let length = 4;
    for (const name of names) {
      // A name that would not fit is left out, and its terminating zero with it.
      if (length + name.length * 3 + 1 > MAX_VALUE_BYTES) break;
      length += out.text(name, MAX_VALUE_BYTES) + 1;
      out.u8(0);
    }
    out.patchU16(header + 2, length);
    out.padTo4();
  }

  #writeStatistics(id: number, target: InterfaceState, time: number): void {
    const out = this.#out;
    const filtered = target.description.filter !== undefined;
    const start = this.#begin(BlockType.interfaceStatistics, 12 + 5 * FIXED_OPTION_BYTES);
    out.u32(id);
    this.#putTime(time);
    beginTimeOption(out, OptionCode.statisticsStart);
    this.#putTime(target.description.since ?? 0);
    beginTimeOption(out, OptionCode.statisticsEnd);
    this.#putTime(time);
    putU64Option(out, OptionCode.statisticsReceived, target.written + target.filtered);
    putU64Option(out, OptionCode.statisticsDropped, target.dropped);
    if (filtered) putU64Option(out, OptionCode.statisticsAccepted, target.written);
    putEndOfOptions(out);
    this.#end(start);
  }

  /** Starts a block for which `room` bytes of body, without the end of its options, are enough. */
  #begin(type: number, room: number): number {
    this.#out.reserve(BLOCK_FRAME_BYTES + room + END_OPTION_BYTES);
    const start = this.#out.position;
    this.#out.u32(type);
    this.#out.u32(0);
    return start;
  }

  #end(start: number): void {
    const out = this.#out;
    const total = out.position + 4 - start;
    out.u32(total);
    out.patchU32(start + 4, total);
  }

  /** Start date plus time exceeds 2^53, so the two halves are added apart, with the carry. */
  #putTime(time: number): void {
    const low = this.#startLow + (time >>> 0);
    const carry = low >= TWO_TO_32 ? 1 : 0;
    this.#out.u32(this.#startHigh + Math.floor(time / TWO_TO_32) + carry);
    this.#out.u32(low);
  }

  #interface(id: number): InterfaceState {
    this.#assertOpen("write to an interface");
    const found = this.#interfaces[id];
    if (found === undefined) throw new RangeError(`Cannot write to interface ${id}: it was never added`);
    return found;
  }

  #assertOpen(action: string): void {
    if (this.#closed) throw new Error(`Cannot ${action}: the capture file is closed`);
  }
}

function roomForTexts(texts: readonly TextOption[]): number {
  let room = 0;
  for (const [, text] of texts) if (text !== undefined) room += textOptionRoom(text);
  return room;
}

function putTexts(out: ChunkWriter, texts: readonly TextOption[]): void {
  for (const [code, text] of texts) if (text !== undefined) putTextOption(out, code, text);
}

function bytesForNames(names: readonly string[]): number {
  let room = 4;
  for (const name of names) room += name.length * 3 + 1;
  return room;
}

function netmask(prefixLength: number): number {
  return prefixLength === 0 ? 0 : (0xffff_ffff << (32 - prefixLength)) >>> 0;
}
