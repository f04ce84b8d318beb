/** Which capture points are wanted, by patterns in which `*` stands for any characters and `?` for one; none given means all. */
export class PointSelection {
  readonly #patterns: readonly { readonly text: string; readonly expression: RegExp }[] | undefined;
  readonly #unused: Set<string>;

  constructor(patterns: readonly string[] | undefined) {
    this.#patterns = patterns?.map((text) => ({ text, expression: expressionFor(text) }));
    this.#unused = new Set(patterns);
  }

  /** Whether the point is wanted; also notes which patterns have found something. */
  selects(name: string): boolean {
    if (this.#patterns === undefined) return true;
    let selected = false;
    for (const { text, expression } of this.#patterns) {
      if (!expression.test(name)) continue;
      this.#unused.delete(text);
      selected = true;
    }
    return selected;
  }

  /** The patterns that have matched no point so far: most likely mistyped. */
  get unused(): readonly string[] {
    return [...this.#unused];
  }
}

function expressionFor(pattern: string): RegExp {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replace(/\*+/g, ".*")
    .replace(/\?/g, ".");
  return new RegExp(`^${source}$`, "su");
}
