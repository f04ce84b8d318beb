import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { applyChange, change16, change32, sumData, sumWords } from "../../src/netstack/checksum.ts";
import { checksum, setU16, setU32, updateChecksum, updateChecksum32 } from "../../src/netstack/index.ts";
import { hex } from "../support/hex.ts";

describe("checksum", () => {
  it("computes RFC 1071's own example", () => {
    expect(checksum(hex("0001 f203 f4f5 f6f7"), 0, 8)).toBe(~0xddf2 & 0xffff);
  });

  it("pads an odd last byte with zero", () => {
    expect(checksum(hex("0001 f2"), 0, 3)).toBe(checksum(hex("0001 f200"), 0, 4));
  });

  it("sums the same through a frame's DataView, at any offset and for any length up to the longest packet", () => {
    const full = new Uint8Array(65_535).fill(0xff);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(9), (bytes, at) => {
        const from = Math.min(at, bytes.length);
        expect(sumData(new DataView(bytes.buffer), from, bytes.length, 7)).toBe(sumWords(bytes, from, bytes.length, 7));
      }),
    );
    expect(sumData(new DataView(full.buffer), 0, full.length, 0)).toBe(sumWords(full, 0, full.length));
  });

  it("takes several changes in at once as it does one after the other", () => {
    fc.assert(
      fc.property(u16(), u32(), u32(), u16(), u16(), (sum, address, toAddress, port, toPort) => {
        const stepwise = applyChange(applyChange(sum, change32(address, toAddress)), change16(port, toPort));
        const change = change32(address, toAddress) + change16(port, toPort);
        expect(applyChange(sum, change) % 0xffff).toBe(stepwise % 0xffff);
      }),
    );
  });

  it("is 0 over a message that holds its own checksum, at any offset and for any length", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 3000 }), fc.nat(5), (message, offset) => {
        const bytes = new Uint8Array(message.length + offset);
        bytes.set(message, offset);
        setU16(bytes, offset, 0);
        setU16(bytes, offset, checksum(bytes, offset, bytes.length));
        return checksum(bytes, offset, bytes.length) === 0;
      }),
    );
  });
});

describe("updateChecksum", () => {
  it("computes RFC 1624's example, where equation 2 goes wrong", () => {
    expect(updateChecksum(0xdd2f, 0x5555, 0x3285)).toBe(0x0000);
  });

  it("agrees with summing again after any word changed", () => {
    const word = fc.nat(0xffff);
    fc.assert(
      fc.property(fc.array(word, { minLength: 2, maxLength: 20 }), fc.nat(18), word, (words, place, value) => {
        const at = (place % words.length) * 2;
        const bytes = new Uint8Array(words.length * 2);
        words.forEach((each, i) => {
          setU16(bytes, i * 2, each);
        });
        const before = checksum(bytes, 0, bytes.length);
        const from = words[at / 2]!;
        setU16(bytes, at, value);
        const full = checksum(bytes, 0, bytes.length);
        const updated = updateChecksum(before, from, value);
        // Ones' complement has two zeros; a sum over bytes that are all zero is the only place where they differ.
        return updated === full || (updated === 0 && full === 0xffff) || (updated === 0xffff && full === 0);
      }),
    );
  });

  it("does the same for 32-bit words", () => {
    const bytes = hex("12345678 0af00005 c633644f");
    const before = checksum(bytes, 0, 12);
    setU32(bytes, 4, 0x0ab40188);
    expect(updateChecksum32(before, 0x0af00005, 0x0ab40188)).toBe(checksum(bytes, 0, 12));
  });
});

function u16(): fc.Arbitrary<number> {
  return fc.nat(0xffff);
}

function u32(): fc.Arbitrary<number> {
  return fc.nat(0xffff_ffff);
}
