/** A piece of a display filter. `column` counts from 1. */
export interface FilterToken {
  readonly kind: "word" | "string" | "symbol" | "end";
  readonly text: string;
  readonly column: number;
}

/** Where a display filter stops making sense, and what was expected there. */
export interface FilterFault {
  readonly column: number;
  readonly message: string;
}

const SYMBOLS = ["==", "!=", ">=", "<=", "&&", "||", "..", ">", "<", "!", "(", ")", "{", "}", ","];

/** Words are fields, operators in letters, numbers, addresses, ranges and MAC addresses: whatever has no blank or symbol in it. */
const WORD = /[\w.:/-]+/y;

/** Splits a display filter; the last token is always `end`. */
export function lexFilter(text: string): { readonly tokens: readonly FilterToken[] } | { readonly fault: FilterFault } {
  const tokens: FilterToken[] = [];
  let at = 0;
  while (at < text.length) {
    if (/\s/.test(text.charAt(at))) {
      at += 1;
      continue;
    }
    const token = stringAt(text, at) ?? symbolAt(text, at) ?? wordAt(text, at);
    const column = at + 1;
    if (token === undefined) {
      const isOpen = text.charAt(at) === '"';
      const message = isOpen
        ? 'expected a closing " for this one'
        : `unexpected character ${JSON.stringify(text.charAt(at))}`;
      return { fault: { column, message } };
    }
    tokens.push({ kind: token.kind, text: token.text, column });
    at += token.length;
  }
  tokens.push({ kind: "end", text: "", column: text.length + 1 });
  return { tokens };
}

interface Found {
  readonly kind: FilterToken["kind"];
  readonly text: string;
  readonly length: number;
}

function stringAt(text: string, at: number): Found | undefined {
  const match = /^"((?:[^"\\]|\\.)*)"/.exec(text.slice(at));
  if (match === null) return undefined;
  return { kind: "string", text: (match[1] ?? "").replace(/\\(.)/g, "$1"), length: match[0].length };
}

function symbolAt(text: string, at: number): Found | undefined {
  const symbol = SYMBOLS.find((each) => text.startsWith(each, at));
  return symbol === undefined ? undefined : { kind: "symbol", text: symbol, length: symbol.length };
}

/** A word ends before `..`, which is a range's: `1..5`. */
function wordAt(text: string, at: number): Found | undefined {
  WORD.lastIndex = at;
  const match = WORD.exec(text)?.[0];
  if (match === undefined) return undefined;
  const [word = ""] = match.split("..");
  return { kind: "word", text: word, length: word.length };
}
