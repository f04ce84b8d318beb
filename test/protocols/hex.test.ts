import { describe, expect, it } from "vitest";
import { hex, shorterPrefixes } from "./hex.ts";

describe("hex()", () => {
  it("takes digits and quoted text, with or without spaces", () => {
    expect(hex("0a1b 'ab c' 00")).toEqual(Uint8Array.of(0x0a, 0x1b, 0x61, 0x62, 0x20, 0x63, 0));
  });

  it("throws on anything else, so that a typing error is no test case", () => {
    expect(() => hex("0a 1")).toThrow('does not understand "1"');
  });
});

describe("shorterPrefixes()", () => {
  it("gives every beginning but the whole", () => {
    expect(shorterPrefixes(hex("0102"))).toEqual([hex(""), hex("01")]);
  });
});
