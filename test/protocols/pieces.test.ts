import { describe, expect, it } from "vitest";
import { hex } from "./hex.ts";
import { pieces } from "./pieces.ts";

describe("pieces()", () => {
  it("cuts at the places given, in any order, modulo the length", () => {
    expect(pieces(hex("010203"), [2, 1, 5])).toEqual([hex("01"), hex(""), hex("02"), hex("03")]);
  });

  it("cuts after every byte", () => {
    expect(pieces(hex("0102"), "every byte")).toEqual([hex("01"), hex("02")]);
  });
});
