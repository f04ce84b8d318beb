import { type TextStyle, wrap } from "../explain/index.ts";
import type { Block, ListItem, Question, TypedCommand } from "./lesson.ts";

/** Prints a piece of a lesson for a terminal. A question is printed without its answer. */
export function formatBlock(block: Block, style: TextStyle): string {
  return `${blockLines(block, style).join("\n")}\n`;
}

function blockLines(block: Block, style: TextStyle): string[] {
  switch (block.kind) {
    case "heading":
      return [style.strong(block.text)];
    case "paragraph":
      return prose(block.text, style, 0);
    case "list":
      return block.items.flatMap((item) => itemLines(item, style));
    case "table":
      return tableLines(block.rows, style);
    case "verbatim":
      return block.lines.map((line) => `    ${line}`);
    case "file":
      return [
        `  ${style.strong(block.name)}`,
        ...block.text
          .trimEnd()
          .split("\n")
          .map((line) => `    ${line}`),
      ];
    case "console":
      return block.commands.flatMap((command) => [
        formatPrompt(command, style),
        ...formatOutput(command.output, style),
      ]);
    case "packets":
      return [
        `  Display filter (${block.capture}):`,
        `    ${style.strong(block.filter)}`,
        "",
        ...block.list.map((line) => `    ${line}`),
      ];
    case "question":
      return questionLines(block, style);
  }
}

/** A command as it is typed. */
export function formatPrompt({ typed }: TypedCommand, style: TextStyle): string {
  return `  ${style.strong(`$ ${typed}`)}`;
}

/** What a command printed, set in. */
export function formatOutput(lines: readonly string[], style: TextStyle): string[] {
  return lines.map((line) => (line === "…" ? style.aside("  …") : line === "" ? "" : `  ${line}`));
}

function questionLines(question: Question, style: TextStyle): string[] {
  const { number, prompt, choices } = question;
  const head = prose(`**Question ${number}.** ${prompt}`, style, 0);
  return [...head, ...choices.flatMap((choice) => itemLines({ ...choice, mark: `${choice.mark})` }, style))];
}

function itemLines({ mark, text }: ListItem, style: TextStyle): string[] {
  const [first = "", ...others] = prose(text, style, mark.length + 3);
  return [`  ${mark} ${first.trimStart()}`, ...others];
}

function prose(text: string, style: TextStyle, indent: number): string[] {
  return wrap(withoutMarks(text), { width: style.width, indent }).map((line) => emphasize(line, style));
}

/** A bold word, each by itself, so that lines may be broken between them. */
const BOLD = /\*\*([^*]+)\*\*/g;

/** Inline Markdown as plain text: links by their text and place, code and emphasis by their text; bold text word by word. */
function withoutMarks(text: string): string {
  return text
    .replace(/\[([^\]]+)\]\(([^)]+)\)/g, (_, label: string, target: string) =>
      label === target || !target.includes("://") ? label : `${label} (${target})`,
    )
    .replace(/\*\*([^*]+)\*\*/g, (_, bold: string) =>
      bold
        .split(" ")
        .map((word) => `**${word}**`)
        .join(" "),
    )
    .replace(/(?<![\w*])\*([^*\s][^*]*)\*(?![\w*])/g, "$1")
    .replace(/`([^`]+)`/g, "$1");
}

function emphasize(line: string, style: TextStyle): string {
  return line.replace(BOLD, (_, word: string) => style.strong(word));
}

function tableLines(rows: readonly (readonly string[])[], style: TextStyle): string[] {
  const plain = rows.map((row) => row.map((cell) => withoutMarks(cell).replace(BOLD, "$1")));
  const columns = Math.max(...plain.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, at) => Math.max(...plain.map((row) => row[at]?.length ?? 0)));
  return plain.map((row, index) => {
    const line = `  ${row.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join("  ")}`.trimEnd();
    return index === 0 ? style.strong(line) : line;
  });
}
