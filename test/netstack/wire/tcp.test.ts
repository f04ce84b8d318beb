import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { address } from "../../../src/netstack/ipv4-address.ts";
import {
  describeTcp,
  describeTcpFlags,
  emitTcp,
  fillTcpChecksum,
  isTcpChecksumRight,
  parseTcp,
  TcpFlag,
  type TcpHeader,
} from "../../../src/netstack/wire/tcp.ts";
import { hex, toHex } from "../../support/hex.ts";

/** A SYN-ACK and a data segment as Linux sends them, from 192.0.2.2 to 192.0.2.1. */
const FIXTURES: readonly [string, string, TcpHeader][] = [
  [
    "TCP 8080 > 40000 [S.] seq 1850540853 ack 918172149 win 65160",
    "1f90 9c40 6e4d 0335 36ba 31f5 a012 fe88 0000 0000 0204 05b4 0402 080a 0000 0001 0000 0002 0103 030a",
    {
      sourcePort: 8080,
      destinationPort: 40_000,
      sequence: 1_850_540_853,
      acknowledgment: 918_172_149,
      headerLength: 40,
      flags: TcpFlag.syn | TcpFlag.ack,
      window: 65_160,
      checksum: 0,
      urgentPointer: 0,
    },
  ],
  [
    "TCP 80 > 1025 [FPU.] seq 4294967295 ack 1 win 0",
    "0050 0401 ffff ffff 0000 0001 5039 0000 1234 0007 6869",
    {
      sourcePort: 80,
      destinationPort: 1025,
      sequence: 0xffff_ffff,
      acknowledgment: 1,
      headerLength: 20,
      flags: TcpFlag.fin | TcpFlag.psh | TcpFlag.urg | TcpFlag.ack,
      window: 0,
      checksum: 0x1234,
      urgentPointer: 7,
    },
  ],
];

describe.each(FIXTURES)("%s", (text, wire, header) => {
  const bytes = hex(wire);

  it("is read", () => {
    expect(parseTcp(bytes, 0, bytes.length)).toEqual(header);
  });

  it("is described so", () => {
    expect(describeTcp(header)).toBe(text);
  });

  it("is written back the same, options and payload untouched", () => {
    const written = bytes.slice();
    written.fill(0xee, 0, 20);
    emitTcp(header, written, 0);
    expect(toHex(written)).toBe(toHex(bytes));
  });

  it("is refused when cut within the header", () => {
    for (let length = 0; length < header.headerLength; length++) expect(parseTcp(bytes, 0, length)).toBeUndefined();
  });

  it("has a checksum that shows any changed bit", () => {
    const range = { at: 0, end: bytes.length, source: address("192.0.2.2"), destination: address("192.0.2.1") };
    const sealed = bytes.slice();
    fillTcpChecksum(sealed, range);
    expect(isTcpChecksumRight(sealed, range)).toBe(true);
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const broken = sealed.slice();
      broken[bit >> 3] = (broken[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(isTcpChecksumRight(broken, range)).toBe(false);
    }
    expect(isTcpChecksumRight(sealed, { ...range, source: address("192.0.2.3") })).toBe(false);
  });
});

describe("parseTcp()", () => {
  it("refuses a data offset below 5", () => {
    const bytes = hex("0050 0401 ffff ffff 0000 0001 4010 0000 0000 0000");
    expect(parseTcp(bytes, 0, bytes.length)).toBeUndefined();
  });

  it("never throws", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const header = parseTcp(bytes, 0, bytes.length);
        if (header !== undefined) expect(header.headerLength).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });
});

describe("describeTcpFlags()", () => {
  it("names none and all", () => {
    expect([describeTcpFlags(0), describeTcpFlags(255)]).toEqual(["none", "SFRPUEW."]);
  });
});
