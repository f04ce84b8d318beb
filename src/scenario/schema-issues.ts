import type * as z from "zod";
import { type Problem, quote, suggestion } from "./config-error.ts";
import type { ProblemList } from "./locator.ts";
import type { Path } from "./yaml-source.ts";

type Issue = z.core.$ZodIssue;

/** The schema check of one value. */
interface Check {
  readonly schema: z.ZodType;
  readonly value: unknown;
  readonly where: ProblemList;
}

/** Beyond so many nobody reads on, and finding the place of each takes its time. */
const MOST_ISSUES = 100;

/** Turns what the schema objects to into problems with a place: `hosts.client.gateway: expected …, got …`. */
export function reportIssues(issues: readonly Issue[], check: Check): void {
  for (const issue of issues.slice(0, MOST_ISSUES)) check.where.problems.push(...describeIssue(issue, check));
}

function describeIssue(issue: Issue, check: Check): Problem[] {
  const { path } = issue;
  if (issue.code === "unrecognized_keys") {
    const known = keysAt(check.schema, path);
    return issue.keys.slice(0, MOST_ISSUES).map((key) => {
      const message = `${within(path)}unknown key "${key}"${suggestion(
        key,
        // Another kind of the same thing may have it.
        known.filter((other) => other !== key),
      )}`;
      return { ...check.where.whereIs([...path, key], "key"), message };
    });
  }
  if (issue.code === "invalid_key") {
    const expected = issue.issues[0]?.message ?? issue.message;
    const message = `${within(path.slice(0, -1))}expected ${expected}, got ${quote(path.at(-1))}`;
    return [{ ...check.where.whereIs(path, "key"), message }];
  }
  if (issue.code === "invalid_union") {
    const branch = usefulBranch(issue.errors);
    if (branch !== undefined) return branch.flatMap((inner) => describeIssue(deeper(inner, path), check));
  }
  return [describeValue(issue, check)];
}

function describeValue(issue: Issue, { value: root, where }: Check): Problem {
  const { path } = issue;
  if (issue.code === "custom" && issue.params?.sentence === true) {
    return { ...where.whereIs(path, "value"), message: `${within(path)}${issue.message}` };
  }
  const value = valueAt(root, path);
  if (value === undefined && path.length > 0) {
    const message = `${within(path.slice(0, -1))}"${String(path.at(-1))}" is missing: expected ${issue.message}`;
    return { ...where.whereIs(path.slice(0, -1), "key"), message };
  }
  return { ...where.whereIs(path, "value"), message: `${within(path)}expected ${issue.message}, got ${quote(value)}` };
}

/** Of a union's branches the first that got into the value, if any did: its complaint is the useful one. */
function usefulBranch(branches: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  return branches.find((issues) => issues.some(gotInside));
}

function gotInside(issue: Issue): boolean {
  if (issue.path.length > 0 || issue.code === "unrecognized_keys" || issue.code === "custom") return true;
  return issue.code === "invalid_union" && usefulBranch(issue.errors) !== undefined;
}

function deeper(issue: Issue, path: Path): Issue {
  return { ...issue, path: [...path, ...issue.path] };
}

/** `cluster.nodes[0].address: `, empty at the top. */
function within(path: Path): string {
  return path.length === 0 ? "" : `${formatPath(path)}: `;
}

export function formatPath(path: Path): string {
  return path
    .map((step, index) => (typeof step === "number" ? `[${step}]` : `${index === 0 ? "" : "."}${String(step)}`))
    .join("");
}

function valueAt(value: unknown, path: Path): unknown {
  let current = value;
  for (const step of path) {
    if (typeof current !== "object" || current === null || !Object.hasOwn(current, step)) return undefined;
    current = (current as Record<PropertyKey, unknown>)[step];
  }
  return current;
}

interface SchemaInside {
  readonly type: string;
  readonly shape?: Readonly<Record<string, z.ZodType>>;
  readonly innerType?: z.ZodType;
  readonly element?: z.ZodType;
  readonly valueType?: z.ZodType;
  readonly in?: z.ZodType;
  readonly options?: readonly z.ZodType[];
}

/** The keys that the schema knows at a path; all that are possible where it offers alternatives. */
function keysAt(schema: z.ZodType, path: Path): string[] {
  const inside = schema.def as unknown as SchemaInside;
  const [step, ...rest] = path;
  if (inside.options !== undefined) return inside.options.flatMap((option) => keysAt(option, path));
  const wrapped = inside.innerType ?? inside.in;
  if (wrapped !== undefined) return keysAt(wrapped, path);
  if (step === undefined) return Object.keys(inside.shape ?? {});
  const next = inside.shape?.[String(step)] ?? inside.element ?? inside.valueType;
  return next === undefined ? [] : keysAt(next, rest);
}
