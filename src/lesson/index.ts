/**
 * Lessons: the course in docs/lessons, read by machine.
 *
 * A lesson is Markdown for people. It holds what a program needs in fenced blocks: `console` has commands with their output, `wireshark` a display
 * filter and `packets` what it shows, `yaml NAME` a file that the commands use, and `answer`, folded away below each question, the right answer and the
 * command in whose output it is found. This folder reads that, compares outputs, judges answers and prints a lesson for a terminal. It neither reads files
 * nor runs commands: `natscope lesson` does, and so do the tests, which hold every output and every answer to what a run says.
 *
 * It knows no Markdown but what lessons use.
 *
 * ```ts
 * const lesson = parseLesson("03-port-clash.md", text);
 * if ("message" in lesson) throw new Error(`${lesson.line}: ${lesson.message}`);
 * for (const question of questionsOf(lesson)) isRight(question, "35752", given);
 * ```
 */

export { type Finding, findAnswer, isRight } from "./grade.ts";
export {
  type Answer,
  type Block,
  commandsOf,
  type Evidence,
  type Lesson,
  type LessonFault,
  type ListItem,
  type PacketsBlock,
  type Question,
  questionsOf,
  type TypedCommand,
} from "./lesson.ts";
export { formatBlock, formatOutput, formatPrompt } from "./lesson-text.ts";
export { findPackets, listPackets } from "./packet-list.ts";
export { parseLesson } from "./parse-lesson.ts";
export { matchesTranscript, refreshTranscript } from "./transcript.ts";
export { parseTypedLine, type Stage, type TypedLine } from "./typed-line.ts";
