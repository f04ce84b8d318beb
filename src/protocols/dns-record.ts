import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { type DnsNameOffsets, readName, writeName } from "./dns-name.ts";
import { bytesToOctets, octetsToBytes } from "./octets.ts";

/** Classes, RFC 1035 §3.2.4. */
export const DnsClass = { in: 1, chaos: 3, any: 255 } as const;

/** Codes of the types that have a name here; the last four occur in questions, or in answers nobody looks into. */
const TYPE_CODE: { readonly [name: string]: number } = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  OPT: 41,
  MX: 15,
  HINFO: 13,
  AXFR: 252,
  ANY: 255,
};

const TYPE_NAME: ReadonlyMap<number, string> = new Map(Object.entries(TYPE_CODE).map(([name, code]) => [code, name]));

/** The name of a type, `TYPE123` for one without (RFC 3597 §5). */
export function dnsTypeName(code: number): string {
  return TYPE_NAME.get(code) ?? `TYPE${code}`;
}

/** The code of a type's name, in any case; `undefined` when it is none. */
export function dnsTypeCode(name: string): number | undefined {
  const upper = name.toUpperCase();
  if (Object.hasOwn(TYPE_CODE, upper)) return TYPE_CODE[upper];
  const code = /^TYPE(\d{1,5})$/.exec(upper)?.[1];
  return code === undefined || Number(code) > 0xffff ? undefined : Number(code);
}

/** What a record says, by its type; `other` is a type, or a type in a class, that is not looked into. */
export type DnsData =
  | { readonly type: "A"; readonly address: number }
  | { readonly type: "AAAA"; readonly address: Uint8Array }
  | { readonly type: "CNAME" | "NS" | "PTR"; readonly target: string }
  | {
      readonly type: "SRV";
      readonly priority: number;
      readonly weight: number;
      readonly port: number;
      readonly target: string;
    }
  | {
      readonly type: "SOA";
      readonly primary: string;
      readonly mailbox: string;
      readonly serial: number;
      readonly refresh: number;
      readonly retry: number;
      readonly expire: number;
      readonly minimum: number;
    }
  /** Octet strings of at most 255 each, at least one. */
  | { readonly type: "TXT"; readonly strings: readonly string[] }
  | { readonly type: "other"; readonly code: number; readonly data: Uint8Array };

/** A resource record, RFC 1035 §3.2.1. Names are texts with their final dot and the case they came in. */
export type DnsRecord = { readonly name: string; readonly class: number; readonly ttl: number } & DnsData;

/** The fixed part of any record, OPT included, and a reader of its data. */
export interface DnsRecordFrame {
  readonly name: string;
  readonly code: number;
  readonly class: number;
  readonly ttl: number;
  readonly data: ByteReader;
}

/** Reads a record without looking into its data. */
export function readRecordFrame(reader: ByteReader): DnsRecordFrame {
  const name = readName(reader);
  const code = reader.u16();
  const recordClass = reader.u16();
  const ttl = reader.u32();
  const data = reader.within(reader.u16());
  return { name, code, class: recordClass, ttl, data };
}

/** The record in a frame; `undefined` when its data is not of its type. */
export function parseRecord(frame: DnsRecordFrame): DnsRecord | undefined {
  const { data } = frame;
  const value = readData(frame.code, frame.class, data);
  if (data.failed || data.left > 0) return undefined;
  // A TTL with its top bit set counts as zero (RFC 2181 §8).
  const ttl = frame.ttl > 0x7fffffff ? 0 : frame.ttl;
  return { name: frame.name, class: frame.class, ttl, ...value };
}

function readData(code: number, recordClass: number, data: ByteReader): DnsData {
  switch (typeInClass(code, recordClass)) {
    case "A":
      return { type: "A", address: data.u32() };
    case "AAAA":
      return { type: "AAAA", address: data.raw(16) };
    case "CNAME":
      return { type: "CNAME", target: readName(data) };
    case "NS":
      return { type: "NS", target: readName(data) };
    case "PTR":
      return { type: "PTR", target: readName(data) };
    case "SRV": {
      const [priority, weight, port] = [data.u16(), data.u16(), data.u16()];
      return { type: "SRV", priority, weight, port, target: readName(data) };
    }
    case "SOA": {
      const [primary, mailbox] = [readName(data), readName(data)];
      const [serial, refresh, retry] = [data.u32(), data.u32(), data.u32()];
      return { type: "SOA", primary, mailbox, serial, refresh, retry, expire: data.u32(), minimum: data.u32() };
    }
    case "TXT":
      return { type: "TXT", strings: readStrings(data) };
    default:
      return { type: "other", code, data: data.raw(data.left) };
  }
}

/** Addresses and services are defined for the Internet class only. */
function typeInClass(code: number, recordClass: number): string | undefined {
  const name = TYPE_NAME.get(code);
  const ofInternetOnly = name === "A" || name === "AAAA" || name === "SRV";
  return ofInternetOnly && recordClass !== DnsClass.in ? undefined : name;
}

function readStrings(data: ByteReader): string[] {
  const strings: string[] = [];
  do strings.push(bytesToOctets(data.raw(data.u8())));
  while (data.left > 0 && !data.failed);
  return strings;
}

/** Writes a record. What does not fit its field is the caller's mistake. */
export function writeRecord(record: DnsRecord, writer: ByteWriter, offsets: DnsNameOffsets): void {
  if (record.ttl > 0x7fffffff) throw new RangeError(`Cannot write TTL ${record.ttl}: it has more than 31 bits`);
  writeName(record.name, writer, offsets);
  writer.u16(record.type === "other" ? record.code : (TYPE_CODE[record.type] ?? 0));
  writer.u16(record.class);
  writer.u32(record.ttl);
  const lengthAt = writer.length;
  writer.u16(0);
  writeData(record, writer, offsets);
  writer.patchU16(lengthAt, writer.length - lengthAt - 2);
}

function writeData(data: DnsData, writer: ByteWriter, offsets: DnsNameOffsets): void {
  switch (data.type) {
    case "A":
      return writer.u32(data.address);
    case "AAAA":
      if (data.address.length !== 16)
        throw new RangeError(`Cannot write AAAA of ${data.address.length} bytes: it has 16`);
      return writer.raw(data.address);
    case "CNAME":
    case "NS":
    case "PTR":
      return writeName(data.target, writer, offsets);
    case "SRV":
      for (const number of [data.priority, data.weight, data.port]) writer.u16(number);
      // Only the types of RFC 1035 may hold compressed names (RFC 3597 §4, RFC 2782).
      return writeName(data.target, writer, undefined);
    case "SOA":
      writeName(data.primary, writer, offsets);
      writeName(data.mailbox, writer, offsets);
      for (const number of [data.serial, data.refresh, data.retry, data.expire, data.minimum]) writer.u32(number);
      return;
    case "TXT":
      return writeStrings(data.strings, writer);
    case "other":
      return writer.raw(data.data);
  }
}

function writeStrings(strings: readonly string[], writer: ByteWriter): void {
  if (strings.length === 0) throw new RangeError("Cannot write TXT: it has no string");
  for (const text of strings) {
    writer.u8(text.length);
    writer.raw(octetsToBytes(text));
  }
}
