import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  parseAllDocuments,
  visit,
} from "yaml";
import type { Problem } from "./config-error.ts";

/** Longest text that is read, in characters, unless the caller expects more. Scenarios and manifests have some thousand. */
export const LONGEST_TEXT = 1_000_000;
/** An anchor that repeats an anchor that repeats an anchor …: more copies than this are refused. */
const MAX_ALIASES = 100;
/** Deeper nesting is refused before it reaches the parser, which is recursive. */
const MAX_DEPTH = 200;
const MAX_DOCUMENTS = 1000;

export type Path = readonly PropertyKey[];

export interface Place {
  readonly line: number;
  readonly column: number;
}

/** One YAML document as plain values, and where each of them stands in the text. */
export interface YamlDocument {
  readonly value: unknown;
  /** The place of the value at `path`, or of the deepest thing on the way to it. */
  placeOf(path: Path): Place;
  /** The place of the key that ends `path`. */
  placeOfKey(path: Path): Place;
  /** The first line of a literal block (`key: |`); `undefined` for other forms of text. */
  lineOfBlock(path: Path): number | undefined;
}

/** Reads text that may hold several documents. Never throws: what is wrong with the YAML itself comes back as problems. */
export function readYaml(
  file: string,
  text: string,
  longest: number = LONGEST_TEXT,
): { readonly documents: readonly YamlDocument[]; readonly problems: readonly Problem[] } {
  const objection = objectTo(text, longest);
  if (objection !== undefined) return { documents: [], problems: [{ file, ...objection }] };
  const lines = new LineCounter();
  // The package looks for duplicate keys in quadratic time; duplicateKeys() does it in linear time.
  const options = { lineCounter: lines, prettyErrors: false, logLevel: "silent", uniqueKeys: false } as const;
  const parsed = parseAllDocuments(text, options);
  if ("empty" in parsed) return { documents: [], problems: [] };
  const problems: Problem[] = [];
  const documents: YamlDocument[] = [];
  for (const document of parsed.slice(0, MAX_DOCUMENTS)) {
    const faults = [...document.errors.map((error) => ({ at: error.pos[0], message: lowerFirst(error.message) }))];
    if (faults.length === 0) faults.push(...duplicateKeys(document.contents));
    for (const fault of faults) {
      const { line, col } = lines.linePos(fault.at);
      problems.push({ file, line, column: col, message: `not valid YAML: ${fault.message}` });
    }
    if (faults.length > 0) continue;
    const value = plainValue(document);
    if (typeof value === "string") problems.push({ file, message: `not valid YAML: ${value}` });
    else documents.push(new PlacedDocument(document, lines, value.plain));
  }
  if (parsed.length > MAX_DOCUMENTS) problems.push({ file, message: `more than ${MAX_DOCUMENTS} YAML documents` });
  return { documents, problems };
}

function objectTo(text: string, longest: number): { readonly line?: number; readonly message: string } | undefined {
  if (text.length > longest) {
    return { message: `too long: ${text.length} characters, expected at most ${longest}` };
  }
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  const control = /[\x00-\x08\x0e-\x1f]/.exec(text);
  if (control !== null) {
    const line = text.slice(0, control.index).split("\n").length;
    return { line, message: "not a text file: it has control characters; expected YAML" };
  }
  const deep = lineOfDeepNesting(text);
  return deep === undefined ? undefined : { line: deep, message: `nested deeper than ${MAX_DEPTH} levels` };
}

/** Two columns a level of indentation; for brackets a first count, which takes those in quotes for real ones, then the lexer's. */
function lineOfDeepNesting(text: string): number | undefined {
  let depth = 0;
  for (const [index, line] of text.split("\n").entries()) {
    const leading = /^[\s\-?:]*/.exec(line)?.[0] ?? "";
    if (leading.length > 2 * MAX_DEPTH && leading.length < line.length) return index + 1;
    for (const character of line) {
      if (character === "[" || character === "{") depth += 1;
      else if ((character === "]" || character === "}") && depth > 0) depth -= 1;
    }
    if (depth > MAX_DEPTH) return lineOfDeepBrackets(text);
  }
  return undefined;
}

/** As the parser will see it. The lexer is not recursive. */
function lineOfDeepBrackets(text: string): number | undefined {
  let depth = 0;
  let line = 1;
  for (const token of new Lexer().lex(text)) {
    if (token === "[" || token === "{") depth += 1;
    else if (token === "]" || token === "}") depth -= 1;
    if (depth > MAX_DEPTH) return line;
    line += token.split("\n").length - 1;
  }
  return undefined;
}

function duplicateKeys(root: unknown): { readonly at: number; readonly message: string }[] {
  const found: { at: number; message: string }[] = [];
  visit(root as Node | null, {
    Map: (_, map) => {
      const seen = new Set<string>();
      for (const { key } of map.items) {
        if (!isScalar(key)) continue;
        const name = String(key.value);
        if (seen.has(name)) found.push({ at: key.range?.[0] ?? 0, message: `the key "${name}" is there twice` });
        seen.add(name);
      }
    },
  });
  return found;
}

/** The document as plain values, or what is wrong with its anchors. */
function plainValue(document: Document.Parsed): { readonly plain: unknown } | string {
  try {
    return { plain: document.toJS({ maxAliasCount: MAX_ALIASES }) as unknown };
  } catch (error) {
    // The yaml package tells of aliases that multiply, and of those without an anchor, in no other way.
    if (!(error instanceof ReferenceError)) throw error;
    return error.message.startsWith("Unresolved")
      ? `${lowerFirst(error.message)}`
      : "its anchors multiply the text without end";
  }
}

class PlacedDocument implements YamlDocument {
  readonly value: unknown;
  readonly #document: Document.Parsed;
  readonly #lines: LineCounter;

  constructor(document: Document.Parsed, lines: LineCounter, value: unknown) {
    this.#document = document;
    this.#lines = lines;
    this.value = value;
  }

  placeOf(path: Path): Place {
    return this.#place(this.#walk(path).value);
  }

  placeOfKey(path: Path): Place {
    const { key, value } = this.#walk(path);
    return this.#place(key ?? value);
  }

  lineOfBlock(path: Path): number | undefined {
    const node = this.#walk(path).value;
    if (!isScalar(node) || node.type !== "BLOCK_LITERAL" || !node.range) return undefined;
    return this.#lines.linePos(node.range[0]).line + 1;
  }

  /** The deepest node on the way, with the key that led to it. */
  #walk(path: Path): { readonly key: Node | undefined; readonly value: Node | undefined } {
    let value: Node | undefined = this.#document.contents ?? undefined;
    let key: Node | undefined;
    for (const step of path) {
      const next = this.#step(value, step);
      if (next === undefined) break;
      key = next.key;
      value = next.value ?? next.key;
    }
    return { key, value };
  }

  #step(from: Node | undefined, step: PropertyKey): { key: Node | undefined; value: Node | undefined } | undefined {
    const node = isAlias(from) ? from.resolve(this.#document) : from;
    if (isSeq(node)) {
      const item = node.items[Number(step)];
      return isNode(item) ? { key: undefined, value: item } : undefined;
    }
    if (!isMap(node)) return undefined;
    const pair = node.items.find((each) => isScalar(each.key) && String(each.key.value) === String(step));
    if (pair === undefined || !isNode(pair.key)) return undefined;
    return { key: pair.key, value: isNode(pair.value) ? pair.value : undefined };
  }

  #place(node: Node | undefined): Place {
    const { line, col } = this.#lines.linePos(node?.range?.[0] ?? 0);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }
}

function lowerFirst(text: string): string {
  return text.slice(0, 1).toLowerCase() + text.slice(1).replace(/\.?\s*$/, "");
}
