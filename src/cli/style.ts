/** How a run's text is set off from what its commands printed. */
export interface Style {
  readonly prompt: (text: string) => string;
  readonly aside: (text: string) => string;
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
}

/** Colours where the output takes them, nothing elsewhere. */
export function styleFor(colours: boolean): Style {
  const paint = (code: number) => (text: string) => (colours ? `\x1b[${code}m${text}\x1b[0m` : text);
  return { prompt: paint(1), aside: paint(2), good: paint(32), bad: paint(31) };
}

/** Whether an output is to have colours: a terminal's, unless NO_COLOR is set (no-color.org) or it is dumb; FORCE_COLOR goes before all, and 0 says no. */
export function takesColours(isTerminal: boolean, environment: Readonly<Record<string, string | undefined>>): boolean {
  const { FORCE_COLOR: forced, NO_COLOR: none, TERM: terminal } = environment;
  if (forced !== undefined && forced !== "") return forced !== "0" && forced !== "false";
  return isTerminal && !none && terminal !== "dumb";
}
