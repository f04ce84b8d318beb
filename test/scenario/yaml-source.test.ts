import { describe, expect, it } from "vitest";
import { formatProblem } from "../../src/scenario/config-error.ts";
import { LONGEST_TEXT, readYaml } from "../../src/scenario/yaml-source.ts";

describe("readYaml()", () => {
  it("tells where a value and its key stand", () => {
    const [document] = readYaml("a.yaml", "hosts:\n  client: { address: 10.0.0.1 }\nsteps:\n  - run: x\n").documents;
    expect(document?.placeOf(["hosts", "client", "address"])).toEqual({ line: 2, column: 22 });
    expect(document?.placeOfKey(["hosts", "client", "address"])).toEqual({ line: 2, column: 13 });
    expect(document?.placeOf(["steps", 0, "run"])).toEqual({ line: 4, column: 10 });
  });

  it("tells the place of the deepest thing there is on the way to one that is missing", () => {
    const [document] = readYaml("a.yaml", "hosts:\n  client: {}\n").documents;
    expect(document?.placeOf(["hosts", "client", "gateway"])).toEqual({ line: 2, column: 11 });
  });

  it("finds places behind an alias where its anchor stands", () => {
    const [document] = readYaml("a.yaml", "base: &b { mtu: big }\nother: *b\n").documents;
    expect(document?.placeOf(["other", "mtu"])).toEqual({ line: 1, column: 17 });
  });

  it("tells on which line a literal block begins", () => {
    const [document] = readYaml("a.yaml", "a: 1\ntext: |\n  first\n  second\nfolded: >\n  no\n").documents;
    expect(document?.lineOfBlock(["text"])).toBe(3);
    expect(document?.lineOfBlock(["folded"])).toBeUndefined();
  });

  it("keeps a key called __proto__ a key", () => {
    const [document] = readYaml("a.yaml", "__proto__: { polluted: true }\n").documents;
    expect(Object.keys(document?.value as object)).toEqual(["__proto__"]);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it.each([
    ["a tab", "a:\n\tb: 1\n", "x.yaml:2:1: not valid YAML: tabs are not allowed as indentation"],
    ["an open quote", 'a: "x\n', 'x.yaml:2:1: not valid YAML: missing closing "quote'],
    ["a key that is there twice", "a: 1\nb: 2\na: 3\n", 'x.yaml:3:1: not valid YAML: the key "a" is there twice'],
    [
      "an alias without an anchor",
      "a: *b\n",
      "x.yaml: not valid YAML: unresolved alias (the anchor must be set before the alias): b",
    ],
    ["control characters", "a: 1\nb: \x00\n", "x.yaml:2: not a text file: it has control characters; expected YAML"],
    ["deep nesting", `a: ${"[".repeat(201)}`, "x.yaml:1: nested deeper than 200 levels"],
    ["deep lists", `${"- ".repeat(250)}a`, "x.yaml:1: nested deeper than 200 levels"],
  ])("refuses %s", (_, text, expected) => {
    const { documents, problems } = readYaml("x.yaml", text);
    expect(documents).toEqual([]);
    expect(problems.slice(0, 1).map(formatProblem)).toEqual([expected]);
  });

  it("takes brackets in text for what they are", () => {
    const lines = Array.from({ length: 300 }, (_, i) => `k${i}: "a [ and a {"\n`);
    expect(readYaml("x.yaml", lines.join("")).problems).toEqual([]);
  });

  it("refuses anchors that multiply", () => {
    const lines = Array.from({ length: 30 }, (_, i) =>
      i === 0 ? "a0: &a0 [x]" : `a${i}: &a${i} [*a${i - 1}, *a${i - 1}]`,
    );
    expect(readYaml("x.yaml", lines.join("\n")).problems.map(formatProblem)).toEqual([
      "x.yaml: not valid YAML: its anchors multiply the text without end",
    ]);
  });

  it("refuses a text that is too long before reading it", () => {
    const text = "#".repeat(LONGEST_TEXT + 1);
    expect(readYaml("x.yaml", text).problems.map(formatProblem)).toEqual([
      "x.yaml: too long: 1000001 characters, expected at most 1000000",
    ]);
  });

  it("gives no document for an empty text", () => {
    expect(readYaml("x.yaml", "").documents).toEqual([]);
  });

  it("gives every document of a stream with its own places", () => {
    const { documents } = readYaml("x.yaml", "a: 1\n---\nb: 2\n");
    expect(documents.map(({ value }) => value)).toEqual([{ a: 1 }, { b: 2 }]);
    expect(documents[1]?.placeOf(["b"])).toEqual({ line: 3, column: 4 });
  });
});
