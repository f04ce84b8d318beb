/** Whether a character, given as its code point, is one that is looked for. */
export type CharacterTest = (code: number) => boolean;

/** A condition on a place between characters. */
export type Assertion =
  | "line-start"
  | "line-end"
  | "word-start"
  | "word-end"
  | "word-edge"
  | "not-word-edge"
  | "not-in-word-before"
  | "not-in-word-after";

/** A pattern as a tree. */
export type PatternNode =
  | { readonly kind: "character"; readonly test: CharacterTest }
  | { readonly kind: "assert"; readonly what: Assertion }
  | { readonly kind: "sequence" | "choice"; readonly parts: readonly PatternNode[] }
  | { readonly kind: "repeat"; readonly node: PatternNode; readonly low: number; readonly high: number | undefined };

type Instruction =
  | { readonly kind: "character"; readonly test: CharacterTest }
  | { readonly kind: "assert"; readonly what: Assertion }
  | { readonly kind: "jump"; to: number[] }
  | { readonly kind: "match" };

/** Where a pattern was found: indices into the line's code points. */
export interface PatternMatch {
  readonly start: number;
  readonly end: number;
}

const MOST_INSTRUCTIONS = 8192;

/** The program of a pattern; `undefined` when it would be too large. */
export function compileProgram(node: PatternNode): PatternProgram | undefined {
  const instructions: Instruction[] = [];
  if (!emit(node, instructions)) return undefined;
  instructions.push({ kind: "match" });
  return new PatternProgram(instructions);
}

/** Appends the instructions for `node`; false when there are too many. */
function emit(node: PatternNode, to: Instruction[]): boolean {
  if (to.length > MOST_INSTRUCTIONS) return false;
  switch (node.kind) {
    case "sequence":
      return node.parts.every((part) => emit(part, to));
    case "choice":
      return emitChoice(node.parts, to);
    case "repeat":
      return emitRepeat(node, to);
    default:
      to.push(node);
      return true;
  }
}

function emitChoice(parts: readonly PatternNode[], to: Instruction[]): boolean {
  const [first, ...others] = parts;
  if (first === undefined || others.length === 0) return first === undefined || emit(first, to);
  const ways: number[] = [];
  const exits: number[][] = [];
  to.push({ kind: "jump", to: ways });
  for (const part of parts) {
    ways.push(to.length);
    if (!emit(part, to)) return false;
    const exit: number[] = [];
    exits.push(exit);
    to.push({ kind: "jump", to: exit });
  }
  for (const exit of exits) exit.push(to.length);
  return true;
}

function emitRepeat(repeat: Extract<PatternNode, { kind: "repeat" }>, to: Instruction[]): boolean {
  const { node, low, high } = repeat;
  for (let count = 0; count < low; count++) if (!emit(node, to)) return false;
  if (high === undefined) {
    const ways = [to.length + 1];
    to.push({ kind: "jump", to: ways });
    const begin = to.length - 1;
    if (!emit(node, to)) return false;
    to.push({ kind: "jump", to: [begin] });
    ways.push(to.length);
    return true;
  }
  const exits: number[][] = [];
  for (let count = low; count < high; count++) {
    const ways = [to.length + 1];
    exits.push(ways);
    to.push({ kind: "jump", to: ways });
    if (!emit(node, to)) return false;
  }
  for (const exit of exits) exit.push(to.length);
  return true;
}

/**
 * A pattern as a nondeterministic automaton, run on all its states at once (Thompson's construction): the time is at most the
 * number of instructions times the length of the line. Finds the leftmost match, and of those the longest, as POSIX wants.
 */
export class PatternProgram {
  readonly #instructions: readonly Instruction[];
  /** Per instruction, the step in which it was last reached. */
  readonly #reached: Int32Array;

  constructor(instructions: readonly Instruction[]) {
    this.#instructions = instructions;
    this.#reached = new Int32Array(instructions.length);
  }

  /** The first match at or behind `from`. */
  find(line: readonly number[], from = 0): PatternMatch | undefined {
    this.#reached.fill(-1);
    let threads: Thread[] = [];
    let best: PatternMatch | undefined;
    for (let at = from; at <= line.length; at++) {
      const here: Thread[] = [];
      // Threads that began earlier come first, so that the leftmost one takes a state.
      for (const thread of threads) this.#reach(thread, at, line, here);
      if (best === undefined) this.#reach({ at: 0, start: at }, at, line, here);
      for (const { at: place, start } of here) {
        const isMatch = this.#instructions[place]?.kind === "match";
        if (isMatch && (best === undefined || start <= best.start)) best = { start, end: at };
      }
      threads = this.#step(here, line[at], best);
      if (threads.length === 0 && best !== undefined) return best;
    }
    return best;
  }

  /** Adds the character and match instructions that can be reached from `thread` without taking a character. */
  #reach(thread: Thread, position: number, line: readonly number[], into: Thread[]): void {
    const waiting = [thread.at];
    for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
      const instruction = this.#instructions[at];
      if (instruction === undefined || this.#reached[at] === position) continue;
      this.#reached[at] = position;
      if (instruction.kind === "jump") waiting.push(...instruction.to);
      else if (instruction.kind !== "assert") into.push({ at, start: thread.start });
      else if (holds(instruction.what, line, position)) waiting.push(at + 1);
    }
  }

  #step(here: readonly Thread[], code: number | undefined, best: PatternMatch | undefined): Thread[] {
    const next: Thread[] = [];
    if (code === undefined) return next;
    for (const { at, start } of here) {
      const instruction = this.#instructions[at];
      if (best !== undefined && start > best.start) continue;
      if (instruction?.kind === "character" && instruction.test(code)) next.push({ at: at + 1, start });
    }
    return next;
  }
}

/** A place in the program, reached by a match that began at `start`. */
interface Thread {
  readonly at: number;
  readonly start: number;
}

function holds(what: Assertion, line: readonly number[], at: number): boolean {
  const before = isWord(line[at - 1]);
  const after = isWord(line[at]);
  switch (what) {
    case "line-start":
      return at === 0;
    case "line-end":
      return at === line.length;
    case "word-start":
      return !before && after;
    case "word-end":
      return before && !after;
    case "word-edge":
      return before !== after;
    case "not-word-edge":
      return before === after;
    case "not-in-word-before":
      return !before;
    case "not-in-word-after":
      return !after;
  }
}

function isWord(code: number | undefined): boolean {
  return code !== undefined && /\w/.test(String.fromCodePoint(code));
}
