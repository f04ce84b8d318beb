import { describe, expect, it } from "vitest";
import { dnsTypeCode, dnsTypeName } from "../../src/protocols/index.ts";

describe("dnsTypeName()", () => {
  it("names types it knows and numbers the others", () => {
    expect([1, 28, 33, 255, 65].map(dnsTypeName)).toEqual(["A", "AAAA", "SRV", "ANY", "TYPE65"]);
  });
});

describe("dnsTypeCode()", () => {
  it("reads names in any case, and numbered ones", () => {
    expect(["a", "AAAA", "Any", "type65", "TYPE1", "TYPE65535"].map(dnsTypeCode)).toEqual([1, 28, 255, 65, 1, 65535]);
  });

  it("refuses what is no type", () => {
    expect(["", "B", "TYPE", "TYPE65536", "toString"].map(dnsTypeCode)).toEqual(Array(5).fill(undefined));
  });
});
