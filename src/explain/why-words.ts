import type { Journey, JourneyHop, Outcome, PathStep } from "./explanation.ts";

/*
 * Words that all printers of explanations share.
 */

export const OUTCOME_WORDS: Readonly<Record<Outcome, string>> = {
  answered: "answered",
  refused: "refused: nothing listens there",
  rejected: "rejected on its way",
  dropped: "no answer: dropped on its way there",
  "answer-lost": "no answer: the answer was lost or of no use",
  unanswered: "no answer",
};

const DIRECTIONS: Readonly<Record<Journey["direction"], string>> = {
  original: "The way there",
  reply: "The way back",
  error: "The error's way",
};

/** `The way there, 6 packets`. */
export function journeyTitle({ direction, packets, what }: Journey): string {
  const kind = what === undefined ? "" : ` (${what})`;
  return `${DIRECTIONS[direction]}${kind}, ${packets} packet${packets === 1 ? "" : "s"}`;
}

/** `PREROUTING → KUBE-SERVICES → …`, with each rule's number. */
export function shortPath(path: readonly PathStep[]): string {
  return path.map(({ chain, number }) => `${chain} ${number}`).join(" → ");
}

/** Interfaces, and the packet as it goes on from here. */
export function hopLine({ in: from, out, before, after, end }: JourneyHop, index: number): string {
  const ways = [from, out].filter((name) => name !== undefined).join(" → ");
  const flow = index === 0 && end === undefined ? after : end === undefined ? after : before;
  return `${ways === "" ? "" : `(${ways})  `}${flow.source} → ${flow.destination}`;
}

/** What stands before that which would have made it otherwise. */
export function unlessTitle(question: string, outcome: string): string {
  return outcome === "answered" || question.startsWith("Whom") ? "not if" : "passes if";
}
