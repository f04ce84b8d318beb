import { isRecord } from "./shape.ts";

/*
 * Objects as `kubectl get -o yaml` and `-o json` print them: keys in alphabetical order, lists not indented.
 */

/** One document, ended by a newline. */
export function formatYaml(value: unknown): string {
  if (isEmpty(value) || !(Array.isArray(value) || isRecord(value))) return `${formatScalar(value)}\n`;
  return yamlLines(value)
    .map((line) => `${line}\n`)
    .join("");
}

/** Indented by four, as kubectl does it. */
export function formatJson(value: unknown): string {
  return `${JSON.stringify(sorted(value), undefined, 4)}\n`;
}

/** Several objects as one, the way kubectl wraps what it gets. */
export function asList(items: readonly unknown[]): unknown {
  return { apiVersion: "v1", items, kind: "List", metadata: { resourceVersion: "" } };
}

function yamlLines(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.flatMap((item) => entryLines("-", item, "  "));
  if (!isRecord(value)) return [formatScalar(value)];
  return Object.keys(value)
    .sort()
    .flatMap((key) => entryLines(`${formatScalar(key)}:`, value[key], Array.isArray(value[key]) ? "" : "  "));
}

/** A nested value starts on a line of its own, except behind the dash of a list. */
function entryLines(head: string, value: unknown, indent: string): readonly string[] {
  if (isEmpty(value) || !(Array.isArray(value) || isRecord(value))) return scalarLines(head, value);
  const lines = yamlLines(value).map((line) => indent + line);
  if (head !== "-") return [head, ...lines];
  return [`- ${lines[0]?.slice(2) ?? ""}`, ...lines.slice(1)];
}

function scalarLines(head: string, value: unknown): readonly string[] {
  if (typeof value !== "string" || !value.includes("\n")) return [`${head} ${formatScalar(value)}`];
  const body = value.endsWith("\n") ? value.slice(0, -1) : value;
  return [`${head} |${value.endsWith("\n") ? "" : "-"}`, ...body.split("\n").map((line) => `  ${line}`)];
}

function isEmpty(value: unknown): boolean {
  return (Array.isArray(value) && value.length === 0) || (isRecord(value) && Object.keys(value).length === 0);
}

/** Text is quoted when a reader would take it for something else. */
function formatScalar(value: unknown): string {
  if (Array.isArray(value)) return "[]";
  if (isRecord(value)) return "{}";
  if (typeof value !== "string") return JSON.stringify(value) ?? "null";
  const looksOther =
    value === "" ||
    /^(~|null|true|false|yes|no|on|off|y|n)$/i.test(value) ||
    /^[-+]?(\d[\d_]*\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(value) ||
    /^\d+(:\d+)+$/.test(value) ||
    /^0[xob]/.test(value) ||
    /^\d{4}-\d{2}-\d{2}/.test(value);
  if (looksOther) return JSON.stringify(value);
  const special = /^[\s\-?:,[\]{}#&*!|>'"%@`]/.test(value) || /: |:$| #|\s$/.test(value);
  return special && !/^-[^\s-]/.test(value) ? `'${value.replaceAll("'", "''")}'` : value;
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isRecord(value)) return value;
  const keys = Object.keys(value).sort();
  return Object.fromEntries(keys.map((key) => [key, sorted(value[key])]));
}
