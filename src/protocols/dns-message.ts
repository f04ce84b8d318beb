import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { type DnsEdns, emitEdns, parseEdns } from "./dns-edns.ts";
import { type DnsNameOffsets, readName, writeName } from "./dns-name.ts";
import {
  type DnsRecord,
  type DnsRecordFrame,
  dnsTypeCode,
  dnsTypeName,
  parseRecord,
  readRecordFrame,
  writeRecord,
} from "./dns-record.ts";

/** Response codes, RFC 1035 §4.1.1 and RFC 6891 §9. */
export const DnsRcode = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  nameError: 3,
  notImplemented: 4,
  refused: 5,
  badVersion: 16,
} as const;

/** The first four bytes of a message: what a server needs to refuse one it cannot read. */
export interface DnsHeader {
  readonly id: number;
  readonly response: boolean;
  readonly opcode: number;
  readonly authoritative: boolean;
  readonly truncated: boolean;
  readonly recursionDesired: boolean;
  readonly recursionAvailable: boolean;
  readonly authenticData: boolean;
  readonly checkingDisabled: boolean;
  /** With EDNS, 12 bits: the header's four and the OPT record's eight. */
  readonly rcode: number;
}

/** A question; `type` as `dnsTypeName` writes it. */
export interface DnsQuestion {
  readonly name: string;
  readonly type: string;
  readonly class: number;
}

/** A message, RFC 1035 §4. The OPT record stands in `edns`, not among the additional records. */
export interface DnsMessage extends DnsHeader {
  readonly questions: readonly DnsQuestion[];
  readonly answers: readonly DnsRecord[];
  readonly authorities: readonly DnsRecord[];
  readonly additionals: readonly DnsRecord[];
  readonly edns?: DnsEdns;
}

/** The header of a query that wants recursion, for programs to spread and change. */
export const DNS_QUERY: DnsHeader = {
  id: 0,
  response: false,
  opcode: 0,
  authoritative: false,
  truncated: false,
  recursionDesired: true,
  recursionAvailable: false,
  authenticData: false,
  checkingDisabled: false,
  rcode: DnsRcode.noError,
};

const OPT = 41;
/** Bytes before the questions. */
const HEADER_LENGTH = 12;
const FLAGS_AT = 2;
const COUNTS_AT = 4;
const MAX_MESSAGE = 65535;

/** Bits of the flags word, RFC 1035 §4.1.1 and RFC 4035 §3.1.6. */
const QR = 0x8000;
const AA = 0x0400;
const TC = 0x0200;
const RD = 0x0100;
const RA = 0x0080;
const AD = 0x0020;
const CD = 0x0010;

/** Reads a message; `undefined` when it is malformed anywhere, or when bytes follow its last record. */
export function parseDns(bytes: Uint8Array): DnsMessage | undefined {
  const header = parseDnsHeader(bytes);
  if (header === undefined) return undefined;
  const reader = new ByteReader(bytes, COUNTS_AT);
  const counts = [reader.u16(), reader.u16(), reader.u16(), reader.u16()] as const;
  const questions = readMany(counts[0], () => readQuestion(reader));
  const answers = readMany(counts[1], () => readPlainRecord(reader));
  const authorities = readMany(counts[2], () => readPlainRecord(reader));
  const frames = readMany(counts[3], () => readFrame(reader));
  if (questions === undefined || answers === undefined || authorities === undefined || frames === undefined)
    return undefined;
  const additionals = recordsOf(frames);
  const opts = frames.filter((frame) => frame.code === OPT);
  // RFC 6891 §6.1.1: at most one OPT.
  if (reader.left > 0 || additionals === undefined || opts.length > 1) return undefined;
  const message = { ...header, questions, answers, authorities, additionals };
  const [opt] = opts;
  if (opt === undefined) return message;
  const parsed = parseEdns(opt);
  return parsed && { ...message, rcode: (parsed.rcodeHigh << 4) | header.rcode, edns: parsed.edns };
}

/** Reads the header alone; `undefined` when there are fewer than its 12 bytes. */
export function parseDnsHeader(bytes: Uint8Array): DnsHeader | undefined {
  if (bytes.length < HEADER_LENGTH) return undefined;
  const reader = new ByteReader(bytes);
  const id = reader.u16();
  const flags = reader.u16();
  return {
    id,
    response: (flags & QR) !== 0,
    opcode: (flags >>> 11) & 0x0f,
    authoritative: (flags & AA) !== 0,
    truncated: (flags & TC) !== 0,
    recursionDesired: (flags & RD) !== 0,
    recursionAvailable: (flags & RA) !== 0,
    authenticData: (flags & AD) !== 0,
    checkingDisabled: (flags & CD) !== 0,
    rcode: flags & 0x0f,
  };
}

/** Reads `count` items, or gives up at the first that is malformed: a count of 65535 in a short message costs nothing. */
function readMany<Item>(count: number, read: () => Item | undefined): Item[] | undefined {
  const items: Item[] = [];
  while (items.length < count) {
    const item = read();
    if (item === undefined) return undefined;
    items.push(item);
  }
  return items;
}

function readQuestion(reader: ByteReader): DnsQuestion | undefined {
  const name = readName(reader);
  const type = dnsTypeName(reader.u16());
  const questionClass = reader.u16();
  return reader.failed ? undefined : { name, type, class: questionClass };
}

function readFrame(reader: ByteReader): DnsRecordFrame | undefined {
  const frame = readRecordFrame(reader);
  return reader.failed ? undefined : frame;
}

/** A record of a section where OPT has no place. */
function readPlainRecord(reader: ByteReader): DnsRecord | undefined {
  const frame = readFrame(reader);
  return frame === undefined || frame.code === OPT ? undefined : parseRecord(frame);
}

function recordsOf(frames: readonly DnsRecordFrame[]): DnsRecord[] | undefined {
  const records: DnsRecord[] = [];
  for (const frame of frames) {
    if (frame.code === OPT) continue;
    const record = parseRecord(frame);
    if (record === undefined) return undefined;
    records.push(record);
  }
  return records;
}

/**
 * The bytes of a message, names compressed, in at most `sizeLimit` bytes: records that do not fit are left out from the end,
 * and TC is set unless only additional ones are missing (RFC 2181 §9). OPT is always kept. Values that do not fit their
 * field are the caller's mistake.
 */
export function emitDns(message: DnsMessage, sizeLimit: number = MAX_MESSAGE): Uint8Array {
  const opt = message.edns === undefined ? new Uint8Array(0) : emitEdns(message.edns, message.rcode);
  const room = Math.min(sizeLimit, MAX_MESSAGE) - opt.length;
  if (room < HEADER_LENGTH)
    throw new RangeError(`Cannot write a DNS message in ${sizeLimit} bytes: its header does not fit`);
  const writer = new ByteWriter();
  writer.u16(message.id);
  writer.u16(flagsOf(message));
  writer.zeros(8);
  const { counts, truncated } = writeSections(message, writer, room);
  writer.raw(opt);
  if (opt.length > 0) counts[3] = (counts[3] ?? 0) + 1;
  for (const [index, count] of counts.entries()) writer.patchU16(COUNTS_AT + 2 * index, count);
  if (truncated) writer.patchU16(FLAGS_AT, flagsOf(message) | TC);
  return writer.finish();
}

function flagsOf(message: DnsMessage): number {
  if (message.rcode > 15 && message.edns === undefined) {
    throw new RangeError(`Cannot write response code ${message.rcode}: without EDNS it has four bits`);
  }
  return (
    (message.response ? QR : 0) |
    ((message.opcode & 0x0f) << 11) |
    (message.authoritative ? AA : 0) |
    (message.truncated ? TC : 0) |
    (message.recursionDesired ? RD : 0) |
    (message.recursionAvailable ? RA : 0) |
    (message.authenticData ? AD : 0) |
    (message.checkingDisabled ? CD : 0) |
    (message.rcode & 0x0f)
  );
}

function writeSections(
  message: DnsMessage,
  writer: ByteWriter,
  room: number,
): { counts: number[]; truncated: boolean } {
  const offsets: DnsNameOffsets = new Map();
  const sections = [
    message.questions.map((question) => () => writeQuestion(question, writer, offsets)),
    ...[message.answers, message.authorities, message.additionals].map((records) =>
      records.map((record) => () => writeRecord(record, writer, offsets)),
    ),
  ];
  const counts = [0, 0, 0, 0];
  for (const [section, writes] of sections.entries()) {
    for (const [index, write] of writes.entries()) {
      const before = writer.length;
      write();
      if (writer.length > room) {
        writer.truncate(before);
        return { counts, truncated: section < 3 };
      }
      counts[section] = index + 1;
    }
  }
  return { counts, truncated: false };
}

function writeQuestion(question: DnsQuestion, writer: ByteWriter, offsets: DnsNameOffsets): void {
  const code = dnsTypeCode(question.type);
  if (code === undefined) throw new RangeError(`Cannot write question type "${question.type}": it is not known`);
  writeName(question.name, writer, offsets);
  writer.u16(code);
  writer.u16(question.class);
}
