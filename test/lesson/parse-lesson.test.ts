import { describe, expect, it } from "vitest";
import { commandsOf, type Lesson, parseLesson, questionsOf } from "../../src/lesson/index.ts";

const SMALL = `# 7. A small lesson

Some **bold** text that
goes on.

- one
- two,
  longer

\`\`\`console
$ natscope run home-nat --pcap home.pcapng
$ kubectl is what the scenario printed
…

$ natscope rules home-nat \\
    --node home-router
\`\`\`

\`\`\`wireshark
tcp.flags.syn == 1
\`\`\`

\`\`\`packets
No.  Point
0 packets
\`\`\`

\`\`\`yaml lab.yaml
version: 1
\`\`\`

| a | b |
|---|---|
| 1 | 2 |

**Question 1.** Which port?

<details><summary>Answer</summary>

\`\`\`answer
is: 40000
or: forty thousand, 4e4
from: natscope run home-nat | grep 'sport='
finds: sport=(\\d+)
\`\`\`

Because.

</details>

**Question 2.** Who?

- **a** the router
- **b** the host

<details><summary>Answer</summary>

\`\`\`answer
is: b
\`\`\`

It is.

</details>
`;

function parsed(text: string): Lesson {
  const lesson = parseLesson("07-small.md", text);
  if ("message" in lesson) throw new Error(lesson.message);
  return lesson;
}

describe("parseLesson()", () => {
  it("reads name, number and title", () => {
    expect(parsed(SMALL)).toMatchObject({ name: "small", number: 7, title: "A small lesson" });
  });

  it("reads a lesson block by block", () => {
    const { blocks } = parsed(SMALL);
    expect(blocks.map(({ kind }) => kind)).toEqual([
      ...["paragraph", "list", "console", "packets", "file", "table", "question", "question"],
    ]);
    expect(blocks[0]).toEqual({ kind: "paragraph", text: "Some **bold** text that goes on." });
    expect(blocks[1]).toMatchObject({ items: [{ mark: "-", text: "one" }, { text: "two, longer" }] });
    expect(blocks[3]).toEqual({
      kind: "packets",
      capture: "home.pcapng",
      filter: "tcp.flags.syn == 1",
      list: ["No.  Point", "0 packets"],
      line: 24,
    });
    expect(blocks[4]).toEqual({ kind: "file", name: "lab.yaml", text: "version: 1\n" });
    expect(blocks[5]).toMatchObject({
      rows: [
        ["a", "b"],
        ["1", "2"],
      ],
    });
  });

  it("takes only natscope's prompts for commands, and joins what a backslash continues", () => {
    expect(commandsOf(parsed(SMALL))).toEqual([
      {
        typed: "natscope run home-nat --pcap home.pcapng",
        output: ["$ kubectl is what the scenario printed", "…"],
        line: 11,
      },
      { typed: "natscope rules home-nat --node home-router", output: [], line: 15 },
    ]);
  });

  it("reads questions with their choices and answers", () => {
    const [first, second] = questionsOf(parsed(SMALL));
    expect(first).toMatchObject({
      number: 1,
      prompt: "Which port?",
      choices: [],
      answer: {
        is: "40000",
        or: ["forty thousand", "4e4"],
        evidence: { command: "natscope run home-nat | grep 'sport='", finds: /sport=(\d+)/m },
      },
      explanation: [{ kind: "paragraph", text: "Because." }],
    });
    expect(second).toMatchObject({
      choices: [
        { mark: "a", text: "the router" },
        { mark: "b", text: "the host" },
      ],
      answer: { is: "b", or: [], evidence: undefined },
    });
  });

  it.each([
    ["a name without a number", "small.md", SMALL, "expected a name like 03-port-clash.md"],
    ["no heading", "01-x.md", "text\n", "expected a heading: # 3. Its title"],
    ["a block that is not closed", "01-x.md", "# 1. x\n\n```text\n", "the block is not closed by ```"],
    ["output without a command", "01-x.md", "# 1. x\n\n```console\nhello\n```\n", "expected a command: $ natscope …"],
    [
      "a filter without its list",
      "01-x.md",
      "# 1. x\n\n```wireshark a.pcapng\nip\n```\n",
      "expected a ```packets block",
    ],
    ["a filter without a capture", "01-x.md", "# 1. x\n\n```wireshark\nip\n```\n", "of which capture?"],
    [
      "a question without an answer",
      "01-x.md",
      "# 1. x\n\n**Question 1.** Why?\n",
      "expected <details> with the answer",
    ],
    ["an answer that is no choice", "01-x.md", SMALL.replace("is: b", "is: c"), "expected one of a, b"],
    ["an unknown key", "01-x.md", SMALL.replace("is: b", "was: b"), 'expected is, or, from, finds, not "was: b"'],
    ["a key twice", "01-x.md", SMALL.replace("is: b", "is: b\nis: a"), "is is there twice"],
    ["a command without a pattern", "01-x.md", SMALL.replace(/^finds.*\n/m, ""), "from and finds belong together"],
    ["a broken pattern", "01-x.md", SMALL.replace("sport=(\\d+)", "sport=("), "Unterminated group"],
  ])("refuses %s, with the line", (_, name, text, message) => {
    const fault = parseLesson(name, text);
    expect(fault).toMatchObject({ line: expect.any(Number), message: expect.stringContaining(message) });
  });

  it("says where the fault is", () => {
    expect(parseLesson("01-x.md", SMALL.replace("is: b", "is: c"))).toMatchObject({ line: 57 });
  });
});
