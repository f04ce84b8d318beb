import { readFilterFrame, type SeenFrame } from "./filter-frame.ts";
import { type FilterFault, lexFilter } from "./filter-lexer.ts";
import { parseFilter } from "./filter-parser.ts";

/** A display filter that was understood. */
export interface DisplayFilter {
  readonly text: string;
  /** Whether a frame matches. */
  readonly matches: (frame: SeenFrame) => boolean;
}

/**
 * Reads a part of Wireshark's display filter language: fields, `== != > < >= <=`, `in {…}`, `contains`, `and or not` with parentheses. What
 * it cannot read it refuses with the column and what was expected there; docs/scenario-format.md lists the fields.
 */
export function compileDisplayFilter(
  text: string,
): { readonly filter: DisplayFilter } | { readonly fault: FilterFault } {
  const lexed = lexFilter(text);
  if ("fault" in lexed) return lexed;
  const parsed = parseFilter(lexed.tokens);
  if ("fault" in parsed) return parsed;
  const { predicate } = parsed;
  return { filter: { text, matches: (frame) => predicate(readFilterFrame(frame)) } };
}
