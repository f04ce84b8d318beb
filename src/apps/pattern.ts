import {
  type Assertion,
  type CharacterTest,
  compileProgram,
  type PatternNode,
  type PatternProgram,
} from "./pattern-program.ts";

/** Which of grep's languages a pattern is in. */
export type PatternLanguage = "basic" | "extended" | "fixed";

/** Why a pattern is refused. */
export interface PatternFault {
  readonly fault: string;
}

/** What grep's options change about a pattern. */
export interface PatternOptions {
  readonly language: PatternLanguage;
  readonly ignoreCase?: boolean;
  readonly wholeLine?: boolean;
  readonly wholeWord?: boolean;
}

const LONGEST_PATTERN = 256;
/** RE_DUP_MAX is 32767 for GNU grep; this many copies of a short pattern still make a small program. */
const MOST_REPETITIONS = 255;

/**
 * Reads a pattern of grep's, POSIX basic and extended regular expressions (XBD §9) without back references, into a program
 * that runs in time proportional to the line: no pattern can make natscope hang.
 */
export function compilePattern(text: string, options: PatternOptions): PatternProgram | PatternFault {
  if (text.length > LONGEST_PATTERN) return { fault: `pattern is longer than ${LONGEST_PATTERN} characters` };
  const { language, ignoreCase = false } = options;
  const node =
    language === "fixed" ? literal(text, ignoreCase) : new Reader(text, language === "extended", ignoreCase).read();
  if ("fault" in node) return node;
  const framed = options.wholeLine
    ? between("line-start", node, "line-end")
    : options.wholeWord
      ? between("not-in-word-before", node, "not-in-word-after")
      : node;
  return compileProgram(framed) ?? { fault: "pattern is too large" };
}

function between(before: Assertion, node: PatternNode, after: Assertion): PatternNode {
  return sequence([{ kind: "assert", what: before }, node, { kind: "assert", what: after }]);
}

function literal(text: string, ignoreCase: boolean): PatternNode {
  return sequence([...text].map((character) => one(character, ignoreCase)));
}

function sequence(parts: readonly PatternNode[]): PatternNode {
  return { kind: "sequence", parts };
}

/** One character, in any case if asked. */
function one(character: string, ignoreCase: boolean): PatternNode {
  const codes = ignoreCase ? [character, character.toLowerCase(), character.toUpperCase()] : [character];
  const wanted = codes.map((each) => each.codePointAt(0));
  return { kind: "character", test: (code) => wanted.includes(code) };
}

class Reader {
  readonly #text: string;
  readonly #extended: boolean;
  readonly #ignoreCase: boolean;
  #at = 0;

  constructor(text: string, extended: boolean, ignoreCase: boolean) {
    this.#text = text;
    this.#extended = extended;
    this.#ignoreCase = ignoreCase;
  }

  read(): PatternNode | PatternFault {
    const all = this.#alternatives();
    if ("fault" in all) return all;
    return this.#at < this.#text.length ? { fault: "Unmatched ) or \\)" } : all;
  }

  #alternatives(): PatternNode | PatternFault {
    const parts: PatternNode[] = [];
    do {
      const branch = this.#branch();
      if ("fault" in branch) return branch;
      parts.push(branch);
    } while (this.#takeSpecial("|"));
    return { kind: "choice", parts };
  }

  #branch(): PatternNode | PatternFault {
    const parts: PatternNode[] = [];
    while (this.#at < this.#text.length && !this.#isSpecial("|") && !this.#isSpecial(")")) {
      const atom = this.#atom(parts.length === 0);
      if ("fault" in atom) return atom;
      const repeated = this.#repetitions(atom);
      if ("fault" in repeated) return repeated;
      parts.push(repeated);
    }
    return sequence(parts);
  }

  #atom(first: boolean): PatternNode | PatternFault {
    if (this.#takeSpecial("(")) return this.#group();
    const character = String.fromCodePoint(this.#text.codePointAt(this.#at) ?? 0);
    this.#at += character.length;
    switch (character) {
      case "[":
        return this.#bracket();
      case ".":
        return { kind: "character", test: () => true };
      case "^":
        return this.#extended || first ? { kind: "assert", what: "line-start" } : one("^", false);
      case "$":
        return this.#extended || this.#endsBranch() ? { kind: "assert", what: "line-end" } : one("$", false);
      case "\\":
        return this.#escape();
      default:
        // A repetition with nothing before it stands for itself.
        return one(character, this.#ignoreCase);
    }
  }

  #group(): PatternNode | PatternFault {
    const inside = this.#alternatives();
    if ("fault" in inside) return inside;
    return this.#takeSpecial(")") ? inside : { fault: "Unmatched ( or \\(" };
  }

  #escape(): PatternNode | PatternFault {
    const character = this.#text.charAt(this.#at);
    if (character === "") return { fault: "Trailing backslash" };
    this.#at += 1;
    if (/[1-9]/.test(character)) return { fault: "back references are not supported" };
    const assertion = ASSERTIONS[character];
    if (assertion !== undefined) return { kind: "assert", what: assertion };
    const test = ESCAPED[character];
    return test === undefined ? one(character, this.#ignoreCase) : { kind: "character", test };
  }

  #bracket(): PatternNode | PatternFault {
    const negated = this.#text.charAt(this.#at) === "^";
    if (negated) this.#at += 1;
    const tests: CharacterTest[] = [];
    for (let first = true; first || this.#text.charAt(this.#at) !== "]"; first = false) {
      const member = this.#bracketMember();
      if ("fault" in member) return member;
      tests.push(member.test);
    }
    this.#at += 1;
    const has = (code: number): boolean => tests.some((test) => test(code));
    const test = this.#ignoreCase ? (code: number) => casesOf(code).some(has) : has;
    return { kind: "character", test: negated ? (code) => !test(code) : test };
  }

  #bracketMember(): { test: CharacterTest } | PatternFault {
    const named = /^\[:([a-z]+):\]/.exec(this.#text.slice(this.#at, this.#at + 16));
    if (named !== null) {
      const expression = CLASSES[named[1] ?? ""];
      if (expression === undefined) return { fault: "Invalid character class name" };
      this.#at += named[0].length;
      return { test: (code) => expression.test(String.fromCodePoint(code)) };
    }
    const low = this.#bracketCode();
    if (low === undefined) return { fault: "Unmatched [, [^, [:, [., or [=" };
    // A dash before the closing bracket stands for itself.
    const isRange = this.#text.charAt(this.#at) === "-" && this.#text.charAt(this.#at + 1) !== "]";
    if (!isRange) return { test: (code) => code === low };
    this.#at += 1;
    const high = this.#bracketCode();
    if (high === undefined) return { fault: "Unmatched [, [^, [:, [., or [=" };
    return high < low ? { fault: "Invalid range end" } : { test: (code) => code >= low && code <= high };
  }

  #bracketCode(): number | undefined {
    const code = this.#text.codePointAt(this.#at);
    if (code !== undefined) this.#at += String.fromCodePoint(code).length;
    return code;
  }

  #repetitions(atom: PatternNode): PatternNode | PatternFault {
    let node = atom;
    for (let next = this.#quantifier(); next !== undefined; next = this.#quantifier()) {
      if ("fault" in next) return next;
      node = { kind: "repeat", node, ...next };
    }
    return node;
  }

  #quantifier(): { low: number; high: number | undefined } | PatternFault | undefined {
    if (this.#text.charAt(this.#at) === "*") {
      this.#at += 1;
      return { low: 0, high: undefined };
    }
    if (this.#takeSpecial("+")) return { low: 1, high: undefined };
    if (this.#takeSpecial("?")) return { low: 0, high: 1 };
    if (!this.#takeSpecial("{")) return undefined;
    const close = this.#extended ? "}" : "\\}";
    const end = this.#text.indexOf(close, this.#at);
    const match = /^(\d{1,5})(?:(,)(\d{1,5})?)?$/.exec(end < 0 ? "" : this.#text.slice(this.#at, end));
    if (match === null) return { fault: "Invalid content of \\{\\}" };
    const low = Number(match[1]);
    const high = match[2] === undefined ? low : match[3] === undefined ? undefined : Number(match[3]);
    if (low > MOST_REPETITIONS || (high !== undefined && (high < low || high > MOST_REPETITIONS))) {
      return { fault: "Invalid content of \\{\\}" };
    }
    this.#at = end + close.length;
    return { low, high };
  }

  #endsBranch(): boolean {
    return this.#at >= this.#text.length || this.#isSpecial("|") || this.#isSpecial(")");
  }

  /** In basic expressions `\(`, `\)`, `\{`, `\|`, `\+` and `\?` are what the bare characters are in extended ones. */
  #isSpecial(character: string): boolean {
    return this.#text.startsWith(this.#extended ? character : `\\${character}`, this.#at);
  }

  #takeSpecial(character: string): boolean {
    if (!this.#isSpecial(character)) return false;
    this.#at += this.#extended ? 1 : 2;
    return true;
  }
}

const ASSERTIONS: Readonly<Record<string, Assertion>> = {
  "<": "word-start",
  ">": "word-end",
  b: "word-edge",
  B: "not-word-edge",
};

const ESCAPED: Readonly<Record<string, CharacterTest>> = {
  w: (code) => /\w/.test(String.fromCodePoint(code)),
  W: (code) => /\W/.test(String.fromCodePoint(code)),
  s: (code) => /\s/.test(String.fromCodePoint(code)),
  S: (code) => /\S/.test(String.fromCodePoint(code)),
};

const CLASSES: Readonly<Record<string, RegExp>> = {
  alnum: /[A-Za-z0-9]/,
  alpha: /[A-Za-z]/,
  blank: /[ \t]/,
  digit: /[0-9]/,
  lower: /[a-z]/,
  punct: /[!-/:-@[-`{-~]/,
  space: /\s/,
  upper: /[A-Z]/,
  xdigit: /[0-9A-Fa-f]/,
};

function casesOf(code: number): number[] {
  const character = String.fromCodePoint(code);
  return [code, character.toLowerCase().codePointAt(0) ?? code, character.toUpperCase().codePointAt(0) ?? code];
}
