/*
 * kubectl's JSONPath templates (k8s.io/client-go/util/jsonpath): text with expressions in braces, such as
 * `{.items[*].metadata.name}`, `{$.status.addresses[?(@.type=="ExternalIP")].address}`, `{range .items[*]}{.kind}{"\n"}{end}`.
 */

/** A template that cannot be read; the message says what was expected. */
export class JsonPathError extends Error {
  override readonly name: string = "JsonPathError";
}

/** What kubectl prints for the template; what is not there prints as nothing. @throws JsonPathError for an unreadable template. */
export function formatJsonPath(template: string, value: unknown): string {
  const nodes = parseTemplate(template);
  return printNodes(nodes, value, value);
}

type TemplateNode =
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "path"; readonly path: Path }
  | { readonly kind: "range"; readonly path: Path; readonly body: readonly TemplateNode[] };

interface Path {
  /** `$` starts at the whole value, `@` and a bare dot at the current one. */
  readonly fromRoot: boolean;
  readonly steps: readonly Step[];
}

type Step =
  | { readonly kind: "field"; readonly name: string }
  | { readonly kind: "all" }
  | { readonly kind: "deep" }
  | { readonly kind: "index"; readonly index: number }
  | {
      readonly kind: "slice";
      readonly from: number | undefined;
      readonly to: number | undefined;
      readonly step: number;
    }
  | { readonly kind: "union"; readonly steps: readonly Step[] }
  | { readonly kind: "filter"; readonly left: Path; readonly operator: Operator | undefined; readonly right: Operand };

type Operator = "==" | "!=" | "<=" | ">=" | "<" | ">";
type Operand = { readonly kind: "literal"; readonly value: unknown } | { readonly kind: "path"; readonly path: Path };

function printNodes(nodes: readonly TemplateNode[], root: unknown, current: unknown): string {
  return nodes
    .map((node) => {
      if (node.kind === "text") return node.text;
      const found = evaluate(node.path, root, current);
      if (node.kind === "path") return found.map(printValue).join(" ");
      return found.map((item) => printNodes(node.body, root, item)).join("");
    })
    .join("");
}

function printValue(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value) ?? "");
}

function evaluate(path: Path, root: unknown, current: unknown): readonly unknown[] {
  let found: readonly unknown[] = [path.fromRoot ? root : current];
  for (const step of path.steps) found = found.flatMap((value) => takeStep(step, root, value));
  return found;
}

function takeStep(step: Step, root: unknown, value: unknown): readonly unknown[] {
  switch (step.kind) {
    case "field":
      return fieldOf(value, step.name);
    case "all":
      return childrenOf(value);
    case "deep":
      return [value, ...childrenOf(value).flatMap((child) => takeStep(step, root, child))];
    case "index":
      return Array.isArray(value) && step.index >= -value.length && step.index < value.length
        ? [value.at(step.index)]
        : [];
    case "slice":
      return Array.isArray(value) ? value.slice(step.from, step.to).filter((_, index) => index % step.step === 0) : [];
    case "union":
      return step.steps.flatMap((part) => takeStep(part, root, value));
    case "filter":
      return Array.isArray(value) ? value.filter((item) => isSelected(step, root, item)) : [];
  }
}

function fieldOf(value: unknown, name: string): readonly unknown[] {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return [];
  return [(value as Readonly<Record<string, unknown>>)[name]];
}

function childrenOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  return typeof value === "object" && value !== null ? Object.values(value) : [];
}

function isSelected(step: Extract<Step, { kind: "filter" }>, root: unknown, item: unknown): boolean {
  const left = evaluate(step.left, root, item);
  if (step.operator === undefined) return left.length > 0;
  const right = step.right.kind === "literal" ? [step.right.value] : evaluate(step.right.path, root, item);
  const { operator } = step;
  return left.some((a) => right.some((b) => compares(a, operator, b)));
}

function compares(a: unknown, operator: Operator, b: unknown): boolean {
  if (operator === "==") return a === b;
  if (operator === "!=") return a !== b;
  const comparable =
    (typeof a === "number" && typeof b === "number") || (typeof a === "string" && typeof b === "string");
  if (!comparable) return false;
  if (operator === "<") return a < b;
  if (operator === ">") return a > b;
  return operator === "<=" ? a <= b : a >= b;
}

function parseTemplate(template: string): readonly TemplateNode[] {
  const tokens = [...template.matchAll(/\{((?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^{}"'])*)\}|[^{}]+|[{}]/g)];
  const stack: { readonly path: Path | undefined; readonly nodes: TemplateNode[] }[] = [{ path: undefined, nodes: [] }];
  const top = () => stack[stack.length - 1] ?? fail("expected {range …} in front of {end}");
  for (const [token, inner] of tokens) {
    if (inner === undefined) {
      if (token === "{" || token === "}") fail(`expected ${token === "{" ? "} behind {" : "{ in front of }"}`);
      top().nodes.push({ kind: "text", text: token });
      continue;
    }
    const text = inner.trim();
    if (text.startsWith("range ")) stack.push({ path: parsePath(text.slice(6)), nodes: [] });
    else if (text === "end") {
      const { path, nodes } = stack.pop() ?? top();
      if (path === undefined) fail("expected {range …} in front of {end}");
      else top().nodes.push({ kind: "range", path, body: nodes });
    } else
      top().nodes.push(
        /^["']/.test(text) ? { kind: "text", text: unquote(text) } : { kind: "path", path: parsePath(text) },
      );
  }
  if (stack.length !== 1) fail("expected {end} behind {range …}");
  return stack[0]?.nodes ?? [];
}

/** One step at a time off the front: a field, a star, or what stands in brackets. */
const STEP =
  /^(?:(\.\.)|\.?\[((?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[^[\]"']|\[[^\]]*\])*)\]|\.?(\*)|\.?((?:[\w$/-]|\\.)+)|\.)/;

function parsePath(text: string): Path {
  const trimmed = text.trim();
  const fromRoot = trimmed.startsWith("$");
  let rest = trimmed.replace(/^[$@]/, "");
  const steps: Step[] = [];
  while (rest !== "") {
    const match = STEP.exec(rest);
    if (match === null) return fail(`cannot read "${rest}"`);
    const [whole, deep, brackets, star, field] = match;
    if (deep !== undefined) steps.push({ kind: "deep" });
    else if (brackets !== undefined) steps.push(parseBrackets(brackets.trim()));
    else if (star !== undefined) steps.push({ kind: "all" });
    // A backslash keeps a dot from ending the name: `metadata.labels.app\.kubernetes\.io/name`.
    else if (field !== undefined) steps.push({ kind: "field", name: field.replaceAll(/\\(.)/g, "$1") });
    rest = rest.slice(whole.length);
  }
  return { fromRoot, steps };
}

function parseBrackets(text: string): Step {
  if (text === "*") return { kind: "all" };
  if (text.startsWith("?(") && text.endsWith(")")) return parseFilter(text.slice(2, -1));
  const parts = text.split(/,(?=(?:[^"']*["'][^"']*["'])*[^"']*$)/).map((part) => part.trim());
  if (parts.length > 1) return { kind: "union", steps: parts.map(parseBrackets) };
  if (/^["']/.test(text)) return { kind: "field", name: unquote(text) };
  if (/^-?\d+$/.test(text)) return { kind: "index", index: Number(text) };
  const slice = /^(-?\d+)?:(-?\d+)?(?::(\d+))?$/.exec(text);
  if (slice === null) return fail(`expected a number, a range, a name in quotes or ?(…) in brackets, got "${text}"`);
  const bound = (part: string | undefined) => (part === undefined ? undefined : Number(part));
  return { kind: "slice", from: bound(slice[1]), to: bound(slice[2]), step: Math.max(1, Number(slice[3] ?? 1)) };
}

function parseFilter(text: string): Step {
  const match = /^(.*?)\s*(==|!=|<=|>=|<|>)\s*(.*)$/s.exec(text.trim());
  if (match === null)
    return { kind: "filter", left: parsePath(text), operator: undefined, right: { kind: "literal", value: true } };
  const [, left = "", operator, right = ""] = match;
  return { kind: "filter", left: parsePath(left), operator: operator as Operator, right: parseOperand(right.trim()) };
}

function parseOperand(text: string): Operand {
  if (/^["']/.test(text)) return { kind: "literal", value: unquote(text) };
  if (/^-?\d+(\.\d+)?$/.test(text)) return { kind: "literal", value: Number(text) };
  if (text === "true" || text === "false") return { kind: "literal", value: text === "true" };
  return { kind: "path", path: parsePath(text) };
}

function unquote(text: string): string {
  const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r" };
  return text.slice(1, -1).replaceAll(/\\(.)/g, (_, letter: string) => escapes[letter] ?? letter);
}

function fail(problem: string): never {
  throw new JsonPathError(`error parsing jsonpath: ${problem}`);
}
