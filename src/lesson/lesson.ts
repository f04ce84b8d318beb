/** A lesson of the course: a Markdown file, taken apart. */
export interface Lesson {
  /** As `natscope lesson NAME` takes it: the file's name without its number. */
  readonly name: string;
  readonly number: number;
  readonly title: string;
  readonly blocks: readonly Block[];
}

/** A piece of a lesson, in the order in which it is read. */
export type Block =
  | { readonly kind: "heading"; readonly level: number; readonly text: string }
  | { readonly kind: "paragraph"; readonly text: string }
  | { readonly kind: "list"; readonly items: readonly ListItem[] }
  | { readonly kind: "table"; readonly rows: readonly (readonly string[])[] }
  /** A picture, or any text that is shown as it stands. */
  | { readonly kind: "verbatim"; readonly language: string; readonly lines: readonly string[] }
  /** A file that the commands after it use. */
  | { readonly kind: "file"; readonly name: string; readonly text: string }
  | { readonly kind: "console"; readonly commands: readonly TypedCommand[] }
  | PacketsBlock
  | Question;

export interface ListItem {
  /** `-`, `1.` or a choice's letter. */
  readonly mark: string;
  readonly text: string;
}

/** A command as typed, and what it prints; a line `…` stands for any number of lines that are left out. */
export interface TypedCommand {
  readonly typed: string;
  readonly output: readonly string[];
  /** The command's line in the file, from 1. */
  readonly line: number;
}

/** A display filter, to be typed in Wireshark, and the packets that it shows. */
export interface PacketsBlock {
  readonly kind: "packets";
  /** The capture, which a command before has written. */
  readonly capture: string;
  readonly filter: string;
  readonly list: readonly string[];
  /** The list's first line in the file, from 1. */
  readonly line: number;
}

/** A question, and how an answer to it is judged. */
export interface Question {
  readonly kind: "question";
  readonly number: number;
  readonly prompt: string;
  /** Empty where the answer is a word or a number. */
  readonly choices: readonly ListItem[];
  readonly answer: Answer;
  readonly explanation: readonly Block[];
  /** The answer's line in the file, from 1. */
  readonly line: number;
}

/** The right answer. What a run can tell is taken from a run, so that it cannot be stale. */
export interface Answer {
  /** A choice's letter, or the text to give. */
  readonly is: string;
  /** Other forms of it that are right. */
  readonly or: readonly string[];
  readonly evidence: Evidence | undefined;
}

/** Where the answer can be read: a command, and what is found in its output. A group in the pattern holds the answer itself. */
export interface Evidence {
  readonly command: string;
  readonly finds: RegExp;
}

/** What is not as a lesson should be, and where. */
export interface LessonFault {
  readonly line: number;
  readonly message: string;
}

/** All questions of a lesson, in order. */
export function questionsOf({ blocks }: Lesson): Question[] {
  return blocks.filter((block) => block.kind === "question");
}

/** All commands that a lesson has its reader type, in order. */
export function commandsOf({ blocks }: Lesson): TypedCommand[] {
  return blocks.flatMap((block) => (block.kind === "console" ? block.commands : []));
}
