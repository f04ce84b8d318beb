import { getU32, setU32 } from "./big-endian.ts";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { crc32c } from "./crc32.ts";
import { octetsToBytes } from "./octets.ts";

/** What begins a version 2 header, proxy-protocol.txt §2.2. */
export const V2_SIGNATURE: Uint8Array = octetsToBytes("\r\n\r\n\0\r\nQUIT\n");
/** Signature, version and command, family and transport, length. */
export const V2_FIXED_LENGTH = 16;

const VERSION = 2;
const UNIX_PATH_LENGTH = 108;
const CRC_LENGTH = 4;

const COMMAND = { local: 0, proxy: 1 } as const;
const FAMILY = { inet: 1, inet6: 2, unix: 3 } as const;
const TRANSPORT = { stream: 1, dgram: 2 } as const;

/** Types of the TLVs that may follow the addresses, proxy-protocol.txt §2.2. */
export const ProxyTlvType = {
  alpn: 0x01,
  authority: 0x02,
  crc32c: 0x03,
  noop: 0x04,
  uniqueId: 0x05,
  ssl: 0x20,
  netns: 0x30,
} as const;

/** A TLV, its value not looked into. */
export interface ProxyTlv {
  readonly type: number;
  readonly value: Uint8Array;
}

/** Where a proxied connection came from and went to. UNIX paths are bytes without the zeros that fill them up. */
export type ProxyAddresses =
  | {
      readonly family: "inet";
      readonly transport: "stream" | "dgram";
      readonly source: number;
      readonly destination: number;
      readonly sourcePort: number;
      readonly destinationPort: number;
    }
  | {
      readonly family: "inet6";
      readonly transport: "stream" | "dgram";
      readonly source: Uint8Array;
      readonly destination: Uint8Array;
      readonly sourcePort: number;
      readonly destinationPort: number;
    }
  | {
      readonly family: "unix";
      readonly transport: "stream" | "dgram";
      readonly source: Uint8Array;
      readonly destination: Uint8Array;
    }
  | { readonly family: "unspec" };

/**
 * A version 2 header. `local` is the proxy's own connection (a health check): the receiver uses the real addresses and
 * ignores the rest of the header, so nothing of it is kept.
 */
export type ProxyHeaderV2 =
  | { readonly version: 2; readonly command: "local" }
  | {
      readonly version: 2;
      readonly command: "proxy";
      readonly addresses: ProxyAddresses;
      readonly tlvs: readonly ProxyTlv[];
    };

/** Reads a header whose signature, version and length the caller has seen to; a text is the reason why it is none. */
export function parseProxyV2(bytes: Uint8Array): ProxyHeaderV2 | string {
  const reader = new ByteReader(bytes, V2_SIGNATURE.length);
  const command = reader.u8() & 0x0f;
  if (command === COMMAND.local) return { version: VERSION, command: "local" };
  if (command !== COMMAND.proxy) return "command is neither LOCAL nor PROXY";
  const familyAndTransport = reader.u8();
  reader.u16();
  const addresses = readAddresses(familyAndTransport, reader);
  if (addresses === undefined) return "family and transport are not among the defined ones";
  if (reader.failed) return "the header is too short for its addresses";
  const tlvs = readTlvs(reader);
  if (tlvs === undefined) return "a TLV is longer than the header";
  if (!hasValidChecksum(bytes, tlvs)) return "CRC32C does not match";
  return { version: VERSION, command: "proxy", addresses, tlvs };
}

function readAddresses(familyAndTransport: number, reader: ByteReader): ProxyAddresses | undefined {
  if (familyAndTransport === 0) return { family: "unspec" };
  const code = familyAndTransport & 0x0f;
  const transport = code === TRANSPORT.stream ? "stream" : code === TRANSPORT.dgram ? "dgram" : undefined;
  if (transport === undefined) return undefined;
  switch (familyAndTransport >>> 4) {
    case FAMILY.inet: {
      const [source, destination] = [reader.u32(), reader.u32()];
      return {
        family: "inet",
        transport,
        source,
        destination,
        sourcePort: reader.u16(),
        destinationPort: reader.u16(),
      };
    }
    case FAMILY.inet6: {
      const [source, destination] = [reader.raw(16), reader.raw(16)];
      return {
        family: "inet6",
        transport,
        source,
        destination,
        sourcePort: reader.u16(),
        destinationPort: reader.u16(),
      };
    }
    case FAMILY.unix:
      return { family: "unix", transport, source: readPath(reader), destination: readPath(reader) };
    default:
      return undefined;
  }
}

function readPath(reader: ByteReader): Uint8Array {
  const path = reader.raw(UNIX_PATH_LENGTH);
  return path.slice(0, path.findLastIndex((byte) => byte !== 0) + 1);
}

function readTlvs(reader: ByteReader): ProxyTlv[] | undefined {
  const tlvs: ProxyTlv[] = [];
  while (reader.left > 0) {
    const type = reader.u8();
    const value = reader.raw(reader.u16());
    if (reader.failed) return undefined;
    tlvs.push({ type, value });
  }
  return tlvs;
}

/** The CRC32c covers the whole header, its own value taken as zero. */
function hasValidChecksum(bytes: Uint8Array, tlvs: readonly ProxyTlv[]): boolean {
  if (!tlvs.some((tlv) => tlv.type === ProxyTlvType.crc32c)) return true;
  const at = checksumAt(bytes.length, tlvs);
  if (at === undefined) return false;
  const zeroed = bytes.slice();
  setU32(zeroed, at, 0);
  return crc32c(zeroed) === getU32(bytes, at);
}

/** Where the value of the only CRC32C TLV stands in a header of this length; `undefined` when it is not one of four bytes. */
function checksumAt(headerLength: number, tlvs: readonly ProxyTlv[]): number | undefined {
  const index = tlvs.findIndex((tlv) => tlv.type === ProxyTlvType.crc32c);
  if (index !== tlvs.findLastIndex((tlv) => tlv.type === ProxyTlvType.crc32c)) return undefined;
  if (tlvs[index]?.value.length !== CRC_LENGTH) return undefined;
  const after = tlvs.slice(index + 1).reduce((sum, tlv) => sum + 3 + tlv.value.length, 0);
  return headerLength - after - CRC_LENGTH;
}

/**
 * The bytes of a version 2 header. A TLV of type `crc32c` with four bytes gets the right value, whatever it holds.
 * Addresses, paths and TLVs that do not fit are the caller's mistake.
 */
export function emitProxyV2(header: ProxyHeaderV2): Uint8Array {
  const writer = new ByteWriter();
  writer.raw(V2_SIGNATURE);
  writer.u8((VERSION << 4) | COMMAND[header.command]);
  if (header.command === "local") {
    writer.zeros(3);
    return writer.finish();
  }
  const { addresses, tlvs } = header;
  writer.u8(addresses.family === "unspec" ? 0 : (FAMILY[addresses.family] << 4) | TRANSPORT[addresses.transport]);
  writer.u16(0);
  writeAddresses(addresses, writer);
  for (const tlv of tlvs) {
    writer.u8(tlv.type);
    writer.u16(tlv.value.length);
    writer.raw(tlv.value);
  }
  writer.patchU16(V2_FIXED_LENGTH - 2, writer.length - V2_FIXED_LENGTH);
  const bytes = writer.finish();
  const at = checksumAt(bytes.length, tlvs);
  if (at !== undefined) {
    setU32(bytes, at, 0);
    setU32(bytes, at, crc32c(bytes));
  }
  return bytes;
}

function writeAddresses(addresses: ProxyAddresses, writer: ByteWriter): void {
  switch (addresses.family) {
    case "unspec":
      return;
    case "inet":
      writer.u32(addresses.source);
      writer.u32(addresses.destination);
      break;
    case "inet6":
      writeFixed(addresses.source, 16, writer);
      writeFixed(addresses.destination, 16, writer);
      break;
    case "unix":
      writePath(addresses.source, writer);
      writePath(addresses.destination, writer);
      return;
  }
  writer.u16(addresses.sourcePort);
  writer.u16(addresses.destinationPort);
}

function writePath(path: Uint8Array, writer: ByteWriter): void {
  const padded = new Uint8Array(Math.max(UNIX_PATH_LENGTH, path.length));
  padded.set(path);
  writeFixed(padded, UNIX_PATH_LENGTH, writer);
}

function writeFixed(bytes: Uint8Array, length: number, writer: ByteWriter): void {
  if (bytes.length !== length) throw new RangeError(`Cannot write an address of ${bytes.length} bytes: ${length} fit`);
  writer.raw(bytes);
}
