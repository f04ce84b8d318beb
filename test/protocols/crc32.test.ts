import { expect, it } from "vitest";
import { crc32, crc32c } from "../../src/protocols/crc32.ts";
import { ascii } from "./hex.ts";

it("crc32() and crc32c() give the check values of their catalogues", () => {
  expect(crc32(ascii("123456789"))).toBe(0xcbf43926);
  expect(crc32c(ascii("123456789"))).toBe(0xe3069283);
});
