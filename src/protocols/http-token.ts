/** The characters of a token, RFC 9110 §5.6.2, for use inside a character class. */
const TCHAR = "!#$%&'*+\\-.^_`|~0-9A-Za-z";
/** A quoted-string, RFC 9110 §5.6.4. */
const QUOTED = '"(?:[\\t \\x21\\x23-\\x5b\\x5d-\\x7e\\x80-\\xff]|\\\\[\\t \\x21-\\x7e\\x80-\\xff])*"';

const TOKEN_ONLY = new RegExp(`^[${TCHAR}]+$`);
const VALUE_AT = new RegExp(`[${TCHAR}]+|${QUOTED}`, "y");
const PARAMETERS = new RegExp(`^(?:[ \\t]*;[ \\t]*[${TCHAR}]+(?:[ \\t]*=[ \\t]*(?:[${TCHAR}]+|${QUOTED}))?)*$`);

/** Whether `text` is a token of RFC 9110 §5.6.2. */
export function isToken(text: string): boolean {
  return TOKEN_ONLY.test(text);
}

/** Whether `text` is nothing but `;name` and `;name=value` parts, as after a chunk's size. */
export function isParameters(text: string): boolean {
  return PARAMETERS.test(text);
}

/** The token or quoted-string that starts at `at`, as written; `undefined` where there is none. */
export function tokenOrQuotedAt(text: string, at: number): string | undefined {
  VALUE_AT.lastIndex = at;
  return VALUE_AT.exec(text)?.[0];
}

/** What a token or quoted-string means: without quotes and backslashes. */
export function unquote(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replace(/\\(.)/gs, "$1") : text;
}

/** `text` as a token where it is one, otherwise as a quoted-string. */
export function quoteIfNeeded(text: string): string {
  return isToken(text) ? text : `"${text.replace(/["\\]/g, "\\$&")}"`;
}
