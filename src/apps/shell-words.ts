/** A piece of a word. What was quoted is not split into fields. */
export type WordPart =
  | { readonly kind: "text"; readonly text: string; readonly quoted: boolean }
  | { readonly kind: "variable"; readonly name: string; readonly quoted: boolean };

/** A word before expansion: its parts stand next to one another. */
export type Word = readonly WordPart[];

/** A word, an operator or a redirection, with the column it begins in. */
export type Token = { readonly column: number } & (
  | { readonly kind: "word"; readonly word: Word }
  | { readonly kind: "operator"; readonly text: string }
  | { readonly kind: "redirection"; readonly to: "stdout-to-null" | "stderr-to-null" | "stderr-to-stdout" }
);

/** Why a command line is not understood, and in which column, from 1. */
export interface CommandLineFault {
  readonly fault: string;
  readonly column: number;
}

const OPERATORS = ["&&", "||", ";", "|", "\n"] as const;

/** Ways to drop or join output, longest first. */
const REDIRECTIONS: readonly (readonly [RegExp, Extract<Token, { kind: "redirection" }>["to"]])[] = [
  [/2>&1(?=$|[\s;|&])/y, "stderr-to-stdout"],
  [/2>>?[ \t]*\/dev\/null(?=$|[\s;|&])/y, "stderr-to-null"],
  [/1?>>?[ \t]*\/dev\/null(?=$|[\s;|&])/y, "stdout-to-null"],
];

/** Cuts a command line into words and operators, XCU §2.3 of POSIX. */
export function tokenize(text: string): Token[] | CommandLineFault {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const column = at + 1;
    if (/[ \t\r]/.test(text.charAt(at))) {
      at += 1;
      continue;
    }
    if (text.charAt(at) === "#") {
      const end = text.indexOf("\n", at);
      at = end < 0 ? text.length : end;
      continue;
    }
    const redirection = redirectionAt(text, at);
    if (redirection !== undefined) {
      tokens.push({ kind: "redirection", to: redirection.to, column });
      at = redirection.end;
      continue;
    }
    const operator = OPERATORS.find((candidate) => text.startsWith(candidate, at));
    if (operator !== undefined) {
      tokens.push({ kind: "operator", text: operator, column });
      at += operator.length;
      continue;
    }
    const reader = new WordReader(text, at);
    const fault = reader.read();
    if (fault !== undefined) return fault;
    tokens.push({ kind: "word", word: reader.parts, column });
    at = reader.at;
  }
  return tokens;
}

function redirectionAt(text: string, at: number): { to: (typeof REDIRECTIONS)[number][1]; end: number } | undefined {
  for (const [pattern, to] of REDIRECTIONS) {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match !== null) return { to, end: at + match[0].length };
  }
  return undefined;
}

/** Reads one word: plain, quoted and variable parts up to a blank or operator. */
class WordReader {
  readonly parts: WordPart[] = [];
  at: number;
  readonly #text: string;

  constructor(text: string, at: number) {
    this.#text = text;
    this.at = at;
  }

  read(): CommandLineFault | undefined {
    while (this.at < this.#text.length) {
      const character = this.#text.charAt(this.at);
      if (/[\s;|]/.test(character) || this.#text.startsWith("&&", this.at)) return undefined;
      const fault = this.#part(character);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  #part(character: string): CommandLineFault | undefined {
    if (character === "'") return this.#single();
    if (character === '"') return this.#double();
    if (character === "$") return this.#variable(false);
    if (character === "\\") return this.#escape();
    const refused = REFUSED[character];
    if (refused !== undefined) return this.#fault(`${refused} (quote the character if it is meant literally)`);
    this.#add(character, false);
    this.at += 1;
    return undefined;
  }

  #single(): CommandLineFault | undefined {
    const end = this.#text.indexOf("'", this.at + 1);
    if (end < 0) return this.#fault("a single quote is not closed");
    this.#add(this.#text.slice(this.at + 1, end), true);
    this.at = end + 1;
    return undefined;
  }

  #double(): CommandLineFault | undefined {
    const start = this.at;
    this.at += 1;
    this.#add("", true);
    while (this.at < this.#text.length) {
      const character = this.#text.charAt(this.at);
      if (character === '"') {
        this.at += 1;
        return undefined;
      }
      if (character === "`") return this.#fault(`${REFUSED["`"]}`);
      if (character === "$") {
        const fault = this.#variable(true);
        if (fault !== undefined) return fault;
        continue;
      }
      const next = this.#text.charAt(this.at + 1);
      const escapes = character === "\\" && next !== "" && '$`"\\\n'.includes(next);
      if (!escapes) this.#add(character, true);
      else if (next !== "\n") this.#add(next, true);
      this.at += escapes ? 2 : 1;
    }
    return { fault: "a double quote is not closed", column: start + 1 };
  }

  #escape(): CommandLineFault | undefined {
    const next = this.#text.charAt(this.at + 1);
    if (next === "") return this.#fault("nothing follows the backslash");
    if (next !== "\n") this.#add(next, true);
    this.at += 2;
    return undefined;
  }

  #variable(quoted: boolean): CommandLineFault | undefined {
    const match = /^\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})/.exec(this.#text.slice(this.at, this.at + 258));
    const name = match?.[1] ?? match?.[2];
    if (match !== null && name !== undefined) {
      this.parts.push({ kind: "variable", name, quoted });
      this.at += match[0].length;
      return undefined;
    }
    const next = this.#text.charAt(this.at + 1);
    if (next === "(") return this.#fault("command substitution $(…) is not supported");
    if (next === "{") return this.#fault(`of $\{…} only $\{NAME} is supported`);
    if (/[0-9@*#?$!-]/.test(next)) return this.#fault(`the special parameter $${next} is not supported`);
    this.#add("$", quoted);
    this.at += 1;
    return undefined;
  }

  #add(text: string, quoted: boolean): void {
    const last = this.parts.at(-1);
    if (last?.kind === "text" && last.quoted === quoted) {
      this.parts[this.parts.length - 1] = { ...last, text: last.text + text };
    } else {
      this.parts.push({ kind: "text", text, quoted });
    }
  }

  #fault(fault: string): CommandLineFault {
    return { fault, column: this.at + 1 };
  }
}

/** Shell syntax that is understood as such and refused. */
const REFUSED: Readonly<Record<string, string>> = {
  "`": "command substitution `…` is not supported",
  "&": "running commands in the background with & is not supported",
  "(": "subshells are not supported",
  ")": "subshells are not supported",
  "<": "reading from files with < is not supported",
  ">": "of files output can only go to /dev/null",
};

/** The fields a word becomes: unquoted variables are split at blanks, and an empty unquoted word vanishes (XCU §2.6.5). */
export function expandWord(word: Word, variables: ReadonlyMap<string, string>): string[] {
  const fields: string[] = [];
  let field: string | undefined;
  for (const part of word) {
    const text = part.kind === "text" ? part.text : (variables.get(part.name) ?? "");
    if (part.kind === "text" || part.quoted) {
      if (text !== "" || part.quoted) field = (field ?? "") + text;
      continue;
    }
    const pieces = text.split(/[ \t\n]+/);
    for (const [index, piece] of pieces.entries()) {
      if (index > 0 && field !== undefined) {
        fields.push(field);
        field = undefined;
      }
      if (piece !== "") field = (field ?? "") + piece;
    }
  }
  if (field !== undefined) fields.push(field);
  return fields;
}

/** The text of a word where no splitting is done: the value of an assignment. */
export function expandWhole(word: Word, variables: ReadonlyMap<string, string>): string {
  return word.map((part) => (part.kind === "text" ? part.text : (variables.get(part.name) ?? ""))).join("");
}
