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
