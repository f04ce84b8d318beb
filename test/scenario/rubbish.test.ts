import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError, compileDisplayFilter } from "../../src/scenario/index.ts";
import { load, SAMPLE } from "./sample-scenario.ts";

/** Loads, or says what is wrong; anything else than a ConfigError is a fault of natscope's. */
function isTakenOrRefused(text: string): boolean {
  try {
    load(text);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    expect(error.message).not.toBe("");
    expect(error.problems.every(({ line = 1, column = 1 }) => line >= 1 && column >= 1)).toBe(true);
  }
  return true;
}

const PIECES = [
  "{",
  "}",
  "[",
  "]",
  ":",
  "- ",
  "|",
  "&a ",
  "*a",
  "!!",
  "'",
  '"',
  "\n",
  "  ",
  "null",
  "0",
  "-1",
  "1e9",
  "~",
  "\u2028",
  "é",
  "x",
];

describe("a file with rubbish in it is refused, never a crash:", () => {
  it("the sample with pieces put in and taken out", () => {
    const edit = fc.record({
      at: fc.nat(SAMPLE.length),
      remove: fc.nat(30),
      insert: fc.oneof(fc.constantFrom(...PIECES), fc.string({ maxLength: 8 })),
    });
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), (edits) => {
        let text = SAMPLE;
        for (const { at, remove, insert } of edits) text = text.slice(0, at) + insert + text.slice(at + remove);
        return isTakenOrRefused(text);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it("the sample with a value replaced by one of another kind", () => {
    const values = [
      "null",
      "[]",
      "{}",
      "[1, 2]",
      "true",
      "-5",
      "1.5",
      '""',
      "{ a: 1 }",
      "10.0.0.1",
      "0.0.0.0/0",
      "[[[]]]",
      "2026-01-01",
    ];
    const lines = SAMPLE.split("\n");
    const places = lines.flatMap((line, index) => (/^\s*(- )?\w[\w/]*:/.test(line) ? [index] : []));
    for (const place of places) {
      for (const value of values) {
        const edited = lines.with(place, (lines[place] ?? "").replace(/:(\s.*)?$/, `: ${value}`));
        expect(isTakenOrRefused(edited.join("\n"))).toBe(true);
      }
    }
  });

  it("any text at all", () => {
    fc.assert(fc.property(fc.string({ maxLength: 200, unit: "binary" }), isTakenOrRefused), { seed: 1, numRuns: 300 });
  });
});

it("any text at all is a display filter or is refused with a column", () => {
  const words = [
    "ip.src",
    "==",
    "10.0.0.1",
    "(",
    ")",
    "and",
    "not",
    "tcp",
    "in",
    "{",
    "}",
    "..",
    ",",
    '"x"',
    "!",
    "contains",
    "frame",
  ];
  const text = fc.oneof(
    fc.string({ maxLength: 40 }),
    fc.array(fc.constantFrom(...words), { maxLength: 12 }).map((all) => all.join(" ")),
  );
  fc.assert(
    fc.property(text, (filter) => {
      const compiled = compileDisplayFilter(filter);
      return "filter" in compiled || (compiled.fault.column >= 1 && compiled.fault.column <= filter.length + 1);
    }),
    { seed: 1, numRuns: 2000 },
  );
});
