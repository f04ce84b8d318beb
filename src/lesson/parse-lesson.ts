import type { Block, Lesson, LessonFault, ListItem, TypedCommand } from "./lesson.ts";
import { asQuestion, isQuestion } from "./parse-question.ts";

/** Lessons are some hundred lines long. */
const MOST_LINES = 5000;

/** Reads a lesson from its Markdown, of which it knows the part that lessons use. The file's name is like `03-port-clash.md`. */
export function parseLesson(fileName: string, text: string): Lesson | LessonFault {
  const named = /^(\d+)-([a-z0-9-]+)\.md$/.exec(fileName);
  if (named === null) return { line: 1, message: `${fileName}: expected a name like 03-port-clash.md` };
  const lines = text.split(/\r?\n/);
  if (lines.length > MOST_LINES) return { line: MOST_LINES, message: `longer than ${MOST_LINES} lines` };
  const reader = new BlockReader(lines);
  const blocks = reader.read();
  if ("message" in blocks) return blocks;
  const [first, ...rest] = blocks;
  if (first?.kind !== "heading" || first.level !== 1) return { line: 1, message: "expected a heading: # 3. Its title" };
  const title = first.text.replace(/^\d+\. /, "");
  return { name: named[2] ?? "", number: Number(named[1]), title, blocks: rest };
}

/** Reads Markdown block by block. */
export class BlockReader {
  readonly #lines: readonly string[];
  readonly #before: number;
  #at = 0;

  /** `before` lines of the file stand before these. */
  constructor(lines: readonly string[], before = 0) {
    this.#lines = lines;
    this.#before = before;
  }

  read(): Block[] | LessonFault {
    const blocks: Block[] = [];
    while (this.#at < this.#lines.length) {
      if (this.#line().trim() === "") {
        this.#at += 1;
        continue;
      }
      const block = this.#block(blocks);
      if ("message" in block) return block;
      blocks.push(block);
    }
    return blocks;
  }

  #block(before: readonly Block[]): Block | LessonFault {
    const line = this.#line();
    const heading = /^(#{1,4}) (.+)$/.exec(line);
    if (heading !== null) {
      this.#at += 1;
      return { kind: "heading", level: heading[1]?.length ?? 1, text: heading[2] ?? "" };
    }
    if (line.startsWith("```")) return this.#fence(before);
    if (isQuestion(line)) return this.#question();
    if (line.startsWith("|"))
      return { kind: "table", rows: this.#while((each) => each.startsWith("|")).flatMap(cells) };
    if (ITEM.test(line)) return { kind: "list", items: this.#list() };
    return { kind: "paragraph", text: this.#paragraph() };
  }

  #fence(before: readonly Block[]): Block | LessonFault {
    const start = this.#number();
    const [language = "", name] = this.#line().slice(3).trim().split(/\s+/);
    this.#at += 1;
    const lines = this.#while((line) => !line.startsWith("```"));
    if (this.#at === this.#lines.length) return { line: start, message: "the block is not closed by ```" };
    this.#at += 1;
    if (language === "console") return readConsole(lines, start);
    if (language === "wireshark")
      return this.#packets({ capture: name, filter: lines.join("\n").trim(), start, before });
    if (name === undefined) return { kind: "verbatim", language, lines };
    return { kind: "file", name, text: `${lines.join("\n")}\n` };
  }

  /** A filter is followed by the list of what it shows. */
  #packets(of: {
    capture: string | undefined;
    filter: string;
    start: number;
    before: readonly Block[];
  }): Block | LessonFault {
    const capture = of.capture ?? latestCapture(of.before);
    if (capture === undefined) return { line: of.start, message: "of which capture? No command before writes one" };
    while (this.#line().trim() === "" && this.#at < this.#lines.length) this.#at += 1;
    if (this.#line().trim() !== "```packets") return { line: this.#number(), message: "expected a ```packets block" };
    this.#at += 1;
    const line = this.#number();
    const list = this.#while((each) => !each.startsWith("```"));
    this.#at += 1;
    return { kind: "packets", capture, filter: of.filter, list, line };
  }

  #question(): Block | LessonFault {
    const line = this.#number();
    const prompt = this.#paragraph();
    this.#skipBlank();
    const choices = ITEM.test(this.#line()) ? this.#list() : [];
    this.#skipBlank();
    if (!this.#line().startsWith("<details>")) return { line, message: "expected <details> with the answer" };
    this.#at += 1;
    const answerLine = this.#number();
    const lines = this.#while((each) => each.trim() !== "</details>");
    if (this.#at === this.#lines.length) return { line: answerLine, message: "expected </details>" };
    this.#at += 1;
    const blocks = new BlockReader(lines, answerLine - 1).read();
    return "message" in blocks ? blocks : asQuestion({ prompt, choices, blocks, line: answerLine });
  }

  #list(): ListItem[] {
    const items: ListItem[] = [];
    while (ITEM.test(this.#line())) {
      const [, mark = "", letter, first = ""] = ITEM.exec(this.#line()) ?? [];
      this.#at += 1;
      const more = this.#while((line) => /^\s+\S/.test(line) && !ITEM.test(line));
      items.push({ mark: letter ?? mark, text: [first, ...more.map((line) => line.trim())].join(" ") });
    }
    return items;
  }

  #paragraph(): string {
    const lines = [this.#line()];
    this.#at += 1;
    lines.push(...this.#while((line) => line.trim() !== "" && !/^(```|#|<|\|)/.test(line) && !ITEM.test(line)));
    return lines.map((line) => line.trim()).join(" ");
  }

  #skipBlank(): void {
    this.#while((line) => line.trim() === "");
  }

  #while(holds: (line: string) => boolean): string[] {
    const start = this.#at;
    while (this.#at < this.#lines.length && holds(this.#line())) this.#at += 1;
    return this.#lines.slice(start, this.#at);
  }

  #line(): string {
    return this.#lines[this.#at] ?? "";
  }

  /** Of the line in the file, from 1. */
  #number(): number {
    return this.#before + this.#at + 1;
  }
}

/** `- text`, `1. text`, or a choice: `- **a** text`. */
const ITEM = /^(-|\d+\.) (?:\*\*([a-z])\*\* )?(.+)$/;

function cells(line: string): string[][] {
  const row = line.replace(/^\||\|\s*$/g, "").split(/(?<!\\)\|/);
  return row.every((cell) => /^\s*:?-+:?\s*$/.test(cell))
    ? []
    : [row.map((cell) => cell.trim().replaceAll("\\|", "|"))];
}

/** What scenarios print has lines that begin with `$ `, too. */
const COMMAND = /^\$ natscope /;

/** Lines that end in a backslash go on in the next. */
function readConsole(lines: readonly string[], start: number): Block | LessonFault {
  const commands: { typed: string; output: string[]; line: number }[] = [];
  let goesOn = false;
  for (const [index, line] of lines.entries()) {
    const last = commands.at(-1);
    if (goesOn && last !== undefined) last.typed = `${last.typed.slice(0, -1).trimEnd()} ${line.trim()}`;
    else if (COMMAND.test(line)) commands.push({ typed: line.slice(2), output: [], line: start + index + 1 });
    else if (last === undefined) return { line: start + 1, message: "expected a command: $ natscope …" };
    else last.output.push(line);
    goesOn = (goesOn || COMMAND.test(line)) && line.endsWith("\\");
  }
  return { kind: "console", commands: commands.map((command) => ({ ...command, output: withoutEnd(command.output) })) };
}

/** An empty line between two commands belongs to neither. */
function withoutEnd(output: readonly string[]): readonly string[] {
  return output.at(-1) === "" ? output.slice(0, -1) : output;
}

function latestCapture(blocks: readonly Block[]): string | undefined {
  const commands = blocks.flatMap((block): readonly TypedCommand[] => (block.kind === "console" ? block.commands : []));
  return commands.map(({ typed }) => /--pcap (\S+\.pcapng)/.exec(typed)?.[1]).findLast((name) => name !== undefined);
}
