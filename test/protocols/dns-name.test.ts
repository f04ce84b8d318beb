import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { canonicalName, formatName, parseName, reverseName, sameName } from "../../src/protocols/index.ts";

describe("parseName()", () => {
  it.each([
    [".", []],
    ["a", ["a"]],
    ["www.Example.com.", ["www", "Example", "com"]],
    ["a\\.b.c.", ["a.b", "c"]],
    ["\\000\\255.", ["\0\xff"]],
    ["_http._tcp.x", ["_http", "_tcp", "x"]],
    ["a b.", ["a b"]],
  ])("reads %j", (text, labels) => {
    expect(parseName(text)).toEqual(labels);
  });

  it.each([
    ["nothing", ""],
    ["an empty label at the start", ".a"],
    ["an empty label inside", "a..b"],
    ["two final dots", "a.."],
    ["two dots alone", ".."],
    ["a label of 64 octets", "x".repeat(64)],
    ["256 octets", `${`${"x".repeat(63)}.`.repeat(3)}${"y".repeat(62)}`],
    ["a backslash at the end", "a\\"],
    ["an octet above 255", "\\256"],
    ["an octet of two digits", "\\12"],
    ["a character above U+00FF", "€"],
  ])("refuses %s", (_name, text) => {
    expect(parseName(text)).toBeUndefined();
  });

  it("is the inverse of formatName() for any octets", () => {
    const label = fc.uint8Array({ minLength: 1, maxLength: 30 }).map((bytes) => String.fromCharCode(...bytes));
    fc.assert(
      fc.property(fc.array(label, { maxLength: 8 }), (labels) => {
        expect(parseName(formatName(labels))).toEqual(labels);
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});

describe("formatName()", () => {
  it("ends in a dot and escapes what would be read otherwise", () => {
    expect(formatName([])).toBe(".");
    expect(formatName(["a.b", "c\\", "d e", "\xff"])).toBe("a\\.b.c\\\\.d\\032e.\\255.");
  });
});

describe("canonicalName()", () => {
  it("is one text for all ways to write a name", () => {
    expect(["WWW.Example.com", "www.example.COM.", "w\\087w.example.com"].map(canonicalName)).toEqual([
      "www.example.com.",
      "www.example.com.",
      "www.example.com.",
    ]);
    expect(canonicalName("a..b")).toBeUndefined();
  });
});

describe("sameName()", () => {
  it("does not mind case or the final dot", () => {
    expect(sameName("A.b", "a.B.")).toBe(true);
    expect(sameName("a.b", "a.c")).toBe(false);
  });

  it("minds case outside ASCII, and calls no names the same that are none", () => {
    expect(sameName("\xe9", "\xc9")).toBe(false);
    expect(sameName("a..b", "a..b")).toBe(false);
  });
});

describe("reverseName()", () => {
  it("names an address backwards", () => {
    expect(reverseName(0x0af00004)).toBe("4.0.240.10.in-addr.arpa.");
    expect(reverseName(0xffffffff)).toBe("255.255.255.255.in-addr.arpa.");
  });
});
