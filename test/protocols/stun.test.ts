import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  emitStun,
  parseStun,
  STUN_BINDING,
  type StunAttribute,
  type StunMessage,
  stunAttribute,
  unknownRequiredAttributes,
} from "../../src/protocols/index.ts";
import { hex, shorterPrefixes } from "./hex.ts";

const ID = "b7e7a701 bc34d686 fa87dfae";
const COOKIE = "2112a442";
const MESSAGE = { method: STUN_BINDING, transactionId: hex(ID) } as const;

/** The fingerprint was computed outside this program. */
const MESSAGES: readonly [name: string, hex: string, message: StunMessage][] = [
  ["a request", `0001 0000 ${COOKIE} ${ID}`, { ...MESSAGE, class: "request", attributes: [] }],
  [
    "a request to answer from another address and port",
    `0001 0008 ${COOKIE} ${ID} 0003 0004 00000006`,
    { ...MESSAGE, class: "request", attributes: [{ type: "change-request", changeAddress: true, changePort: true }] },
  ],
  [
    "a request to answer from another port",
    `0001 0008 ${COOKIE} ${ID} 0003 0004 00000002`,
    { ...MESSAGE, class: "request", attributes: [{ type: "change-request", changeAddress: false, changePort: true }] },
  ],
  [
    "an indication of another method",
    `0012 0000 ${COOKIE} ${ID}`,
    { ...MESSAGE, method: 2, class: "indication", attributes: [] },
  ],
  [
    "the widest method, its bits on both sides of the class",
    `3fff 0000 ${COOKIE} ${ID}`,
    { ...MESSAGE, method: 0xfff, class: "error", attributes: [] },
  ],
  [
    "a response of RFC 5780",
    `0101 0044 ${COOKIE} ${ID}
     0001 0008 00 01 8055 c0000201
     0020 0008 00 01 a147 e112a643
     802b 0008 00 01 0d96 cb007101
     802c 0008 00 01 0d97 cb007102
     8022 0008 'natscope'
     8028 0004 1753e3e6`,
    {
      ...MESSAGE,
      class: "success",
      attributes: [
        { type: "mapped-address", address: 0xc0000201, port: 32853 },
        { type: "xor-mapped-address", address: 0xc0000201, port: 32853 },
        { type: "response-origin", address: 0xcb007101, port: 3478 },
        { type: "other-address", address: 0xcb007102, port: 3479 },
        { type: "software", text: "natscope" },
        { type: "fingerprint" },
      ],
    },
  ],
  [
    "an IPv6 address, XORed with the transaction id as well",
    `0101 0018 ${COOKIE} ${ID} 0020 0014 00 02 a147 0113a9faa5d3f179bc25f4b5bed2b9d9`,
    {
      ...MESSAGE,
      class: "success",
      attributes: [{ type: "xor-mapped-address", address: hex("20010db8123456780011223344556677"), port: 32853 }],
    },
  ],
  [
    "an error with the attributes that were not understood",
    `0111 0024 ${COOKIE} ${ID} 0009 0015 0000 04 14 'Unknown Attribute' 000000 000a 0004 0019 7fff`,
    {
      ...MESSAGE,
      class: "error",
      attributes: [
        { type: "error-code", code: 420, reason: "Unknown Attribute" },
        { type: "unknown-attributes", codes: [0x0019, 0x7fff] },
      ],
    },
  ],
  [
    "attributes nobody here knows, padded",
    `0001 0010 ${COOKIE} ${ID} 0026 0003 010203 00 ffff 0001 07 000000`,
    {
      ...MESSAGE,
      class: "request",
      attributes: [
        { type: "raw", code: 0x0026, value: hex("010203") },
        { type: "raw", code: 0xffff, value: hex("07") },
      ],
    },
  ],
];

/** The two responses of RFC 5769 §2.2 and §2.3: padded with spaces and signed, so that they are read here and not written. */
const RFC_5769: readonly [name: string, hex: string, address: number | Uint8Array][] = [
  [
    "IPv4",
    `0101 003c ${COOKIE} ${ID} 8022 000b 'test vector' 20 0020 0008 00 01 a147 e112a643
     0008 0014 2b91f599 fd9e90c3 8c7489f9 2af9ba53 f06be7d7 8028 0004 c07d4c96`,
    0xc0000201,
  ],
  [
    "IPv6",
    `0101 0048 ${COOKIE} ${ID} 8022 000b 'test vector' 20 0020 0014 00 02 a147 0113a9faa5d3f179bc25f4b5bed2b9d9
     0008 0014 a382954e 4be67bf1 1784c97c 8292c275 bfe3ed41 8028 0004 c8fb0b4c`,
    hex("20010db8123456780011223344556677"),
  ],
];

const REFUSED: readonly [name: string, hex: string][] = [
  ["a type with its top bits set", `4001 0000 ${COOKIE} ${ID}`],
  ["another cookie", `0001 0000 2112a443 ${ID}`],
  ["a length that is not the datagram's", `0001 0004 ${COOKIE} ${ID}`],
  ["bytes behind the message", `0001 0000 ${COOKIE} ${ID} 00000000`],
  ["a length that is no multiple of four", `0001 0002 ${COOKIE} ${ID} 0000`],
  ["an attribute longer than the message", `0001 0008 ${COOKIE} ${ID} 0026 0005 00000000`],
  ["an address of an unknown family", `0101 000c ${COOKIE} ${ID} 0001 0008 00 03 0050 c0000201`],
  ["an IPv4 address of 16 bytes", `0101 0018 ${COOKIE} ${ID} 0001 0014 00 01 0050 ${"00".repeat(16)}`],
  ["an XORed address that is too short", `0101 0008 ${COOKIE} ${ID} 0020 0004 00 01 a147`],
  ["a CHANGE-REQUEST of eight bytes", `0001 000c ${COOKIE} ${ID} 0003 0008 0000000000000000`],
  ["an error code of class 7", `0111 0008 ${COOKIE} ${ID} 0009 0004 0000 07 00`],
  ["an error code of number 100", `0111 0008 ${COOKIE} ${ID} 0009 0004 0000 04 64`],
  ["an odd list of unknown attributes", `0111 0008 ${COOKIE} ${ID} 000a 0003 000102 00`],
  // Right for what stands before it; computed outside this program.
  ["a FINGERPRINT before another attribute", `0001 000c ${COOKIE} ${ID} 8028 0004 8efe89cd 8022 0000`],
  ["a wrong FINGERPRINT", `0001 0008 ${COOKIE} ${ID} 8028 0004 00000000`],
];

describe("parseStun()", () => {
  it.each(MESSAGES)("reads %s", (_name, bytes, message) => {
    expect(parseStun(hex(bytes))).toEqual(message);
  });

  it.each(MESSAGES)("refuses every shorter beginning of %s", (_name, bytes) => {
    expect(
      shorterPrefixes(hex(bytes))
        .map(parseStun)
        .every((message) => message === undefined),
    ).toBe(true);
  });

  it.each(RFC_5769)("reads the sample response for %s of RFC 5769", (_name, bytes, address) => {
    const message = parseStun(hex(bytes));
    expect(message?.attributes.map((attribute) => attribute.type)).toEqual([
      "software",
      "xor-mapped-address",
      "raw",
      "fingerprint",
    ]);
    expect(message && stunAttribute(message, "software")?.text).toBe("test vector");
    expect(message && stunAttribute(message, "xor-mapped-address")).toMatchObject({ address, port: 32853 });
  });

  it.each(REFUSED)("refuses %s", (_name, bytes) => {
    expect(parseStun(hex(bytes))).toBeUndefined();
  });

  it("refuses any message with a FINGERPRINT once one bit has changed", () => {
    const [, right] = RFC_5769[0] ?? ["", ""];
    const bytes = hex(right);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = bytes.slice();
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const message = parseStun(changed);
      // Changed into another attribute, the FINGERPRINT is none any more.
      expect(message === undefined || stunAttribute(message, "fingerprint") === undefined).toBe(true);
    }
  });

  it("never throws on random attributes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(1, 3, 9, 10, 32, 0x8022, 0x8028), (value, code) => {
        const padded = [...value, ...new Uint8Array(-value.length & 3)];
        const head = hex(`0101 0000 ${COOKIE} ${ID}`);
        head[3] = padded.length + 4;
        const message = parseStun(Uint8Array.from([...head, code >> 8, code & 0xff, 0, value.length, ...padded]));
        if (message !== undefined) expect(message.attributes).toHaveLength(1);
      }),
      { seed: 1, numRuns: 2000 },
    );
  });
});

describe("emitStun()", () => {
  it.each(MESSAGES)("writes %s", (_name, bytes, message) => {
    expect(emitStun(message)).toEqual(hex(bytes));
  });

  it.each([
    ["a transaction id of 16 bytes", { transactionId: new Uint8Array(16) }],
    ["a method of 13 bits", { method: 0x1000 }],
    [
      "a FINGERPRINT before another attribute",
      { attributes: [{ type: "fingerprint" }, { type: "software", text: "x" }] },
    ],
    ["a port of 70000", { attributes: [{ type: "mapped-address", address: 1, port: 70000 }] }],
    ["an address of 5 bytes", { attributes: [{ type: "mapped-address", address: new Uint8Array(5), port: 1 }] }],
  ] satisfies [string, Partial<StunMessage>][])("throws on %s, the caller's mistake", (_name, wrong) => {
    expect(() => emitStun({ ...MESSAGE, class: "request", attributes: [], ...wrong })).toThrow(RangeError);
  });

  it("is read back as it was written", () => {
    const address = fc.oneof(fc.nat(0xffffffff), fc.uint8Array({ minLength: 16, maxLength: 16 }));
    const attribute: fc.Arbitrary<StunAttribute> = fc.oneof(
      fc.record({
        type: fc.constantFrom("mapped-address" as const, "xor-mapped-address" as const, "other-address" as const),
        address,
        port: fc.nat(65535),
      }),
      fc.record({
        type: fc.constant("error-code" as const),
        code: fc.integer({ min: 300, max: 699 }),
        reason: fc.string({ unit: "grapheme", maxLength: 20 }),
      }),
      fc.record({ type: fc.constant("software" as const), text: fc.string({ unit: "grapheme", maxLength: 20 }) }),
      fc.record({
        type: fc.constant("raw" as const),
        code: fc.integer({ min: 0xc000, max: 0xffff }),
        value: fc.uint8Array(),
      }),
    );
    const end = fc.constantFrom<StunAttribute[]>([], [{ type: "fingerprint" }]);
    fc.assert(
      fc.property(fc.array(attribute, { maxLength: 6 }), end, fc.nat(0xfff), (attributes, last, method) => {
        const message: StunMessage = { ...MESSAGE, method, class: "success", attributes: [...attributes, ...last] };
        expect(parseStun(emitStun(message))).toEqual(message);
      }),
      { seed: 2, numRuns: 300 },
    );
  });
});

describe("unknownRequiredAttributes()", () => {
  it("lists what a server must understand and does not", () => {
    const codes = [0x0026, 0x7fff, 0x8000];
    const attributes: StunAttribute[] = codes.map((code) => ({ type: "raw", code, value: hex("") }));
    const message: StunMessage = {
      ...MESSAGE,
      class: "request",
      attributes: [...attributes, { type: "software", text: "x" }],
    };
    expect(unknownRequiredAttributes(message)).toEqual([0x0026, 0x7fff]);
  });
});
