/** A line of this stands for any number of lines that are left out. */
const GAP = "…";

/** Whether a lesson's lines are what a command printed, lines left out apart. */
export function matchesTranscript(shown: readonly string[], output: string): boolean {
  return placeRuns(shown, linesOf(output), (line) => line) !== undefined;
}

/**
 * A lesson's lines with what the command prints now, the same lines left out as before: what is shown between two gaps is looked for by its words,
 * numbers apart. Undefined when it is no longer there.
 */
export function refreshTranscript(shown: readonly string[], output: string): string[] | undefined {
  const lines = linesOf(output);
  if (!shown.includes(GAP)) return lines;
  const places = placeRuns(shown, lines, (line) => line) ?? placeRuns(shown, lines, withoutNumbers);
  if (places === undefined) return undefined;
  return runsOf(shown).flatMap((run, index) => {
    const at = places[index] ?? 0;
    return [...(index > 0 ? [GAP] : []), ...lines.slice(at, at + run.length)];
  });
}

/** Where each run of lines between gaps begins; the first begins and the last ends with the output. */
function placeRuns(
  shown: readonly string[],
  lines: readonly string[],
  key: (line: string) => string,
): number[] | undefined {
  const runs = runsOf(shown);
  const keys = lines.map(key);
  const places: number[] = [];
  let from = 0;
  for (const [index, run] of runs.entries()) {
    const isLast = index === runs.length - 1;
    const latest = keys.length - run.length;
    const first = isLast && index > 0 ? Math.max(from, latest) : from;
    const last = index === 0 ? 0 : latest;
    const at = placeOf(run.map(key), keys, { first, last });
    if (at === undefined || (isLast && at !== latest)) return undefined;
    places.push(at);
    from = at + run.length;
  }
  return places;
}

function placeOf(
  run: readonly string[],
  lines: readonly string[],
  { first, last }: { first: number; last: number },
): number | undefined {
  for (let at = first; at <= last; at++) {
    if (run.every((line, index) => lines[at + index] === line)) return at;
  }
  return undefined;
}

function runsOf(shown: readonly string[]): string[][] {
  const runs: string[][] = [[]];
  for (const line of shown) {
    if (line === GAP) runs.push([]);
    else runs.at(-1)?.push(line);
  }
  return runs;
}

/** Lines without blanks at their ends, which editors take away. */
function linesOf(output: string): string[] {
  const lines = output.split("\n").map((line) => line.trimEnd());
  while (lines.at(-1) === "") lines.pop();
  return lines;
}

function withoutNumbers(line: string): string {
  return line.replace(/[0-9a-f]*\d[0-9a-f]*/g, "#").replace(/\s+/g, " ");
}
