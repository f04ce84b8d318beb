import { describe, expect, it } from "vitest";
import {
  type HttpHeaders,
  header,
  headerTokens,
  headerValues,
  keepsAlive,
  withHeader,
  withoutHopByHop,
} from "../../src/protocols/index.ts";

const HEADERS: HttpHeaders = [
  ["X-A", "1, Two"],
  ["Host", "h"],
  ["x-a", ",3"],
];

describe("header()", () => {
  it("finds the first field in any case", () => {
    expect(header(HEADERS, "x-A")).toBe("1, Two");
    expect(header(HEADERS, "x-b")).toBeUndefined();
  });
});

describe("headerValues()", () => {
  it("gives every field's value in order", () => {
    expect(headerValues(HEADERS, "X-a")).toEqual(["1, Two", ",3"]);
  });
});

describe("headerTokens()", () => {
  it("joins lines and leaves out empty members", () => {
    expect(headerTokens(HEADERS, "x-a")).toEqual(["1", "two", "3"]);
  });
});

describe("withHeader()", () => {
  it("puts the value in the place of the first field and drops the others", () => {
    expect(withHeader(HEADERS, "X-a", "4")).toEqual([
      ["X-a", "4"],
      ["Host", "h"],
    ]);
  });

  it("appends a field that was not there", () => {
    expect(withHeader([["Host", "h"]], "B", "2")).toEqual([
      ["Host", "h"],
      ["B", "2"],
    ]);
  });
});

describe("withoutHopByHop()", () => {
  it("drops Connection, what it names, and the other fields of one hop", () => {
    const headers: HttpHeaders = [
      ["Connection", "close, X-Once"],
      ["X-Once", "1"],
      ["Keep-Alive", "5"],
      ["Transfer-Encoding", "chunked"],
      ["Accept", "*/*"],
    ];
    expect(withoutHopByHop(headers)).toEqual([["Accept", "*/*"]]);
  });
});

describe("keepsAlive()", () => {
  it.each([
    ["1.1", undefined, true],
    ["1.1", "close", false],
    ["1.1", "keep-alive, Close", false],
    ["1.0", undefined, false],
    ["1.0", "Keep-Alive", true],
    ["1.0", "keep-alive, close", false],
  ] as const)("in HTTP/%s with Connection %s is %s", (version, connection, expected) => {
    expect(keepsAlive(version, connection === undefined ? [] : [["Connection", connection]])).toBe(expected);
  });
});
