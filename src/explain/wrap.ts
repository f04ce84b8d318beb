/** How lines are broken: at `width` columns, all lines `indent` in, those after the first `hang` more. */
export interface WrapOptions {
  readonly width: number;
  readonly indent?: number;
  readonly hang?: number;
}

/** Narrower than this, nothing is broken any more: a rule's words would stand one by one. */
const NARROWEST = 24;

/** Breaks a text into lines at spaces; a word that is too long has a line of its own. */
export function wrap(text: string, { width, indent = 0, hang = 0 }: WrapOptions): string[] {
  const lines: string[] = [];
  let line = " ".repeat(indent);
  let isEmpty = true;
  for (const word of text.split(/ (?=\S)/)) {
    const start = " ".repeat(indent + hang);
    if (!isEmpty && line.length + 1 + word.length > Math.max(width, start.length + NARROWEST)) {
      lines.push(line);
      line = start;
      isEmpty = true;
    }
    line += isEmpty ? word : ` ${word}`;
    isEmpty = false;
  }
  return [...lines, line];
}

const LABEL_WIDTH = 10;

/** A text behind a label, its further lines under its first. */
export function labelled(label: string, text: string, options: WrapOptions): string[] {
  const hang = LABEL_WIDTH;
  const [first = "", ...others] = wrap(text, { ...options, indent: (options.indent ?? 0) + hang });
  return [`${" ".repeat(options.indent ?? 0)}${label.padEnd(hang)}${first.trimStart()}`, ...others];
}
