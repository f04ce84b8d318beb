/** A text filter behind a `|`: gets all of a command's output at once. */
export interface Filter {
  apply(text: string): string;
}

/** Why a filter's arguments are refused, as the filter prints it. */
export interface FilterFault {
  readonly fault: string;
}

/** The lines of a text, without their ends; an unfinished last line counts. */
export function linesOf(text: string): string[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

/** Lines as text again, each ended. */
export function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join("");
}
