import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isAfter, isBefore, seq, seqAdd, seqDiff } from "../../../src/netstack/tcp/index.ts";

describe("sequence numbers", () => {
  it.each([
    ["across the end of the number space", 5, 0xffff_fffb, 10],
    ["backwards across it", 0xffff_fffb, 5, -10],
    ["half the space ahead counts as behind", 0x8000_0000, 0, -0x8000_0000],
    ["equal", 7, 7, 0],
  ])("have a signed distance: %s", (_, a, b, distance) => {
    expect(seqDiff(seq(a), seq(b))).toBe(distance);
  });

  it("order any two that are less than half the space apart", () => {
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), fc.integer({ min: 1, max: 0x7fff_ffff }), (start, distance) => {
        const later = seqAdd(seq(start), distance);
        expect(isAfter(later, seq(start))).toBe(true);
        expect(isBefore(seq(start), later)).toBe(true);
        expect(later).toBe((start + distance) % 2 ** 32);
      }),
    );
  });
});
