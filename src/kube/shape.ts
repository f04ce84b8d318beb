/*
 * Narrowing of values that came out of YAML or JSON. A shape says what a value should look like and reports each place where it
 * does not; fields that no shape names are kept as they are, because `kubectl get -o yaml` shows them again.
 */

/** Told about one place that is not as expected; `path` is like `spec.ports[0].port`. */
export type Report = (path: string, expected: string, value: unknown) => void;

/** Checks a value; true when it is a `T` through and through. */
export type Shape<T> = (value: unknown, path: string, report: Report) => value is T;

interface RequiredField<T> {
  readonly required: Shape<T>;
}

type Fields<T> = {
  readonly [K in keyof T]-?: object extends Pick<T, K> ? Shape<Exclude<T[K], undefined>> : RequiredField<T[K]>;
};

/** Marks a field that has to be there. */
export function required<T>(shape: Shape<T>): RequiredField<T> {
  return { required: shape };
}

/** An object with these fields, and perhaps others. */
export function object<T>(fields: Fields<T>): Shape<T> {
  const entries = Object.entries(fields) as [string, Shape<unknown> | RequiredField<unknown>][];
  return (value, path, report): value is T => {
    if (!isRecord(value)) return fail(report, path, "an object", value);
    let good = true;
    for (const [name, field] of entries) {
      const member = value[name];
      const at = path === "" ? name : `${path}.${name}`;
      const shape = typeof field === "function" ? field : field.required;
      if (member === undefined && typeof field === "function") continue;
      good = shape(member, at, report) && good;
    }
    return good;
  };
}

export function listOf<T>(item: Shape<T>): Shape<readonly T[]> {
  return (value, path, report): value is readonly T[] => {
    if (!Array.isArray(value)) return fail(report, path, "a list", value);
    let good = true;
    for (const [index, entry] of value.entries()) good = item(entry, `${path}[${index}]`, report) && good;
    return good;
  };
}

/** Any keys, all values of one shape: labels, annotations, selectors. */
export function mapOf<T>(item: Shape<T>): Shape<Readonly<Record<string, T>>> {
  return (value, path, report): value is Readonly<Record<string, T>> => {
    if (!isRecord(value)) return fail(report, path, "an object", value);
    let good = true;
    for (const [key, entry] of Object.entries(value)) good = item(entry, `${path}.${key}`, report) && good;
    return good;
  };
}

export function text(value: unknown, path: string, report: Report): value is string {
  return typeof value === "string" || fail(report, path, "text", value);
}

export function flag(value: unknown, path: string, report: Report): value is boolean {
  return typeof value === "boolean" || fail(report, path, "true or false", value);
}

/** A whole number in a range, both ends included. */
export function whole(from: number, to: number): Shape<number> {
  return (value, path, report): value is number =>
    (Number.isInteger(value) && (value as number) >= from && (value as number) <= to) ||
    fail(report, path, `a number from ${from} to ${to}`, value);
}

export function oneOf<const T extends string>(...words: readonly T[]): Shape<T> {
  return (value, path, report): value is T =>
    words.some((word) => word === value) ||
    fail(report, path, `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`, value);
}

export function either<A, B>(first: Shape<A>, second: Shape<B>, expected: string): Shape<A | B> {
  return (value, path, report): value is A | B =>
    first(value, path, ignore) || second(value, path, ignore) || fail(report, path, expected, value);
}

/** Anything at all: a part that nothing here reads. */
export function anything(_value: unknown, _path: string, _report: Report): _value is unknown {
  return true;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A value as a message shows it: quoted when it is text, cut when it is long. */
export function quoteValue(value: unknown): string {
  if (value === undefined) return "nothing";
  const json = JSON.stringify(value) ?? String(value);
  return json.length > 60 ? `${json.slice(0, 57)}...` : json;
}

function fail(report: Report, path: string, expected: string, value: unknown): false {
  report(path, expected, value);
  return false;
}

function ignore(): void {}
