import { expandWord, parseTextFilter, type TextFilter, tokenize } from "../apps/index.ts";

/** A line as typed into a shell, as far as lessons go: natscope and text filters, joined by `|`, perhaps into a file. */
export interface TypedLine {
  readonly stages: readonly Stage[];
  /** The file behind `>`. */
  readonly into: string | undefined;
}

export type Stage =
  | { readonly kind: "natscope"; readonly args: readonly string[] }
  | { readonly kind: "filter"; readonly filter: TextFilter };

/** Reads a line; a text says why it cannot be. */
export function parseTypedLine(line: string): TypedLine | string {
  const [, command = "", into] = /^(.*?)(?: > ([\w.-]+))?$/.exec(line.trim()) ?? [];
  const tokens = tokenize(command);
  if (!Array.isArray(tokens)) return `${tokens.fault} (column ${tokens.column})`;
  const words: string[][] = [[]];
  for (const token of tokens) {
    if (token.kind === "word") words.at(-1)?.push(...expandWord(token.word, NO_VARIABLES));
    else if (token.kind === "operator" && token.text === "|") words.push([]);
    else return `only | joins commands here (column ${token.column})`;
  }
  const stages: Stage[] = [];
  for (const [name = "", ...args] of words) {
    if (name === "natscope") stages.push({ kind: "natscope", args });
    else {
      const filter = parseTextFilter([name, ...args]);
      if ("fault" in filter) return filter.fault;
      if (stages.length === 0) return `${name}: expected natscope first`;
      stages.push({ kind: "filter", filter });
    }
  }
  return { stages, into };
}

const NO_VARIABLES: ReadonlyMap<string, string> = new Map();
