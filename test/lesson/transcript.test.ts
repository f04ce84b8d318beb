import { describe, expect, it } from "vitest";
import { matchesTranscript, refreshTranscript } from "../../src/lesson/index.ts";

const OUTPUT = "one\ntwo 2\nthree\nfour\n";

describe("matchesTranscript()", () => {
  it.each([
    [["one", "two 2", "three", "four"], true],
    [["one", "two 2", "three"], false],
    [["one", "…"], true],
    [["…", "four"], true],
    [["…", "three", "…"], true],
    [["one", "…", "four"], true],
    [["two 2", "…"], false],
    [["…", "three"], false],
    [["one", "…", "two 2", "three", "four"], true],
    [["…", "three", "…", "two 2", "…"], false],
    [["…"], true],
    [[], false],
  ])("%j", (shown, expected) => {
    expect(matchesTranscript(shown, OUTPUT)).toBe(expected);
  });

  it("takes no notice of blanks at the ends of lines and of empty lines at the end", () => {
    expect(matchesTranscript(["one"], "one  \n\n")).toBe(true);
    expect(matchesTranscript([], "")).toBe(true);
  });

  it("does not take one line for two", () => {
    expect(matchesTranscript(["one", "…", "one"], "one\n")).toBe(false);
  });
});

describe("refreshTranscript()", () => {
  it("gives all of the output where nothing was left out", () => {
    expect(refreshTranscript(["old"], OUTPUT)).toEqual(["one", "two 2", "three", "four"]);
  });

  it("keeps the lines that were shown, with today's numbers", () => {
    expect(refreshTranscript(["…", "two 17", "…"], OUTPUT)).toEqual(["…", "two 2", "…"]);
    expect(refreshTranscript(["one", "…"], OUTPUT)).toEqual(["one", "…"]);
  });

  it("says when what was shown is gone", () => {
    expect(refreshTranscript(["…", "seven", "…"], OUTPUT)).toBeUndefined();
  });
});
