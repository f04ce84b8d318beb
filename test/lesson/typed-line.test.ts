import { describe, expect, it } from "vitest";
import { parseTypedLine } from "../../src/lesson/index.ts";

describe("parseTypedLine()", () => {
  it("splits words as a shell does", () => {
    expect(parseTypedLine("natscope run x --set 'steps=[{ on: pc }]' --seed 7")).toEqual({
      stages: [{ kind: "natscope", args: ["run", "x", "--set", "steps=[{ on: pc }]", "--seed", "7"] }],
      into: undefined,
    });
  });

  it("reads pipes, filters and a file for the output", () => {
    const typed = parseTypedLine(
      "natscope kube-proxy o.yaml | natscope trace --packet 'tcp a > b' | grep -c x > out.txt",
    );
    expect(typed).toMatchObject({
      stages: [
        { kind: "natscope" },
        { kind: "natscope", args: ["trace", "--packet", "tcp a > b"] },
        { kind: "filter" },
      ],
      into: "out.txt",
    });
  });

  it.each([
    ["rm -rf x", "rm: cannot stand behind a |"],
    ["grep x", "grep: expected natscope first"],
    ["natscope run x; natscope run y", "only | joins commands here (column 15)"],
    ["natscope run $(whoami)", "command substitution"],
    ["natscope run 'x", "a single quote is not closed"],
  ])("refuses %s", (line, message) => {
    expect(parseTypedLine(line)).toContain(message);
  });
});
