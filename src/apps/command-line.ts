import { type CommandLineFault, type Token, tokenize, type Word } from "./shell-words.ts";

export type { CommandLineFault, Word, WordPart } from "./shell-words.ts";

/** One command of a pipeline with what is done to its output. */
export interface SimpleCommand {
  readonly words: readonly Word[];
  readonly discardsStdout: boolean;
  readonly stderr: "keep" | "discard" | "to-stdout";
}

/** `when` tells whether the step runs, by the exit code of the one before it: `;`, `&&`, `||`. */
export interface ListItem {
  readonly when: "always" | "after-success" | "after-failure";
  readonly step: Step;
}

/** What one item of a list does. */
export type Step =
  | { readonly kind: "pipeline"; readonly commands: readonly SimpleCommand[] }
  | { readonly kind: "for"; readonly variable: string; readonly items: readonly Word[]; readonly body: CommandList }
  | { readonly kind: "assignment"; readonly variable: string; readonly value: Word };

/** A command line understood. */
export type CommandList = readonly ListItem[];

/** `for` loops may stand in one another, this deep. */
const DEEPEST_NESTING = 4;
const LONGEST_LINE = 65536;

/**
 * Reads the part of the POSIX shell's language that the tutorials use: quotes, backslashes, `$NAME` and `${NAME}`,
 * pipelines, `;`, `&&`, `||`, assignments, `for … in …; do …; done`, and sending output to /dev/null. Anything else is
 * refused with a reason rather than passed on as plain words.
 */
export function parseCommandLine(text: string): CommandList | CommandLineFault {
  if (text.length > LONGEST_LINE)
    return { fault: `the command line is longer than ${LONGEST_LINE} characters`, column: 1 };
  const tokens = tokenize(text);
  if ("fault" in tokens) return tokens;
  return new Parser(tokens, text.length + 1).parse();
}

/** Whether {@link parseCommandLine} refused the text. */
export function isCommandLineFault(parsed: CommandList | CommandLineFault): parsed is CommandLineFault {
  return "fault" in parsed;
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #endColumn: number;
  #at = 0;

  constructor(tokens: readonly Token[], endColumn: number) {
    this.#tokens = tokens;
    this.#endColumn = endColumn;
  }

  parse(): CommandList | CommandLineFault {
    const list = this.#list(0);
    if ("fault" in list) return list;
    return this.#at < this.#tokens.length ? this.#unexpected() : list;
  }

  /** Steps up to the end, or to a reserved word that ends a loop's part. */
  #list(depth: number): CommandList | CommandLineFault {
    const items: ListItem[] = [];
    let when: ListItem["when"] = "always";
    for (;;) {
      while (this.#takeOperator("\n")) {}
      if (this.#at >= this.#tokens.length || this.#isReserved("done")) {
        return when === "always" ? items : this.#unexpected();
      }
      const step = this.#step(depth);
      if ("fault" in step) return step;
      items.push({ when, step });
      if (this.#takeOperator("&&")) when = "after-success";
      else if (this.#takeOperator("||")) when = "after-failure";
      else if (this.#takeOperator(";") || this.#takeOperator("\n")) when = "always";
      else return items;
    }
  }

  #step(depth: number): Step | CommandLineFault {
    if (this.#isReserved("for")) return this.#loop(depth);
    const commands: SimpleCommand[] = [];
    do {
      const command = this.#command();
      if ("fault" in command) return command;
      commands.push(command);
    } while (this.#takeOperator("|"));
    return commands.length === 1
      ? (assignmentIn(commands[0]) ?? { kind: "pipeline", commands })
      : { kind: "pipeline", commands };
  }

  #command(): SimpleCommand | CommandLineFault {
    const words: Word[] = [];
    let discardsStdout = false;
    let stderr: SimpleCommand["stderr"] = "keep";
    for (;;) {
      const token = this.#tokens[this.#at];
      if (token?.kind === "word") {
        words.push(token.word);
      } else if (token?.kind === "redirection") {
        if (token.to === "stdout-to-null") discardsStdout = true;
        else stderr = token.to === "stderr-to-null" ? "discard" : "to-stdout";
      } else {
        return words.length > 0 ? { words, discardsStdout, stderr } : this.#unexpected();
      }
      this.#at += 1;
    }
  }

  #loop(depth: number): Step | CommandLineFault {
    if (depth >= DEEPEST_NESTING) return this.#fault(`loops stand in one another more than ${DEEPEST_NESTING} deep`);
    this.#at += 1;
    const variable = this.#plainWord();
    if (variable === undefined || !/^[A-Za-z_]\w*$/.test(variable))
      return this.#fault("a variable's name must follow `for`");
    this.#at += 1;
    if (!this.#isReserved("in")) return this.#fault("`in` must follow the loop's variable");
    this.#at += 1;
    const items: Word[] = [];
    for (let token = this.#tokens[this.#at]; token?.kind === "word"; token = this.#tokens[this.#at]) {
      items.push(token.word);
      this.#at += 1;
    }
    if (!this.#takeOperator(";") && !this.#takeOperator("\n")) return this.#unexpected();
    while (this.#takeOperator("\n")) {}
    if (!this.#isReserved("do")) return this.#fault("`do` must follow the loop's words");
    this.#at += 1;
    const body = this.#list(depth + 1);
    if ("fault" in body) return body;
    if (body.length === 0 || !this.#isReserved("done")) return this.#fault("`done` must end the loop");
    this.#at += 1;
    return { kind: "for", variable, items, body };
  }

  #takeOperator(text: string): boolean {
    const token = this.#tokens[this.#at];
    if (token?.kind !== "operator" || token.text !== text) return false;
    this.#at += 1;
    return true;
  }

  #isReserved(word: string): boolean {
    return this.#plainWord() === word;
  }

  /** The text of the next token when it is a word without quotes and variables. */
  #plainWord(): string | undefined {
    const token = this.#tokens[this.#at];
    const [part, ...more] = token?.kind === "word" ? token.word : [];
    return part !== undefined && more.length === 0 && part.kind === "text" && !part.quoted ? part.text : undefined;
  }

  #unexpected(): CommandLineFault {
    const token = this.#tokens[this.#at];
    if (token === undefined) return this.#fault("the command line ends unexpectedly");
    return this.#fault(
      `unexpected ${token.kind === "operator" ? `\`${token.text.replace("\n", "newline")}\`` : "word"}`,
    );
  }

  #fault(fault: string): CommandLineFault {
    return { fault, column: this.#tokens[this.#at]?.column ?? this.#endColumn };
  }
}

/** `NAME=value` alone sets a variable. */
function assignmentIn(command: SimpleCommand | undefined): Step | undefined {
  const [word, ...more] = command?.words ?? [];
  const [first, ...rest] = word ?? [];
  if (first?.kind !== "text" || first.quoted || more.length > 0) return undefined;
  const match = /^([A-Za-z_]\w*)=/.exec(first.text);
  if (match?.[1] === undefined) return undefined;
  const value: Word = [{ ...first, text: first.text.slice(match[0].length) }, ...rest];
  return { kind: "assignment", variable: match[1], value };
}
