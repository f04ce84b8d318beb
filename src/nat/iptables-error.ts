/** Where a piece of rule text stands. Lines and columns count from 1. */
export interface RulePlace {
  readonly file: string | undefined;
  readonly line: number;
  readonly column: number;
}

/** Rule text that cannot be taken: where, which word, what is wrong with it, and what to do. */
export class RuleSyntaxError extends Error {
  override readonly name: string = "RuleSyntaxError";
  readonly file: string | undefined;
  readonly line: number;
  readonly column: number;
  /** The word at fault; empty when it is a whole line, or something missing. */
  readonly word: string;
  readonly problem: string;
  readonly remedy: string;

  constructor(place: RulePlace & { readonly text: string }, problem: string, remedy: string) {
    const where = place.file === undefined ? `line ${place.line}` : `${place.file}:${place.line}`;
    super(`${where}, column ${place.column}: ${problem}; ${remedy}`);
    this.file = place.file;
    this.line = place.line;
    this.column = place.column;
    this.word = place.text;
    this.problem = problem;
    this.remedy = remedy;
  }
}
