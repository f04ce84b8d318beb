import { describe, expect, it } from "vitest";
import {
  resetFor,
  type Segment,
  segmentFromWire,
  segmentLength,
  seq,
  sequenceLength,
  writeSegment,
} from "../../../src/netstack/tcp/index.ts";
import { TcpFlag } from "../../../src/netstack/wire/tcp.ts";

const EMPTY: Segment = {
  sequence: seq(1000),
  acknowledgment: seq(0),
  flags: 0,
  window: 500,
  options: {},
  bytes: new Uint8Array(0),
  at: 0,
  length: 0,
};

describe("resetFor()", () => {
  it("takes its number from the ACK, and acknowledges nothing", () => {
    const reset = resetFor({ ...EMPTY, flags: TcpFlag.ack | TcpFlag.psh, acknowledgment: seq(77), length: 5 });
    expect(reset).toEqual({ ...EMPTY, sequence: 77, acknowledgment: 0, flags: TcpFlag.rst, window: 0 });
  });

  it("acknowledges everything in a segment without ACK: SYN, data and FIN", () => {
    const reset = resetFor({ ...EMPTY, flags: TcpFlag.syn | TcpFlag.fin, length: 10 });
    expect(reset).toEqual({ ...EMPTY, sequence: 0, acknowledgment: 1012, flags: TcpFlag.rst | TcpFlag.ack, window: 0 });
  });

  it("does not answer a RST", () => {
    expect(resetFor({ ...EMPTY, flags: TcpFlag.rst | TcpFlag.ack })).toBeUndefined();
  });
});

describe("a segment on the wire", () => {
  const payload = Uint8Array.of(9, 9, 1, 2, 3, 9);
  const segment: Segment = {
    ...EMPTY,
    flags: TcpFlag.ack | TcpFlag.psh,
    acknowledgment: seq(0xffff_ffff),
    options: { timestamps: { value: 1, echo: 2 } },
    bytes: payload,
    at: 2,
    length: 3,
  };
  const wire = new Uint8Array(4 + segmentLength(segment));
  const written = writeSegment(segment, { sourcePort: 40_000, destinationPort: 80 }, wire, 4);

  it("is as long as announced: header, 12 bytes of timestamps, payload", () => {
    expect([segmentLength(segment), written]).toEqual([35, 35]);
  });

  it("reads back the same, the payload left where it lies", () => {
    expect(segmentFromWire(wire, 4, wire.length)).toEqual({ ...segment, codepoint: 0, bytes: wire, at: 36 });
  });

  it.each([0, 10, 19, 31])("is refused when cut to %i bytes, within the header", (length) => {
    expect(segmentFromWire(wire, 4, 4 + length)).toBeUndefined();
  });

  it("occupies its payload and one number each for SYN and FIN", () => {
    expect(sequenceLength({ ...EMPTY, flags: TcpFlag.syn })).toBe(1);
    expect(sequenceLength({ ...EMPTY, flags: TcpFlag.fin | TcpFlag.ack, length: 7 })).toBe(8);
    expect(sequenceLength({ ...EMPTY, flags: TcpFlag.rst })).toBe(0);
  });
});
