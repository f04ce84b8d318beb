import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  detectProxyHeader,
  emitProxyV1,
  emitProxyV2,
  type ProxyAddresses,
  type ProxyHeader,
  type ProxyHeaderV1,
  type ProxyHeaderV2,
  ProxyTlvType,
} from "../../src/protocols/index.ts";
import { ascii, asText, hex, shorterPrefixes } from "./hex.ts";

const SIGNATURE = "0d0a0d0a 000d0a51 5549540a";
const CLIENT = 0xc633644f; // 198.51.100.79
const BALANCER = 0xcb00718c; // 203.0.113.140
const TCP4 = {
  family: "inet",
  transport: "stream",
  source: CLIENT,
  destination: BALANCER,
  sourcePort: 40000,
  destinationPort: 80,
} as const;

const V1: readonly [name: string, text: string, header: ProxyHeaderV1][] = [
  [
    "TCP4",
    "PROXY TCP4 198.51.100.79 203.0.113.140 40000 80\r\n",
    {
      version: 1,
      family: "TCP4",
      source: "198.51.100.79",
      destination: "203.0.113.140",
      sourcePort: 40000,
      destinationPort: 80,
    },
  ],
  [
    "TCP6",
    "PROXY TCP6 2001:db8::1 ::ffff:192.0.2.1 0 65535\r\n",
    {
      version: 1,
      family: "TCP6",
      source: "2001:db8::1",
      destination: "::ffff:192.0.2.1",
      sourcePort: 0,
      destinationPort: 65535,
    },
  ],
  ["UNKNOWN", "PROXY UNKNOWN\r\n", { version: 1, family: "UNKNOWN" }],
];

const V2: readonly [name: string, hex: string, header: ProxyHeaderV2][] = [
  ["LOCAL", `${SIGNATURE} 20 00 0000`, { version: 2, command: "local" }],
  [
    "TCP over IPv4",
    `${SIGNATURE} 21 11 000c c633644f cb00718c 9c40 0050`,
    { version: 2, command: "proxy", addresses: TCP4, tlvs: [] },
  ],
  [
    "UDP over IPv4",
    `${SIGNATURE} 21 12 000c c633644f cb00718c 9c40 0050`,
    { version: 2, command: "proxy", addresses: { ...TCP4, transport: "dgram" }, tlvs: [] },
  ],
  [
    "TCP over IPv6",
    `${SIGNATURE} 21 21 0024 20010db8000000000000000000000001 20010db8000000000000000000000002 9c40 01bb`,
    {
      version: 2,
      command: "proxy",
      addresses: {
        family: "inet6",
        transport: "stream",
        source: hex("20010db8000000000000000000000001"),
        destination: hex("20010db8000000000000000000000002"),
        sourcePort: 40000,
        destinationPort: 443,
      },
      tlvs: [],
    },
  ],
  [
    "UNIX sockets",
    `${SIGNATURE} 21 31 00d8 '/a' ${"00".repeat(106)} 00 '@b' ${"00".repeat(105)}`,
    {
      version: 2,
      command: "proxy",
      addresses: { family: "unix", transport: "stream", source: hex("'/a'"), destination: hex("00 '@b'") },
      tlvs: [],
    },
  ],
  [
    "no addresses",
    `${SIGNATURE} 21 00 0000`,
    { version: 2, command: "proxy", addresses: { family: "unspec" }, tlvs: [] },
  ],
  [
    "TLVs",
    `${SIGNATURE} 21 11 001a c633644f cb00718c 9c40 0050 02 0004 'host' ea 0000 04 0001 00`,
    {
      version: 2,
      command: "proxy",
      addresses: TCP4,
      tlvs: [
        { type: ProxyTlvType.authority, value: hex("'host'") },
        { type: 0xea, value: hex("") },
        { type: ProxyTlvType.noop, value: hex("00") },
      ],
    },
  ],
];

const ALL: readonly [name: string, bytes: Uint8Array, header: ProxyHeader][] = [
  ...V1.map(([name, text, header]) => [`v1 ${name}`, ascii(text), header] as const),
  ...V2.map(([name, bytes, header]) => [`v2 ${name}`, hex(bytes), header] as const),
].map(([name, bytes, header]) => [name, bytes, header]);

const INVALID_V1: readonly [name: string, text: string, reason: string][] = [
  ["another protocol", "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", "protocol is not TCP4, TCP6 or UNKNOWN"],
  ["an octet above 255", "PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n", "source is not a TCP4 address"],
  ["an octet with a leading zero", "PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n", "source is not a TCP4 address"],
  ["an address of the other family", "PROXY TCP6 2001:db8::1 192.0.2.2 1 2\r\n", "destination is not a TCP6 address"],
  [
    "a port with a leading zero",
    "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
    "source port is not a number from 0 to 65535",
  ],
  [
    "a port above 65535",
    "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
    "destination port is not a number from 0 to 65535",
  ],
  ["a missing port", "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", "destination port is not a number from 0 to 65535"],
  ["two spaces", "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n", "there is text after the destination port"],
  ["text at the end", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n", "there is text after the destination port"],
  [
    "a line ended by LF",
    "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\nGET / HTTP/1.0\r\n",
    "there is text after the destination port",
  ],
  ["a line that does not end", `PROXY UNKNOWN ${"x".repeat(93)}`, "no CRLF in the first 107 bytes"],
];

const INVALID_V2: readonly [name: string, hex: string, reason: string][] = [
  ["version 1, by its first byte", `${SIGNATURE} 11`, "version is not 2"],
  ["another command", `${SIGNATURE} 22 11 0000`, "command is neither LOCAL nor PROXY"],
  ["a family that is not defined", `${SIGNATURE} 21 41 0000`, "family and transport are not among the defined ones"],
  ["a transport that is not defined", `${SIGNATURE} 21 13 0000`, "family and transport are not among the defined ones"],
  ["a transport without family", `${SIGNATURE} 21 01 0000`, "family and transport are not among the defined ones"],
  [
    "a length shorter than the addresses",
    `${SIGNATURE} 21 11 000b ${"00".repeat(11)}`,
    "the header is too short for its addresses",
  ],
  ["half a TLV", `${SIGNATURE} 21 00 0002 0400`, "a TLV is longer than the header"],
  ["a TLV longer than the header", `${SIGNATURE} 21 00 0004 04 0002 00`, "a TLV is longer than the header"],
  ["a wrong CRC32c", `${SIGNATURE} 21 00 0007 03 0004 00000000`, "CRC32C does not match"],
  ["a CRC32c of three bytes", `${SIGNATURE} 21 00 0006 03 0003 000000`, "CRC32C does not match"],
];

describe("detectProxyHeader()", () => {
  it.each(ALL)("reads %s and leaves what follows", (_name, bytes, header) => {
    expect(detectProxyHeader(Uint8Array.from([...bytes, ...ascii("GET /")]))).toEqual({
      kind: "header",
      header,
      length: bytes.length,
    });
  });

  it.each(ALL)("wants more for every shorter beginning of %s", (_name, bytes) => {
    const kinds = shorterPrefixes(bytes).map((prefix) => detectProxyHeader(prefix).kind);
    expect(new Set(kinds)).toEqual(new Set(["need-more"]));
  });

  it("ignores what stands behind UNKNOWN, up to 107 bytes", () => {
    const line = `PROXY UNKNOWN ${"x".repeat(91)}\r\n`;
    expect(detectProxyHeader(ascii(line))).toEqual({
      kind: "header",
      header: { version: 1, family: "UNKNOWN" },
      length: 107,
    });
  });

  it("ignores addresses behind LOCAL", () => {
    const bytes = hex(`${SIGNATURE} 20 11 000c c633644f cb00718c 9c40 0050`);
    expect(detectProxyHeader(bytes)).toEqual({ kind: "header", header: { version: 2, command: "local" }, length: 28 });
  });

  it.each([["GET / HTTP/1.1\r\n"], ["PUT"], ["PROXY\r\n"], ["\r\nGET"], ["\x16\x03\x01"]])(
    "finds none in %j",
    (text) => {
      expect(detectProxyHeader(ascii(text))).toEqual({ kind: "absent" });
    },
  );

  it.each(INVALID_V1)("refuses v1 with %s", (_name, text, reason) => {
    expect(detectProxyHeader(ascii(text))).toEqual({ kind: "invalid", reason });
  });

  it.each(INVALID_V2)("refuses v2 with %s", (_name, bytes, reason) => {
    expect(detectProxyHeader(hex(bytes))).toEqual({ kind: "invalid", reason });
  });

  it("never throws, and more bytes do not change an answer", () => {
    const start = fc.constantFrom(
      ascii("PROXY "),
      ascii("PROXY TCP4 "),
      hex(SIGNATURE),
      hex(`${SIGNATURE} 2111`),
      hex(""),
    );
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 130 }), fc.nat(150), (head, tail, cut) => {
        const bytes = Uint8Array.from([...head, ...tail]);
        const early = detectProxyHeader(bytes.slice(0, cut));
        if (early.kind !== "need-more") expect(detectProxyHeader(bytes)).toEqual(early);
      }),
      { seed: 1, numRuns: 2000 },
    );
  });
});

describe("emitProxyV1()", () => {
  it.each(V1)("writes %s", (_name, text, header) => {
    expect(asText(emitProxyV1(header))).toBe(text);
  });

  it("throws on an address that is none, the caller's mistake", () => {
    const header = {
      version: 1,
      family: "TCP4",
      source: "node1",
      destination: "192.0.2.1",
      sourcePort: 1,
      destinationPort: 2,
    } as const;
    expect(() => emitProxyV1(header)).toThrow("source is not a TCP4 address");
  });
});

describe("emitProxyV2()", () => {
  it.each(V2)("writes %s", (_name, bytes, header) => {
    expect(emitProxyV2(header)).toEqual(hex(bytes));
  });

  it("fills a CRC32C TLV, wherever it stands, with what a reader verifies", () => {
    const crc = { type: ProxyTlvType.crc32c, value: hex("00000000") };
    const header: ProxyHeaderV2 = {
      version: 2,
      command: "proxy",
      addresses: TCP4,
      tlvs: [crc, { type: 4, value: hex("00") }],
    };
    const bytes = emitProxyV2(header);
    // Computed bit by bit outside this program.
    expect(bytes).toEqual(hex(`${SIGNATURE} 21 11 0017 c633644f cb00718c 9c40 0050 03 0004 298f2728 04 0001 00`));
    expect(detectProxyHeader(bytes)).toMatchObject({ kind: "header", header: { addresses: TCP4 } });
    bytes[20] = 0;
    expect(detectProxyHeader(bytes)).toEqual({ kind: "invalid", reason: "CRC32C does not match" });
  });

  it.each([
    ["a port of 70000", { ...TCP4, sourcePort: 70000 }],
    ["a path of 109 bytes", { family: "unix", transport: "stream", source: new Uint8Array(109), destination: hex("") }],
    ["an IPv6 address of 4 bytes", { ...TCP4, family: "inet6", source: hex("01020304"), destination: hex("01020304") }],
  ] satisfies [string, ProxyAddresses][])("throws on %s, the caller's mistake", (_name, addresses) => {
    expect(() => emitProxyV2({ version: 2, command: "proxy", addresses, tlvs: [] })).toThrow(RangeError);
  });

  it("is read back as it was written", () => {
    const port = fc.nat(65535);
    const transport = fc.constantFrom("stream" as const, "dgram" as const);
    const address = fc.uint8Array({ minLength: 16, maxLength: 16 });
    const path = fc.uint8Array({ min: 1, maxLength: 108 });
    const addresses: fc.Arbitrary<ProxyAddresses> = fc.oneof(
      fc.record({
        family: fc.constant("inet" as const),
        transport,
        source: fc.nat(0xffffffff),
        destination: fc.nat(0xffffffff),
        sourcePort: port,
        destinationPort: port,
      }),
      fc.record({
        family: fc.constant("inet6" as const),
        transport,
        source: address,
        destination: address,
        sourcePort: port,
        destinationPort: port,
      }),
      fc.record({ family: fc.constant("unix" as const), transport, source: path, destination: path }),
      fc.constant({ family: "unspec" as const }),
    );
    const tlv = fc.record({ type: fc.integer({ min: 4, max: 255 }), value: fc.uint8Array({ maxLength: 20 }) });
    fc.assert(
      fc.property(addresses, fc.array(tlv, { maxLength: 4 }), (where, tlvs) => {
        const header: ProxyHeaderV2 = { version: 2, command: "proxy", addresses: where, tlvs };
        const bytes = emitProxyV2(header);
        expect(detectProxyHeader(bytes)).toEqual({ kind: "header", header, length: bytes.length });
      }),
      { seed: 2 },
    );
  });
});
