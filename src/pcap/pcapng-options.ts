import type { ChunkWriter } from "./chunk-writer.ts";
import { MAX_VALUE_BYTES, OptionCode } from "./pcapng-format.ts";

/*
 * An option is a u16 code, a u16 length without padding, and the value padded to four bytes; a list ends with code 0, length 0.
 * All writing of lengths and padding is here, and so is all reading of them.
 */

const OPTION_HEADER_BYTES = 4;

/** Room for an option with a fixed-size value. */
export const FIXED_OPTION_BYTES = 12;
export const END_OPTION_BYTES = 4;

/** The most room a text option can take: UTF-8 needs at most three bytes for a UTF-16 unit. */
export function textOptionRoom(text: string): number {
  return OPTION_HEADER_BYTES + Math.min(text.length * 3, MAX_VALUE_BYTES) + 3;
}

/** Writes a text option; text beyond an option's 65,535 bytes is cut off after a whole character. */
export function putTextOption(out: ChunkWriter, code: number, text: string): void {
  const header = out.position;
  putHeader(out, code, 0);
  const length = out.text(text, MAX_VALUE_BYTES);
  out.patchU16(header + 2, length);
  out.padTo4();
}

/** if_filter: text after a zero byte that says it is a filter in words (draft-ietf-opsawg-pcapng §4.2). */
export function putFilterOption(out: ChunkWriter, code: number, text: string): void {
  const header = out.position;
  putHeader(out, code, 0);
  out.u8(0);
  const length = out.text(text, MAX_VALUE_BYTES - 1);
  out.patchU16(header + 2, length + 1);
  out.padTo4();
}

export function putU8Option(out: ChunkWriter, code: number, value: number): void {
  putHeader(out, code, 1);
  out.u8(value);
  out.padTo4();
}

export function putU32Option(out: ChunkWriter, code: number, value: number): void {
  putHeader(out, code, 4);
  out.u32(value);
}

export function putU64Option(out: ChunkWriter, code: number, value: number): void {
  putHeader(out, code, 8);
  out.u64(value);
}

/**
 * Starts an option that holds a timestamp; the caller writes the timestamp itself: two u32, the high one first, unlike any other
 * 64-bit value (draft-ietf-opsawg-pcapng §4.6).
 */
export function beginTimeOption(out: ChunkWriter, code: number): void {
  putHeader(out, code, 8);
}

/** if_MACaddr: six bytes, first octet first. */
export function putMacOption(out: ChunkWriter, code: number, mac: number): void {
  putHeader(out, code, 6);
  const high = Math.floor(mac / 0x1_0000_0000);
  out.u8(high >>> 8);
  out.u8(high & 0xff);
  out.ipv4(mac >>> 0);
  out.padTo4();
}

/** if_IPv4addr: address and netmask. */
export function putIpv4Option(out: ChunkWriter, code: number, address: number, netmask: number): void {
  putHeader(out, code, 8);
  out.ipv4(address);
  out.ipv4(netmask);
}

export function putEndOfOptions(out: ChunkWriter): void {
  putHeader(out, OptionCode.end, 0);
}

function putHeader(out: ChunkWriter, code: number, length: number): void {
  out.u16(code);
  out.u16(length);
}

/** An option as it stands in the file: where its value starts and how long it is. */
export interface RawOption {
  readonly code: number;
  readonly at: number;
  readonly length: number;
}

/**
 * Reads the list between `at` and `end`; undefined when an option reaches beyond `end`. A list may end without an end option
 * (draft-ietf-opsawg-pcapng §3.5 tells readers to accept that).
 */
export function parseOptions(view: DataView, at: number, end: number, littleEndian: boolean): RawOption[] | undefined {
  const options: RawOption[] = [];
  let next = at;
  while (next + OPTION_HEADER_BYTES <= end) {
    const code = view.getUint16(next, littleEndian);
    const length = view.getUint16(next + 2, littleEndian);
    if (code === OptionCode.end) return options;
    const value = next + OPTION_HEADER_BYTES;
    next = value + padded(length);
    if (next > end) return undefined;
    options.push({ code, at: value, length });
  }
  return next > end ? undefined : options;
}

/** The next multiple of four. */
export function padded(length: number): number {
  return Math.ceil(length / 4) * 4;
}
