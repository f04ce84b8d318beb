import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { crc32 } from "./crc32.ts";
import { readStunAttribute, type StunAttribute, writeStunAttribute } from "./stun-attribute.ts";

/** The four classes of RFC 8489 §5, in the order of their codes. */
const CLASSES = ["request", "indication", "success", "error"] as const;

/** Whether a message asks, tells, answers or refuses. */
export type StunClass = (typeof CLASSES)[number];

/** The one method of RFC 8489. */
export const STUN_BINDING = 1;

/** A STUN message, RFC 8489 §5. Attributes stand in the order received; of two of one kind the first counts. */
export interface StunMessage {
  readonly class: StunClass;
  readonly method: number;
  /** 12 bytes. */
  readonly transactionId: Uint8Array;
  readonly attributes: readonly StunAttribute[];
}

const HEADER_LENGTH = 20;
const TRANSACTION_ID_LENGTH = 12;
const LENGTH_AT = 2;
const MAGIC_COOKIE = 0x2112a442;
const FINGERPRINT = 0x8028;
const FINGERPRINT_LENGTH = 8;
const FINGERPRINT_XOR = 0x5354554e;
/** Codes from here on may be ignored by who does not know them (RFC 8489 §14). */
const COMPREHENSION_OPTIONAL = 0x8000;

/**
 * Reads a datagram; `undefined` when it is not a STUN message of RFC 8489 (RFC 3489's has no magic cookie), when an
 * attribute it knows is malformed, or when its FINGERPRINT is wrong.
 */
export function parseStun(bytes: Uint8Array): StunMessage | undefined {
  const reader = new ByteReader(bytes);
  const type = reader.u16();
  const length = reader.u16();
  const cookie = reader.u32();
  const transactionId = reader.raw(TRANSACTION_ID_LENGTH);
  if (reader.failed || type >= 0x4000 || cookie !== MAGIC_COOKIE) return undefined;
  if (length !== reader.left) return undefined;
  const attributes = readAttributes(reader, transactionId);
  if (attributes === undefined) return undefined;
  return { class: classOf(type), method: methodOf(type), transactionId, attributes };
}

function readAttributes(reader: ByteReader, transactionId: Uint8Array): StunAttribute[] | undefined {
  const attributes: StunAttribute[] = [];
  while (reader.left > 0) {
    const start = reader.at;
    const code = reader.u16();
    const length = reader.u16();
    const value = reader.within(length);
    reader.raw(-length & 3);
    if (reader.failed) return undefined;
    if (code === FINGERPRINT) {
      // It must be the last one: nothing after it would be covered (RFC 8489 §14.7).
      if (length !== 4 || reader.left > 0 || value.u32() !== fingerprintOf(reader.bytes.subarray(0, start)))
        return undefined;
      attributes.push({ type: "fingerprint" });
      continue;
    }
    const attribute = readStunAttribute(code, value, transactionId);
    if (attribute === undefined) return undefined;
    attributes.push(attribute);
  }
  return attributes;
}

/** The bytes of a message. A `fingerprint` must be its last attribute; what does not fit a field is the caller's mistake. */
export function emitStun(message: StunMessage): Uint8Array {
  const { transactionId, attributes } = message;
  if (transactionId.length !== TRANSACTION_ID_LENGTH) {
    throw new RangeError(`Cannot write a STUN message: its transaction id has ${transactionId.length} bytes, not 12`);
  }
  const writer = new ByteWriter();
  writer.u16(typeOf(message.class, message.method));
  writer.u16(0);
  writer.u32(MAGIC_COOKIE);
  writer.raw(transactionId);
  for (const [index, attribute] of attributes.entries()) {
    if (attribute.type !== "fingerprint") {
      writeStunAttribute(attribute, writer, transactionId);
    } else if (index === attributes.length - 1) {
      writeFingerprint(writer);
    } else {
      throw new RangeError("Cannot write a STUN message: FINGERPRINT is not its last attribute");
    }
  }
  writer.patchU16(LENGTH_AT, writer.length - HEADER_LENGTH);
  return writer.finish();
}

/** The checksum is taken over a header whose length counts the FINGERPRINT already. */
function writeFingerprint(writer: ByteWriter): void {
  writer.patchU16(LENGTH_AT, writer.length + FINGERPRINT_LENGTH - HEADER_LENGTH);
  const value = fingerprintOf(writer.finish());
  writer.u16(FINGERPRINT);
  writer.u16(4);
  writer.u32(value);
}

function fingerprintOf(covered: Uint8Array): number {
  return (crc32(covered) ^ FINGERPRINT_XOR) >>> 0;
}

/** The two bits of the class lie between those of the method: `MMMMM C MMM C MMMM` (RFC 8489 §5). */
function classOf(type: number): StunClass {
  return CLASSES[((type >>> 7) & 2) | ((type >>> 4) & 1)] ?? "request";
}

function methodOf(type: number): number {
  return ((type & 0x3e00) >>> 2) | ((type & 0x00e0) >>> 1) | (type & 0x000f);
}

function typeOf(stunClass: StunClass, method: number): number {
  if (!Number.isInteger(method) || method < 0 || method > 0xfff) {
    throw new RangeError(`Cannot write STUN method ${method}: it has more than 12 bits`);
  }
  const code = CLASSES.indexOf(stunClass);
  const methodBits = ((method & 0xf80) << 2) | ((method & 0x070) << 1) | (method & 0x00f);
  return methodBits | ((code & 2) << 7) | ((code & 1) << 4);
}

/** The first attribute of this type, if there is one. */
export function stunAttribute<Type extends StunAttribute["type"]>(
  message: StunMessage,
  type: Type,
): Extract<StunAttribute, { type: Type }> | undefined {
  return message.attributes.find((one): one is Extract<StunAttribute, { type: Type }> => one.type === type);
}

/** Codes of attributes that must be understood and are not: a server answers them with 420 and UNKNOWN-ATTRIBUTES. */
export function unknownRequiredAttributes(message: StunMessage): readonly number[] {
  return message.attributes.flatMap((one) =>
    one.type === "raw" && one.code < COMPREHENSION_OPTIONAL ? [one.code] : [],
  );
}
