import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TextStyle } from "../explain/index.ts";
import {
  type Block,
  findAnswer,
  formatBlock,
  formatOutput,
  formatPrompt,
  isRight,
  type Lesson,
  matchesTranscript,
  type Question,
  questionsOf,
  type TypedCommand,
} from "../lesson/index.ts";
import { ConfigError } from "../scenario/index.ts";
import { describeFileError } from "./file-error.ts";
import { type CommandIo, ExitCode } from "./io.ts";
import { type LessonIo, runTypedLine } from "./lesson-commands.ts";
import { findLesson, readLessons } from "./lesson-files.ts";
import { textStyle } from "./why.ts";

/** The options of `natscope lesson`. */
export interface LessonFlags {
  readonly list?: boolean;
  readonly show?: boolean;
  readonly answers?: string;
  readonly json?: boolean;
  readonly dir?: string;
}

/** What became of one question. */
interface Graded {
  readonly number: number;
  readonly prompt: string;
  /** Absent where nothing was answered. */
  readonly given?: string;
  readonly answer: string;
  readonly right: boolean;
}

/** `natscope lesson [NAME]`: lists the lessons, or goes through one: runs its commands, asks its questions and judges the answers. */
export async function lesson(given: string | undefined, flags: LessonFlags, io: LessonIo): Promise<ExitCode> {
  if (given === undefined || flags.list === true) return listLessons(flags, io);
  const found = findLesson(given);
  if (flags.show === true) {
    io.out(formatBlocks(found, textStyle(io)));
    return ExitCode.ok;
  }
  const answers = readAnswers(found, flags.answers);
  const graded = await inLessonDirectory(flags, io, () => new LessonSession(found, answers, flags, io).run());
  const right = graded.filter((each) => each.right).length;
  const ok = right === graded.length;
  if (flags.json === true) {
    const result = { lesson: found.name, ok, right, of: graded.length, questions: graded };
    io.out(`${JSON.stringify(result, undefined, 2)}\n`);
  } else {
    const { good, bad } = textStyle(io);
    io.out(`${(ok ? good : bad)(`${right} of ${graded.length} right`)}${nextOf(found)}\n`);
  }
  return ok ? ExitCode.ok : ExitCode.unmet;
}

function listLessons(flags: LessonFlags, io: CommandIo): ExitCode {
  const lessons = readLessons();
  if (flags.json === true) {
    const list = lessons.map((each) => ({
      number: each.number,
      name: each.name,
      title: each.title,
      questions: questionsOf(each).length,
    }));
    io.out(`${JSON.stringify(list, undefined, 2)}\n`);
    return ExitCode.ok;
  }
  const width = Math.max(...lessons.map(({ name }) => name.length));
  for (const { number, name, title } of lessons)
    io.out(`${String(number).padStart(2)}  ${name.padEnd(width)}  ${title}\n`);
  io.out("\nnatscope lesson NAME begins one; the same texts are in docs/lessons.\n");
  return ExitCode.ok;
}

function formatBlocks({ number, title, blocks }: Lesson, style: TextStyle): string {
  const heading: Block = { kind: "heading", level: 1, text: `${number}. ${title}` };
  return [heading, ...blocks].map((block) => formatBlock(block, style)).join("\n");
}

/** `--answers a,b,c`: as many as there are questions. */
function readAnswers(of: Lesson, given: string | undefined): readonly string[] | undefined {
  if (given === undefined) return undefined;
  const answers = given.split(",");
  const { length } = questionsOf(of);
  if (answers.length === length) return answers;
  const message = `${of.name} has ${length} questions; expected as many answers, with commas between them`;
  throw new ConfigError([{ file: `--answers ${given}`, message }]);
}

function nextOf({ number }: Lesson): string {
  const next = readLessons().find((each) => each.number === number + 1);
  return next === undefined ? "" : `; the next lesson: natscope lesson ${next.name}`;
}

/**
 * Commands write captures: into the directory that was asked for; into the current one where somebody is at the terminal, who will open
 * them; else into one that is taken away afterwards.
 */
async function inLessonDirectory<T>(flags: LessonFlags, io: LessonIo, work: () => Promise<T>): Promise<T> {
  const { dir, answers } = flags;
  const before = process.cwd();
  const isKept = dir !== undefined || (answers === undefined && io.inputIsTerminal);
  const directory = isKept ? (dir ?? before) : mkdtempSync(join(tmpdir(), "natscope-lesson-"));
  if (isKept) enter(directory);
  else process.chdir(directory);
  try {
    if (isKept && flags.json !== true) io.out(`Captures and files of this lesson are written into ${directory}.\n\n`);
    return await work();
  } finally {
    process.chdir(before);
    if (!isKept) rmSync(directory, { recursive: true });
  }
}

function enter(directory: string): void {
  try {
    mkdirSync(directory, { recursive: true });
    process.chdir(directory);
  } catch (error) {
    throw new ConfigError([{ file: `--dir ${directory}`, message: `cannot be used: ${describeFileError(error)}` }]);
  }
}

/** One way through a lesson. */
class LessonSession {
  readonly #lesson: Lesson;
  readonly #answers: readonly string[] | undefined;
  readonly #io: LessonIo;
  readonly #style: TextStyle;
  /** With JSON, nothing but the result is printed. */
  readonly #isQuiet: boolean;
  /** Somebody is there to press Enter. */
  readonly #isAttended: boolean;
  readonly #outputs = new Map<string, string>();
  #hasEnded = false;

  constructor(of: Lesson, answers: readonly string[] | undefined, flags: LessonFlags, io: LessonIo) {
    this.#lesson = of;
    this.#answers = answers;
    this.#io = io;
    this.#style = textStyle(io);
    this.#isQuiet = flags.json === true;
    this.#isAttended = io.inputIsTerminal && answers === undefined && !this.#isQuiet;
  }

  async run(): Promise<Graded[]> {
    const { number, title, blocks } = this.#lesson;
    const graded: Graded[] = [];
    this.#block({ kind: "heading", level: 1, text: `${number}. ${title}` });
    for (const block of blocks) {
      if (block.kind === "file") writeFileOnce(block.name, block.text);
      if (block.kind === "question") graded.push(await this.#ask(block, graded.length));
      else if (block.kind === "console") await this.#commands(block.commands);
      else this.#block(block);
    }
    return graded;
  }

  async #commands(commands: readonly TypedCommand[]): Promise<void> {
    for (const command of commands) {
      this.#say(formatPrompt(command, this.#style));
      if (this.#isAttended) await this.#readLine(this.#style.aside("  Enter runs it. "));
      const output = await this.#run(command.typed);
      // What the lesson leaves out is left out here too, as long as the rest is what came.
      const lines = matchesTranscript(command.output, output) ? command.output : output.trimEnd().split("\n");
      this.#say(`${formatOutput(lines, this.#style).join("\n")}\n`);
    }
  }

  async #ask(question: Question, index: number): Promise<Graded> {
    this.#say(formatBlock(question, this.#style).trimEnd());
    const given = this.#answers === undefined ? await this.#readLine("> ") : this.#answers[index]?.trim();
    const { evidence } = question.answer;
    const finding = findAnswer(question, evidence && (await this.#run(evidence.command)));
    if ("fault" in finding)
      throw new Error(`lesson ${this.#lesson.name}, question ${question.number}: ${finding.fault}`);
    const { answer } = finding;
    const right = given !== undefined && isRight(question, answer, given);
    const { good, bad } = this.#style;
    if (this.#answers !== undefined) this.#say(`> ${given}`);
    this.#say(
      right ? good("Right.") : bad(`${given === undefined || given === "" ? "" : "No. "}The answer is ${answer}.`),
    );
    for (const block of question.explanation) this.#block(block);
    return { number: question.number, prompt: question.prompt, ...(given !== undefined && { given }), answer, right };
  }

  /** A command that was run already gives what it gave: a run is a function of the scenario and its seed. */
  async #run(typed: string): Promise<string> {
    const before = this.#outputs.get(typed);
    if (before !== undefined) return before;
    const output = await runTypedLine(typed, this.#io);
    this.#outputs.set(typed, output);
    return output;
  }

  async #readLine(prompt: string): Promise<string | undefined> {
    if (this.#hasEnded) return undefined;
    if (!this.#isQuiet) this.#io.out(prompt);
    const line = await this.#io.readLine();
    this.#hasEnded = line === undefined;
    if (!this.#io.inputIsTerminal) this.#say(line ?? "");
    return line;
  }

  #block(block: Block): void {
    this.#say(formatBlock(block, this.#style));
  }

  #say(text: string): void {
    if (!this.#isQuiet) this.#io.out(`${text}\n`);
  }
}

/** A file that is there already stays: the reader may have changed it. */
function writeFileOnce(name: string, text: string): void {
  if (!existsSync(name)) writeFileSync(name, text);
}
