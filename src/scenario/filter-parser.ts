import { type Cidr, contains, parseCidr, parseMac } from "../netstack/index.ts";
import { suggestion } from "./config-error.ts";
import { FILTER_FIELDS, type FieldKind, type FilterField } from "./filter-fields.ts";
import type { FilterFrame } from "./filter-frame.ts";
import type { FilterFault, FilterToken } from "./filter-lexer.ts";

/** Says whether a frame is wanted. */
export type FramePredicate = (frame: FilterFrame) => boolean;

/*
 * filter     = and { ("or" | "||") and }
 * and        = not { ("and" | "&&") not }
 * not        = ("not" | "!") not | "(" filter ")" | test
 * test       = field [ comparison value | "in" "{" item { "," item } "}" | "contains" text ]
 * item       = value [ ".." value ]
 */

const COMPARISONS: Readonly<Record<string, Comparison>> = {
  "==": "==",
  eq: "==",
  "!=": "!=",
  ne: "!=",
  ">": ">",
  gt: ">",
  "<": "<",
  lt: "<",
  ">=": ">=",
  ge: ">=",
  "<=": "<=",
  le: "<=",
};

type Comparison = "==" | "!=" | ">" | "<" | ">=" | "<=";

/** Parentheses and `not` that may be open at once. */
const MAX_DEPTH = 100;

const VALUES: Readonly<Record<Exclude<FieldKind, "protocol">, string>> = {
  number: "a number",
  flag: "1, 0, true or false",
  address: "an IPv4 address, or a range like 10.0.0.0/8",
  mac: "a MAC address like 0a:58:0a:f4:03:08",
  text: 'text in quotes, like "node2/eth0"',
};

/** Carries a fault out of the parser; it never leaves parseFilter. */
class FaultSignal extends Error {
  readonly fault: FilterFault;

  constructor(token: FilterToken, message: string) {
    super(message);
    this.fault = { column: token.column, message };
  }
}

/** Turns tokens into a predicate. */
export function parseFilter(
  tokens: readonly FilterToken[],
): { readonly predicate: FramePredicate } | { readonly fault: FilterFault } {
  const parser = new FilterParser(tokens);
  try {
    return { predicate: parser.parse() };
  } catch (error) {
    if (error instanceof FaultSignal) return { fault: error.fault };
    throw error;
  }
}

class FilterParser {
  readonly #tokens: readonly FilterToken[];
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly FilterToken[]) {
    this.#tokens = tokens;
  }

  parse(): FramePredicate {
    const predicate = this.#or();
    const rest = this.#peek();
    if (rest.kind !== "end") throw new FaultSignal(rest, `expected "and" or "or" before ${shown(rest)}`);
    return predicate;
  }

  #or(): FramePredicate {
    const parts = [this.#and()];
    while (this.#takes("or", "||")) parts.push(this.#and());
    return parts.length === 1 ? (parts[0] as FramePredicate) : (frame) => parts.some((part) => part(frame));
  }

  #and(): FramePredicate {
    const parts = [this.#not()];
    while (this.#takes("and", "&&")) parts.push(this.#not());
    return parts.length === 1 ? (parts[0] as FramePredicate) : (frame) => parts.every((part) => part(frame));
  }

  #not(): FramePredicate {
    const token = this.#peek();
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw new FaultSignal(token, `nested deeper than ${MAX_DEPTH} levels`);
    const predicate = this.#inside();
    this.#depth -= 1;
    return predicate;
  }

  #inside(): FramePredicate {
    if (this.#takes("not", "!")) {
      const inner = this.#not();
      return (frame) => !inner(frame);
    }
    if (!this.#takes("(")) return this.#test();
    const inner = this.#or();
    const close = this.#peek();
    if (!this.#takes(")")) throw new FaultSignal(close, `expected ")", got ${shown(close)}`);
    return inner;
  }

  #test(): FramePredicate {
    const token = this.#next();
    if (token.kind !== "word") throw new FaultSignal(token, `expected a field such as ip.src, got ${shown(token)}`);
    const field = Object.hasOwn(FILTER_FIELDS, token.text) ? FILTER_FIELDS[token.text] : undefined;
    if (field === undefined) {
      const names = Object.keys(FILTER_FIELDS);
      throw new FaultSignal(token, `there is no field "${token.text}" here${suggestion(token.text, names)}`);
    }
    const operator = this.#peek();
    const comparison =
      Object.hasOwn(COMPARISONS, operator.text) && operator.kind !== "string" ? COMPARISONS[operator.text] : undefined;
    const isOperator = comparison !== undefined || this.#sees("in") || this.#sees("contains");
    if (!isOperator) return (frame) => field.read(frame).length > 0;
    if (field.kind === "protocol")
      throw new FaultSignal(operator, `"${token.text}" is there or not: it has no value to compare`);
    this.#next();
    if (comparison !== undefined) return compare(field, comparison, this.#value(field, comparison), operator);
    return operator.text === "in" ? this.#set(field) : this.#contains(field, operator);
  }

  #set(field: FilterField): FramePredicate {
    const open = this.#next();
    if (open.text !== "{") throw new FaultSignal(open, `expected "{" and values, got ${shown(open)}`);
    const tests: ((value: number | string) => boolean)[] = [];
    do tests.push(this.#item(field));
    while (this.#takes(","));
    const close = this.#next();
    if (close.text !== "}") throw new FaultSignal(close, `expected "," or "}", got ${shown(close)}`);
    return (frame) => field.read(frame).some((value) => tests.some((test) => test(value)));
  }

  #item(field: FilterField): (value: number | string) => boolean {
    const low = this.#value(field, "==");
    if (!this.#takes("..")) return low.equals;
    const high = this.#value(field, "<");
    return (value) => value >= low.value && value <= high.value;
  }

  #contains(field: FilterField, operator: FilterToken): FramePredicate {
    if (field.kind !== "text") throw new FaultSignal(operator, "only text can be searched with contains");
    const { value } = this.#value(field, "==");
    return (frame) => field.read(frame).some((text) => String(text).includes(String(value)));
  }

  #value(field: FilterField, comparison: Comparison): FilterValue {
    const token = this.#next();
    const value = field.kind === "protocol" ? undefined : readValue(token, field.kind);
    if (value === undefined) {
      const expected = field.kind === "protocol" ? "nothing" : VALUES[field.kind];
      throw new FaultSignal(token, `expected ${expected}, got ${shown(token)}`);
    }
    const ordered = comparison !== "==" && comparison !== "!=";
    if (ordered && value.isRange)
      throw new FaultSignal(token, "a range is not more or less than an address; use == or in");
    return value;
  }

  #takes(...texts: readonly string[]): boolean {
    const found = texts.some((text) => this.#sees(text));
    if (found) this.#at += 1;
    return found;
  }

  #sees(text: string): boolean {
    const token = this.#peek();
    return token.kind !== "string" && token.kind !== "end" && token.text === text;
  }

  #peek(): FilterToken {
    return this.#tokens[this.#at] ?? { kind: "end", text: "", column: 1 };
  }

  #next(): FilterToken {
    const token = this.#peek();
    if (token.kind !== "end") this.#at += 1;
    return token;
  }
}

interface FilterValue {
  readonly value: number | string;
  readonly equals: (value: number | string) => boolean;
  readonly isRange: boolean;
}

/** As in Wireshark 4: `!=` holds when no value of the field is equal, the others when any value fits. */
function compare(
  field: FilterField,
  comparison: Comparison,
  { value, equals }: FilterValue,
  at: FilterToken,
): FramePredicate {
  const ordered = comparison !== "==" && comparison !== "!=";
  if (ordered && field.kind === "text") throw new FaultSignal(at, "text is not more or less; use ==, != or contains");
  switch (comparison) {
    case "==":
      return (frame) => field.read(frame).some(equals);
    case "!=":
      return (frame) => {
        const values = field.read(frame);
        return values.length > 0 && !values.some(equals);
      };
    case ">":
      return (frame) => field.read(frame).some((actual) => actual > value);
    case "<":
      return (frame) => field.read(frame).some((actual) => actual < value);
    case ">=":
      return (frame) => field.read(frame).some((actual) => actual >= value);
    case "<=":
      return (frame) => field.read(frame).some((actual) => actual <= value);
  }
}

function readValue(token: FilterToken, kind: Exclude<FieldKind, "protocol">): FilterValue | undefined {
  if (kind === "text") return token.kind === "string" ? exactly(token.text) : undefined;
  if (token.kind !== "word") return undefined;
  switch (kind) {
    case "number":
      return /^(0x[\da-f]{1,8}|\d{1,10})$/i.test(token.text) ? exactly(Number(token.text)) : undefined;
    case "flag":
      return readFlag(token.text.toLowerCase());
    case "mac": {
      const mac = parseMac(token.text);
      return mac && exactly(mac);
    }
    case "address": {
      const range = parseCidr(token.text);
      return range && inRange(range);
    }
  }
}

function readFlag(text: string): FilterValue | undefined {
  if (text === "1" || text === "true") return exactly(1);
  return text === "0" || text === "false" ? exactly(0) : undefined;
}

function exactly(value: number | string): FilterValue {
  return { value, equals: (other) => other === value, isRange: false };
}

function inRange(range: Cidr): FilterValue {
  const equals = (other: number | string): boolean => contains(range, other as Cidr["network"]);
  return { value: range.network, equals, isRange: range.prefixLength < 32 };
}

function shown(token: FilterToken): string {
  return token.kind === "end" ? "the end" : `"${token.text}"`;
}
