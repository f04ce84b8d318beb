import { describe, expect, it } from "vitest";
import { findAnswer, isRight, type Question } from "../../src/lesson/index.ts";

function question(answer: Partial<Question["answer"]>, choices: readonly string[] = []): Question {
  return {
    kind: "question",
    number: 1,
    prompt: "?",
    choices: choices.map((mark) => ({ mark, text: mark })),
    answer: { is: "", or: [], evidence: undefined, ...answer },
    explanation: [],
    line: 1,
  };
}

describe("findAnswer()", () => {
  it("takes a fact from the run, not from the lesson", () => {
    const asked = question({ is: "40000", evidence: { command: "natscope run x", finds: /sport=(\d+)/ } });
    expect(findAnswer(asked, "sport=35752")).toEqual({ answer: "35752" });
  });

  it("has a choice confirmed by the run", () => {
    const asked = question({ is: "a", evidence: { command: "natscope run x", finds: /dropped (\d+)/ } }, ["a", "b"]);
    expect(findAnswer(asked, "dropped 3")).toEqual({ answer: "a" });
    expect(findAnswer(asked, "none")).toEqual({ fault: "/dropped (\\d+)/ is not in the output of natscope run x" });
  });

  it("takes the lesson's word where no run can tell", () => {
    expect(findAnswer(question({ is: "b" }, ["a", "b"]), undefined)).toEqual({ answer: "b" });
  });
});

describe("isRight()", () => {
  it.each([
    ["203.0.113.7", " 203.0.113.7 ", true],
    ["203.0.113.7", "203.0.113.70", false],
    ["PREROUTING", "prerouting", true],
    ["has no route", "has  no\troute", true],
    ["MASQUERADE", "`MASQUERADE`", true],
    ["0x4000", "", false],
  ])("of %j finds %j right: %j", (answer, given, expected) => {
    expect(isRight(question({ is: answer }), answer, given)).toBe(expected);
  });

  it.each([
    ["b", true],
    ["B)", true],
    ["(b)", true],
    ["b the host", true],
    ["a", false],
    ["both", false],
    ["", false],
  ])("of choice b finds %j right: %j", (given, expected) => {
    expect(isRight(question({ is: "b" }, ["a", "b"]), "b", given)).toBe(expected);
  });

  it("takes other forms of the answer", () => {
    expect(isRight(question({ is: "0", or: ["none"] }), "0", "None")).toBe(true);
  });
});
