import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runTypedLine } from "../../src/cli/lesson-commands.ts";
import { runProgram } from "../../src/cli/program.ts";
import {
  type Block,
  findAnswer,
  findPackets,
  isRight,
  type Lesson,
  listPackets,
  matchesTranscript,
  type PacketsBlock,
  parseLesson,
  type Question,
  refreshTranscript,
  type TypedCommand,
} from "../../src/lesson/index.ts";
import { type CapturedPacket, readCapture } from "../../src/pcap/index.ts";

const DIRECTORY = new URL("../../docs/lessons/", import.meta.url).pathname;

/** The lessons' files, in order. */
export const LESSON_FILES: readonly string[] = readdirSync(DIRECTORY)
  .filter((name) => /^\d+-/.test(name))
  .sort();

/** Reads a lesson that must be well formed. */
export function readLesson(file: string): Lesson {
  const lesson = parseLesson(file, readFileSync(join(DIRECTORY, file), "utf8"));
  if ("message" in lesson) throw new Error(`${file}:${lesson.line}: ${lesson.message}`);
  return lesson;
}

/** The text of a lesson's file. */
export function lessonText(file: string): string {
  return readFileSync(join(DIRECTORY, file), "utf8");
}

/** Runs natscope, and filters behind it, in this process; gives both outputs. */
export function runLine(line: string): Promise<string> {
  return runTypedLine(line, { now: () => 0, isInterrupted: async () => false, runProgram });
}

/** Does the work in a directory of its own, which is the current one meanwhile. */
export async function inOwnDirectory<T>(work: () => Promise<T>): Promise<T> {
  const before = process.cwd();
  const directory = mkdtempSync(join(tmpdir(), "natscope-lesson-"));
  try {
    process.chdir(directory);
    return await work();
  } finally {
    process.chdir(before);
    rmSync(directory, { recursive: true });
  }
}

/** A block of output that a lesson shows, beside what it should be. */
export interface Shown {
  readonly where: string;
  readonly shown: readonly string[];
  readonly actual: string;
  /** The first line of the block in the file, from 1. */
  readonly line: number;
}

type RunLine = (line: string) => Promise<string>;

/** What a lesson's commands and filters really print, and what is wrong with its answers. */
export async function walkLesson(file: string): Promise<{ shown: Shown[]; wrongAnswers: string[] }> {
  const lesson = readLesson(file);
  return inOwnDirectory(async () => {
    const shown: Shown[] = [];
    const wrongAnswers: string[] = [];
    const outputs = new Map<string, string>();
    // A run is a function of the scenario and its seed: each command needs to be run once.
    const run: RunLine = async (line) => {
      const output = outputs.get(line) ?? (await runLine(line));
      outputs.set(line, output);
      return output;
    };
    for (const block of lesson.blocks) {
      if (block.kind === "file") writeFileSync(block.name, block.text);
      if (block.kind === "console") {
        for (const command of block.commands) shown.push(await runShown(command, run));
      }
      if (block.kind === "packets") shown.push(...listShown(block));
      if (block.kind === "question") wrongAnswers.push(...(await checkAnswer(block, run)));
    }
    return { shown, wrongAnswers };
  });
}

async function runShown({ typed, output, line }: TypedCommand, run: RunLine): Promise<Shown> {
  return { where: `$ ${typed}`, shown: output, actual: await run(typed), line: line + 1 };
}

/** The packets of a capture that a command of the lesson has written. */
export function capturedPackets(capture: string): readonly CapturedPacket[] {
  return readCapture(new Uint8Array(readFileSync(capture))).packets;
}

/** Nothing for a filter with fields that natscope does not know: the system tests ask tshark. */
function listShown({ capture, filter, list, line }: PacketsBlock): Shown[] {
  const packets = capturedPackets(capture);
  const numbers = findPackets(packets, filter);
  if (numbers === undefined) return [];
  return [{ where: filter, shown: list, actual: listPackets(packets, numbers).join("\n"), line }];
}

async function checkAnswer(question: Question, run: RunLine): Promise<string[]> {
  const { evidence, is, or } = question.answer;
  const finding = findAnswer(question, evidence && (await run(evidence.command)));
  const where = `question ${question.number}: `;
  if ("fault" in finding) return [where + finding.fault];
  const given = [is, ...or].filter((each) => !isRight(question, finding.answer, each));
  const told = question.explanation.some((block: Block) => block.kind === "paragraph");
  return [
    ...given.map((each) => `${where}the lesson says ${each}, the run says ${finding.answer}`),
    ...(told ? [] : [`${where}is not explained`]),
  ];
}

/** Whether what is shown is what comes. */
export function isAsShown({ shown, actual }: Shown): boolean {
  return matchesTranscript(shown, actual);
}

/** Writes what comes now into the lesson; gives the blocks of which something that they showed is gone. */
export function refreshLesson(file: string, blocks: readonly Shown[]): string[] {
  const lines = lessonText(file).split("\n");
  const lost: string[] = [];
  for (const { where, shown, actual, line } of [...blocks].reverse()) {
    // What a broken natscope says is not what a lesson should.
    const fresh = /natscope has a fault|^0 packets$/m.test(actual) ? undefined : refreshTranscript(shown, actual);
    if (fresh === undefined) lost.push(where);
    else lines.splice(line - 1, shown.length, ...fresh);
  }
  writeFileSync(join(DIRECTORY, file), lines.join("\n"));
  return lost;
}
