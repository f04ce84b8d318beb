import { describe, expect, it } from "vitest";
import { type Block, formatBlock } from "../../src/lesson/index.ts";

const PLAIN = (text: string): string => text;
const STYLE = { width: 40, strong: (text: string) => `<${text}>`, aside: PLAIN, good: PLAIN, bad: PLAIN };

describe("formatBlock()", () => {
  it.each<[string, Block, string]>([
    [
      "breaks paragraphs and sets bold words off",
      { kind: "paragraph", text: "The *source* is **what changed** in `ip.src`, says [lesson 2](02-replies.md)." },
      "The source is <what> <changed> in\nip.src, says lesson 2.\n",
    ],
    [
      "keeps the place of a link that leads out",
      { kind: "paragraph", text: "See [it](https://example.com/)." },
      "See it (https://example.com/).\n",
    ],
    [
      "hangs list items",
      { kind: "list", items: [{ mark: "1.", text: "a word and another word and yet another word" }] },
      "  1. a word and another word and yet\n     another word\n",
    ],
    [
      "aligns tables",
      {
        kind: "table",
        rows: [
          ["field", "`at`"],
          ["a", "**b**"],
        ],
      },
      "<  field  at>\n  a      b\n",
    ],
    [
      "sets commands and outputs in",
      { kind: "console", commands: [{ typed: "natscope run x", output: ["a", "…"], line: 1 }] },
      "  <$ natscope run x>\n  a\n  …\n",
    ],
    [
      "shows a filter above its packets",
      { kind: "packets", capture: "x.pcapng", filter: "icmp", list: ["No.", "0 packets"], line: 1 },
      "  Display filter (x.pcapng):\n    <icmp>\n\n    No.\n    0 packets\n",
    ],
    [
      "asks without answering",
      {
        kind: "question",
        number: 3,
        prompt: "Who?",
        choices: [{ mark: "a", text: "me" }],
        answer: { is: "a", or: [], evidence: undefined },
        explanation: [],
        line: 1,
      },
      "<Question> <3.> Who?\n  a) me\n",
    ],
    ["names files", { kind: "file", name: "x.yaml", text: "a: 1\n" }, "  <x.yaml>\n    a: 1\n"],
    ["leaves pictures as they are", { kind: "verbatim", language: "text", lines: ["a ── b"] }, "    a ── b\n"],
  ])("%s", (_, block, expected) => {
    expect(formatBlock(block, STYLE)).toBe(expected);
  });
});
