import type { Answer, Block, LessonFault, ListItem, Question } from "./lesson.ts";

const PROMPT = /^\*\*Question (\d+)\.\*\* /;

/** Whether a line begins a question. */
export function isQuestion(line: string): boolean {
  return PROMPT.test(line);
}

/** Puts a question together from its prompt, its choices and what stands below it. */
export function asQuestion(parts: {
  readonly prompt: string;
  readonly choices: readonly ListItem[];
  readonly blocks: readonly Block[];
  readonly line: number;
}): Question | LessonFault {
  const { prompt, choices, blocks, line } = parts;
  const [first, ...explanation] = blocks;
  if (first?.kind !== "verbatim" || first.language !== "answer")
    return { line, message: "expected an ```answer block" };
  const answer = readAnswer(first.lines);
  if (typeof answer === "string") return { line, message: `answer: ${answer}` };
  const letters = choices.map(({ mark }) => mark);
  if (letters.length > 0 && !letters.includes(answer.is))
    return { line, message: `answer: expected one of ${letters.join(", ")}` };
  const number = Number(PROMPT.exec(prompt)?.[1]);
  return { kind: "question", number, prompt: prompt.replace(PROMPT, ""), choices, answer, explanation, line };
}

/** Lines of `key: value`, the value as it stands to the line's end: commands and patterns are full of what YAML would want quoted. */
function readAnswer(lines: readonly string[]): Answer | string {
  const values = new Map<string, string>();
  for (const line of lines) {
    const [, key = "", value = ""] = /^(\w+): +(.+)$/.exec(line) ?? [];
    if (!KEYS.has(key)) return `expected ${[...KEYS].join(", ")}, not ${JSON.stringify(line)}`;
    if (values.has(key)) return `${key} is there twice`;
    values.set(key, value.trim());
  }
  const is = values.get("is");
  const or = values.get("or")?.split(/, */) ?? [];
  const [from, finds] = [values.get("from"), values.get("finds")];
  if (is === undefined) return "expected is: and the right answer";
  if (from === undefined && finds === undefined) return { is, or, evidence: undefined };
  if (from === undefined || finds === undefined) return "from and finds belong together";
  const pattern = readPattern(finds);
  return typeof pattern === "string" ? pattern : { is, or, evidence: { command: from, finds: pattern } };
}

/** The answer; other forms of it, with commas between them; a command, and the pattern that finds the answer in what it prints. */
const KEYS: ReadonlySet<string> = new Set(["is", "or", "from", "finds"]);

function readPattern(source: string): RegExp | string {
  try {
    return new RegExp(source, "m");
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
