import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { DnsStreamReader, emitDnsStream } from "../../src/protocols/index.ts";
import { hex } from "./hex.ts";
import { anyCuts, pieces } from "./pieces.ts";

describe("DnsStreamReader", () => {
  it("cuts a stream into messages, empty ones included", () => {
    expect(new DnsStreamReader().push(hex("0002 'ab' 0000 0001 'c' 0003 'd'"))).toEqual([
      hex("'ab'"),
      hex(""),
      hex("'c'"),
    ]);
  });

  it("says whether the stream may end here", () => {
    const reader = new DnsStreamReader();
    expect(reader.isMidMessage).toBe(false);
    const states = ["00", "01", "'a'", "00"].map((bytes) => {
      reader.push(hex(bytes));
      return reader.isMidMessage;
    });
    expect(states).toEqual([true, true, false, true]);
  });

  it("gives back what emitDnsStream() framed, however the stream is cut", () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 5 }), anyCuts, (messages, cuts) => {
        const stream = Uint8Array.from(messages.flatMap((message) => [...emitDnsStream(message)]));
        const reader = new DnsStreamReader();
        expect(pieces(stream, cuts).flatMap((piece) => [...reader.push(piece)])).toEqual(messages);
        expect(reader.isMidMessage).toBe(false);
      }),
      { seed: 1, numRuns: 300 },
    );
  });
});

describe("emitDnsStream()", () => {
  it("puts the length before the message", () => {
    expect(emitDnsStream(new Uint8Array(258)).subarray(0, 3)).toEqual(hex("0102 00"));
  });

  it("throws on more than 65535 bytes, the caller's mistake", () => {
    expect(() => emitDnsStream(new Uint8Array(65536))).toThrow("Cannot write a DNS message of 65536 bytes");
  });
});
