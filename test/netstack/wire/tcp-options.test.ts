import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  emitTcpOptions,
  parseTcpOptions,
  type TcpOptions,
  tcpOptionsLength,
} from "../../../src/netstack/wire/tcp-options.ts";
import { hex, toHex } from "../../support/hex.ts";

/** Options as Linux pads and orders them. */
const FIXTURES: readonly [string, TcpOptions, string][] = [
  ["none", {}, ""],
  ["MSS alone", { mss: 1460 }, "0204 05b4"],
  [
    "a SYN with everything",
    { mss: 1460, sackPermitted: true, timestamps: { value: 1, echo: 0 }, windowScale: 10 },
    "0204 05b4 0402 080a 0000 0001 0000 0000 0103 030a",
  ],
  ["a SYN without timestamps", { mss: 1420, sackPermitted: true, windowScale: 7 }, "0204 058c 0101 0402 0103 0307"],
  ["a SYN without SACK", { mss: 536, timestamps: { value: 7, echo: 8 } }, "0204 0218 0101 080a 0000 0007 0000 0008"],
  ["timestamps", { timestamps: { value: 0xffff_ffff, echo: 2 } }, "0101 080a ffff ffff 0000 0002"],
  ["one SACK block", { sack: [{ start: 1, end: 2 }] }, "0101 050a 0000 0001 0000 0002"],
  [
    "timestamps and two blocks",
    {
      timestamps: { value: 1, echo: 2 },
      sack: [
        { start: 3, end: 4 },
        { start: 5, end: 6 },
      ],
    },
    "0101 080a 0000 0001 0000 0002 0101 0512 0000 0003 0000 0004 0000 0005 0000 0006",
  ],
];

function parse(options: Uint8Array): TcpOptions {
  const segment = new Uint8Array(20 + options.length);
  segment.set(options, 20);
  return parseTcpOptions(segment, 0, segment.length);
}

describe.each(FIXTURES)("%s", (_, options, wire) => {
  it("is written in Linux's order and padding", () => {
    const bytes = new Uint8Array(40).fill(0xee);
    const length = emitTcpOptions(options, bytes, 0);
    expect(toHex(bytes.subarray(0, length))).toBe(wire.replaceAll(" ", ""));
    expect(length).toBe(tcpOptionsLength(options));
  });

  it("is read back", () => {
    expect(parse(hex(wire))).toEqual(options);
  });
});

describe("four SACK blocks", () => {
  const sack = [1, 2, 3, 4].map((n) => ({ start: n * 10, end: n * 10 + 5 }));

  it("fit alone, and three of them beside timestamps", () => {
    expect(tcpOptionsLength({ sack })).toBe(36);
    const bytes = new Uint8Array(40);
    const length = emitTcpOptions({ sack, timestamps: { value: 1, echo: 2 } }, bytes, 0);
    expect(length).toBe(40);
    expect(parse(bytes)).toEqual({ sack: sack.slice(0, 3), timestamps: { value: 1, echo: 2 } });
  });
});

describe("parseTcpOptions()", () => {
  it.each([
    ["stops at the end of options", "0000 0204 05b4", {}],
    ["skips padding", "0101 0101 0204 05b4", { mss: 1460 }],
    ["skips options it does not know", "1e04 abcd 0303 0500", { windowScale: 5 }],
    ["skips a known option of the wrong length", "0205 05b4 0003 0307", { windowScale: 7 }],
    ["stops at a length of 0", "0200 05b4 0303 07", {}],
    ["stops at a length of 1", "0201 0303 07", {}],
    ["stops at a length beyond the header", "0101 0206", {}],
    ["stops where the length is cut off", "0101 0102", {}],
    ["skips SACK blocks of an odd size", "0109 0101 0507 0000 0000 0001", {}],
  ])("%s", (_, wire, options) => {
    expect(parse(hex(wire))).toEqual(options);
  });

  it("never throws", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        expect(parse(bytes)).toBeTypeOf("object");
      }),
    );
  });
});
