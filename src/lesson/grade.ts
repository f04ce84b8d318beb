import type { Question } from "./lesson.ts";

/** What a question's run says of its answer. */
export type Finding = { readonly answer: string } | { readonly fault: string };

/** The right answer, as a run tells it: `output` is what the question's command printed. */
export function findAnswer({ answer, choices }: Question, output: string | undefined): Finding {
  if (answer.evidence === undefined) return { answer: answer.is };
  const found = answer.evidence.finds.exec(output ?? "");
  if (found === null) return { fault: `${answer.evidence.finds} is not in the output of ${answer.evidence.command}` };
  // A choice is what the evidence speaks for; any other answer stands in the output itself.
  return { answer: choices.length > 0 ? answer.is : (found[1] ?? answer.is) };
}

/** Whether a given answer is right. Case, blanks around it, and how a choice's letter is set off do not matter. */
export function isRight(question: Question, answer: string, given: string): boolean {
  const isChoice = question.choices.length > 0;
  const plain = isChoice ? choiceOf : plainText;
  return [answer, ...question.answer.or].some((right) => plain(right) === plain(given));
}

function choiceOf(text: string): string {
  return /^\s*\(?([a-z])\b/i.exec(text)?.[1]?.toLowerCase() ?? "";
}

function plainText(text: string): string {
  return text
    .trim()
    .replace(/\s+/g, " ")
    .replace(/^["'`]|["'`]$/g, "")
    .toLowerCase();
}
