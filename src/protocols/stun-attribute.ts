import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";

/** Codes of RFC 8489 §18.3 and RFC 5780 §7. */
const CODE = {
  "mapped-address": 0x0001,
  "change-request": 0x0003,
  "error-code": 0x0009,
  "unknown-attributes": 0x000a,
  "xor-mapped-address": 0x0020,
  software: 0x8022,
  "response-origin": 0x802b,
  "other-address": 0x802c,
} as const;

/** Attributes that hold an address and a port. */
export type StunAddressType = "mapped-address" | "xor-mapped-address" | "response-origin" | "other-address";

/** An attribute; `raw` is one that is not known here. `fingerprint` has no value: reading checks it, writing computes it. */
export type StunAttribute =
  | {
      readonly type: StunAddressType;
      /** IPv4 as a number, IPv6 as 16 bytes; the XOR is undone. */
      readonly address: number | Uint8Array;
      readonly port: number;
    }
  | { readonly type: "change-request"; readonly changeAddress: boolean; readonly changePort: boolean }
  | { readonly type: "error-code"; readonly code: number; readonly reason: string }
  | { readonly type: "unknown-attributes"; readonly codes: readonly number[] }
  | { readonly type: "software"; readonly text: string }
  | { readonly type: "fingerprint" }
  | { readonly type: "raw"; readonly code: number; readonly value: Uint8Array };

const FAMILY_IPV4 = 1;
const FAMILY_IPV6 = 2;
const CHANGE_ADDRESS = 4;
const CHANGE_PORT = 2;
const MAGIC_COOKIE_BYTES = [0x21, 0x12, 0xa4, 0x42];

/** Reads the value `reader` is limited to; `undefined` when it cannot be an attribute of this code. */
export function readStunAttribute(
  code: number,
  reader: ByteReader,
  transactionId: Uint8Array,
): StunAttribute | undefined {
  const attribute = readValue(code, reader, transactionId);
  return reader.failed || reader.left > 0 ? undefined : attribute;
}

function readValue(code: number, reader: ByteReader, transactionId: Uint8Array): StunAttribute | undefined {
  switch (code) {
    case CODE["mapped-address"]:
      return readAddress("mapped-address", reader);
    case CODE["response-origin"]:
      return readAddress("response-origin", reader);
    case CODE["other-address"]:
      return readAddress("other-address", reader);
    case CODE["xor-mapped-address"]:
      return readAddress("xor-mapped-address", new ByteReader(exclusiveOr(takeRest(reader), transactionId)));
    case CODE["change-request"]: {
      const flags = reader.u32();
      return {
        type: "change-request",
        changeAddress: (flags & CHANGE_ADDRESS) !== 0,
        changePort: (flags & CHANGE_PORT) !== 0,
      };
    }
    case CODE["error-code"]:
      return readErrorCode(reader);
    case CODE["unknown-attributes"]: {
      const codes: number[] = [];
      while (reader.left > 0 && !reader.failed) codes.push(reader.u16());
      return { type: "unknown-attributes", codes };
    }
    case CODE.software:
      return { type: "software", text: new TextDecoder().decode(takeRest(reader)) };
    default:
      return { type: "raw", code, value: takeRest(reader) };
  }
}

function takeRest(reader: ByteReader): Uint8Array {
  return reader.raw(reader.left);
}

/** Reads a whole address value; the reader may be a copy's, so it is checked here. */
function readAddress(type: StunAddressType, reader: ByteReader): StunAttribute | undefined {
  reader.u8();
  const family = reader.u8();
  const port = reader.u16();
  if (family !== FAMILY_IPV4 && family !== FAMILY_IPV6) return undefined;
  const address = family === FAMILY_IPV4 ? reader.u32() : reader.raw(16);
  return reader.failed || reader.left > 0 ? undefined : { type, address, port };
}

/** Class and number of the code stand in two bytes, RFC 8489 §14.8. */
function readErrorCode(reader: ByteReader): StunAttribute | undefined {
  reader.u16();
  const hundreds = reader.u8() & 7;
  const rest = reader.u8();
  if (hundreds < 3 || hundreds > 6 || rest > 99) return undefined;
  return { type: "error-code", code: hundreds * 100 + rest, reason: new TextDecoder().decode(takeRest(reader)) };
}

/**
 * Takes an address value with its port and address XORed with the magic cookie and the transaction id, or gives it back:
 * the operation is its own inverse (RFC 8489 §14.2).
 */
function exclusiveOr(value: Uint8Array, transactionId: Uint8Array): Uint8Array {
  const key = [...MAGIC_COOKIE_BYTES, ...transactionId];
  return value.map((byte, index) => {
    if (index < 2) return byte;
    return byte ^ (key[index < 4 ? index - 2 : index - 4] ?? 0);
  });
}

/** Writes an attribute with its header and padding. */
export function writeStunAttribute(
  attribute: Exclude<StunAttribute, { type: "fingerprint" }>,
  writer: ByteWriter,
  transactionId: Uint8Array,
): void {
  const value = emitValue(attribute, transactionId);
  writer.u16(attribute.type === "raw" ? attribute.code : CODE[attribute.type]);
  writer.u16(value.length);
  writer.raw(value);
  writer.zeros(-value.length & 3);
}

function emitValue(attribute: Exclude<StunAttribute, { type: "fingerprint" }>, transactionId: Uint8Array): Uint8Array {
  const writer = new ByteWriter();
  switch (attribute.type) {
    case "mapped-address":
    case "response-origin":
    case "other-address":
      writeAddress(attribute.address, attribute.port, writer);
      break;
    case "xor-mapped-address":
      writeAddress(attribute.address, attribute.port, writer);
      return exclusiveOr(writer.finish(), transactionId);
    case "change-request":
      writer.u32((attribute.changeAddress ? CHANGE_ADDRESS : 0) | (attribute.changePort ? CHANGE_PORT : 0));
      break;
    case "error-code":
      writer.u16(0);
      writer.u8(Math.floor(attribute.code / 100));
      writer.u8(attribute.code % 100);
      writer.raw(new TextEncoder().encode(attribute.reason));
      break;
    case "unknown-attributes":
      for (const code of attribute.codes) writer.u16(code);
      break;
    case "software":
      return new TextEncoder().encode(attribute.text);
    case "raw":
      return attribute.value;
  }
  return writer.finish();
}

function writeAddress(address: number | Uint8Array, port: number, writer: ByteWriter): void {
  writer.u8(0);
  writer.u8(typeof address === "number" ? FAMILY_IPV4 : FAMILY_IPV6);
  writer.u16(port);
  if (typeof address === "number") {
    writer.u32(address);
  } else if (address.length === 16) {
    writer.raw(address);
  } else {
    throw new RangeError(`Cannot write an IPv6 address of ${address.length} bytes: it has 16`);
  }
}
