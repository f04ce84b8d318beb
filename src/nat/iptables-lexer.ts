import { type RulePlace, RuleSyntaxError } from "./iptables-error.ts";

/** One argument of a rule line, without its quotes, and where it began. */
export interface Word extends RulePlace {
  readonly text: string;
}

const QUOTE = 0x22;
/** `sizeof(xt_param_buf.buffer)`. */
const WORD_LIMIT = 1024;

/**
 * Splits a line into words as `iptables-restore` does (iptables/xshared.c, `add_param_to_argv`), which is not as a shell does:
 * only double quotes quote, a backslash means something only inside them, and a closing quote ends the word.
 */
export function lexRule(text: string, start: RulePlace): Word[] {
  const words: Word[] = [];
  let at = 0;
  while (at < text.length) {
    if (isBlank(text.charCodeAt(at))) {
      at += 1;
      continue;
    }
    const began = at;
    while (at < text.length && !isBlank(text.charCodeAt(at)) && text.charCodeAt(at) !== QUOTE) at += 1;
    let word = text.slice(began, at);
    if (text.charCodeAt(at) === QUOTE) {
      const quoted = readQuoted(text, at, start);
      word += quoted.content;
      at = quoted.end + 1;
    }
    const placed = { text: word, file: start.file, line: start.line, column: start.column + began };
    if (word.length >= WORD_LIMIT)
      throw new RuleSyntaxError(placed, `this word has ${WORD_LIMIT} characters or more`, "shorten it");
    words.push(placed);
  }
  return words;
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** The pieces of a word between separators, each with its own column. */
export function splitWord(word: Word, separator: string): Word[] {
  if (!word.text.includes(separator)) return [word];
  let column = word.column;
  return word.text.split(separator).map((text) => {
    const piece = { ...word, text, column };
    column += text.length + separator.length;
    return piece;
  });
}

function readQuoted(text: string, open: number, start: RulePlace): { content: string; end: number } {
  let content = "";
  for (let at = open + 1; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (character === '"') return { content, end: at };
    if (character === "\\") at += 1;
    content += text.charAt(at);
  }
  const place = { ...start, column: start.column + open, text: text.slice(open) };
  throw new RuleSyntaxError(place, "the quotation mark is never closed", 'add the closing "');
}

/** A text as `iptables-save` quotes it (libxtables, `xtables_save_string`). */
export function formatQuoted(text: string): string {
  if (/^[\w-]+$/.test(text)) return text;
  return `"${text.replace(/["\\']/g, "\\$&")}"`;
}
