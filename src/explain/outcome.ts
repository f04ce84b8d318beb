import { type ConnectionRecord, isAnswerTo, type RecordedHop, type RecordedJourney } from "./connection-record.ts";
import type { Outcome } from "./explanation.ts";
import type { Flow } from "./flow.ts";

/** How a connection went for the one who opened it. */
export function outcomeOf(record: ConnectionRecord, journeys: readonly RecordedJourney[]): Outcome {
  const back = journeys.filter(({ direction }) => direction === "reply");
  const answers = back.filter(({ hops }) => hops.some((hop) => isAnswerTo(record, hop)));
  if (answers.some(({ isReset }) => !isReset)) return "answered";
  const there = journeys.filter(({ direction }) => direction === "original");
  const errors = journeys.filter(({ direction, hops }) => direction === "error" && reachesOpener(record, hops));
  if (answers.length + errors.length > 0) return endsWith(there, "no-listener") ? "refused" : "rejected";
  if (back.length > 0) return "answer-lost";
  return there.length > 0 && there.every(({ hops }) => hops.at(-1)?.end?.kind === "dropped") ? "dropped" : "unanswered";
}

function reachesOpener({ opener }: ConnectionRecord, hops: readonly RecordedHop[]): boolean {
  const last = hops.at(-1);
  return last?.box === opener && last.end?.kind === "delivered";
}

function endsWith(journeys: readonly RecordedJourney[], reason: string): boolean {
  return journeys.some(({ hops }) => {
    const end = hops.at(-1)?.end;
    return end?.kind === "dropped" && end.reason === reason;
  });
}

/** Where a connection's packets were delivered, and as what. */
export function reachedBy(
  journeys: readonly RecordedJourney[],
): { readonly box: string; readonly to: string; readonly flow: Flow | undefined } | undefined {
  for (const { direction, hops } of journeys) {
    const last = hops.at(-1);
    if (direction === "original" && last?.end?.kind === "delivered")
      return { box: last.box, to: last.end.to, flow: last.after };
  }
  return undefined;
}
