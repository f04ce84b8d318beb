import { describe, expect, it } from "vitest";
import { octetsToUtf8, utf8ToOctets } from "../../src/protocols/index.ts";
import { bytesToOctets, octetsToBytes } from "../../src/protocols/octets.ts";

describe("octets", () => {
  it("keep every byte, in texts of any length", () => {
    const bytes = Uint8Array.from({ length: 10_000 }, (_, index) => index);
    expect(octetsToBytes(bytesToOctets(bytes))).toEqual(bytes);
  });

  it("carry UTF-8 text", () => {
    expect(utf8ToOctets("é€")).toBe("\xc3\xa9\xe2\x82\xac");
    expect(octetsToUtf8("\xc3\xa9\xe2\x82\xac")).toBe("é€");
    expect(octetsToUtf8("\xff")).toBe("\ufffd");
  });

  it("throw on a character that is more than an octet, the caller's mistake", () => {
    expect(() => octetsToBytes("a€")).toThrow('Cannot write "a€" as bytes: character 2 is above U+00FF');
  });
});
