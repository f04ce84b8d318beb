import type { EndpointSlice, Kind, KubeObject, ObjectOf } from "./model.ts";
import { findKind, type ResourceKind } from "./resource-kinds.ts";
import { isRecord, quoteValue } from "./shape.ts";

/** Manifests nest some ten levels deep; more is a cycle of YAML anchors. */
const MAX_DEPTH = 64;

/** What came out of a stream of parsed YAML or JSON documents. */
export interface ReadObjects {
  /** In the order given; of two with the same kind and name the later one, in the earlier one's place. */
  readonly objects: readonly KubeObject[];
  /** What was left aside, and why: for the user to know, nothing to mend. */
  readonly notes: readonly string[];
  /** What is wrong, each with its place: `Service default/web: spec.ports[0].port: expected …, got "http"`. */
  readonly problems: readonly string[];
}

/**
 * Narrows parsed YAML or JSON to objects: `List` kinds are opened, missing namespaces become `default`, unknown kinds and legacy
 * Endpoints are noted and skipped. Only shapes are checked; what the API server would refuse beyond that is taken as given.
 */
export function readObjects(values: readonly unknown[]): ReadObjects {
  const reading: Reading = { objects: new Map(), notes: [], problems: [] };
  for (const value of values) readDocument(value, reading);
  return { objects: [...reading.objects.values()], notes: reading.notes, problems: reading.problems };
}

interface Reading {
  readonly objects: Map<string, KubeObject>;
  readonly notes: string[];
  readonly problems: string[];
}

function readDocument(value: unknown, reading: Reading): void {
  // An empty YAML document, as between two `---`.
  if (value === null || value === undefined) return;
  const plain = withoutNulls(value);
  if (plain === undefined) {
    reading.problems.push("Objects: nested too deeply: an anchor may contain itself");
    return;
  }
  readValue(plain, reading, undefined);
}

function readValue(value: unknown, reading: Reading, listKind: string | undefined): void {
  if (!isRecord(value)) {
    reading.problems.push(`Objects: expected an object with apiVersion and kind, got ${quoteValue(value)}`);
    return;
  }
  const kind = value.kind ?? listKind;
  if (typeof kind !== "string") {
    reading.problems.push(`${nameOf("Object", value)}: kind: expected text, got ${quoteValue(value.kind)}`);
    return;
  }
  const apiVersion = value.apiVersion;
  if (kind.endsWith("List") && isListOf(value)) {
    // Items of `ServiceList` and the like carry no kind of their own.
    for (const item of value.items)
      readValue(withApiVersion(item, apiVersion), reading, kind.slice(0, -4) || undefined);
    return;
  }
  if (typeof apiVersion !== "string") {
    reading.problems.push(`${nameOf(kind, value)}: apiVersion: expected text, got ${quoteValue(apiVersion)}`);
    return;
  }
  readObject({ ...value, kind, apiVersion }, kind, reading);
}

function readObject(value: Readonly<Record<string, unknown>>, kindName: string, reading: Reading): void {
  const kind = findKind(String(value.apiVersion), kindName);
  if (kind === undefined) {
    reading.notes.push(`${nameOf(kindName, value)}: skipped: ${skipReason(kindName)}`);
    return;
  }
  const named = withNamespace(value, kind);
  const name = nameOf(kind.kind, named);
  const before = reading.problems.length;
  const shaped = checkShape(named, kind, (problem) => reading.problems.push(`${name}: ${problem}`));
  if (shaped === undefined || reading.problems.length > before) return;
  if (shaped.kind === "EndpointSlice" && !noteSlice(shaped, name, reading)) return;
  if (reading.objects.has(name)) reading.notes.push(`${name}: given more than once: the last one counts`);
  reading.objects.set(name, shaped);
}

/** Notes what of a slice kube-proxy will not use; false when that is all of it. */
function noteSlice(slice: EndpointSlice, name: string, reading: Reading): boolean {
  if (slice.addressType !== "IPv4") {
    reading.notes.push(`${name}: skipped: its addresses are ${slice.addressType}, and these rules are for IPv4`);
    return false;
  }
  for (const [index, port] of (slice.ports ?? []).entries()) {
    const missing = port.name === undefined ? "name" : "port number";
    if (port.name === undefined || !port.port)
      reading.notes.push(`${name}: ports[${index}]: has no ${missing}: kube-proxy ignores it`);
  }
  return true;
}

/** Checks one object against its kind's shape; problems go to `report` as `spec.ports[0].port: expected …, got …`. */
export function checkShape(
  value: unknown,
  kind: ResourceKind,
  report: (problem: string) => void,
): KubeObject | undefined {
  const good = kind.shape(value, "", (path, expected, actual) => {
    report(`${path}: expected ${expected}, got ${quoteValue(actual)}`);
  });
  return good ? (value as KubeObject) : undefined;
}

/**
 * A value without null members, which mean the same as absent ones; what has none is the same value. `undefined` for one that contains itself.
 */
export function withoutNulls(value: unknown, inside: unknown[] = []): unknown {
  if (!Array.isArray(value) && !isRecord(value)) return value;
  if (inside.includes(value) || inside.length > MAX_DEPTH) return undefined;
  inside.push(value);
  const plain = Array.isArray(value) ? listWithoutNulls(value, inside) : recordWithoutNulls(value, inside);
  inside.pop();
  return plain;
}

function listWithoutNulls(list: readonly unknown[], inside: unknown[]): unknown {
  const items = list.map((item) => (item === null ? null : withoutNulls(item, inside)));
  if (items.includes(undefined)) return undefined;
  return items.every((item, index) => item === list[index]) ? list : items;
}

function recordWithoutNulls(record: Readonly<Record<string, unknown>>, inside: unknown[]): unknown {
  let changed: Record<string, unknown> | undefined;
  for (const key in record) {
    const member = record[key];
    const plain = member === null ? undefined : withoutNulls(member, inside);
    if (plain === undefined && member !== null && member !== undefined) return undefined;
    if (plain === member && plain !== undefined) continue;
    changed ??= { ...record };
    if (plain === undefined) delete changed[key];
    else changed[key] = plain;
  }
  return changed ?? record;
}

function isListOf(value: Readonly<Record<string, unknown>>): value is { items: readonly unknown[] } {
  return Array.isArray(value.items);
}

function withApiVersion(item: unknown, apiVersion: unknown): unknown {
  return isRecord(item) && item.apiVersion === undefined ? { ...item, apiVersion } : item;
}

function withNamespace(
  value: Readonly<Record<string, unknown>>,
  kind: ResourceKind,
): Readonly<Record<string, unknown>> {
  const metadata = value.metadata;
  if (!kind.namespaced || !isRecord(metadata) || (metadata.namespace ?? "") !== "") return value;
  return { ...value, metadata: { ...metadata, namespace: "default" } };
}

function nameOf(kind: string, value: Readonly<Record<string, unknown>>): string {
  const metadata = isRecord(value.metadata) ? value.metadata : {};
  const { namespace, name } = metadata;
  if (typeof name !== "string") return kind;
  return typeof namespace === "string" ? `${kind} ${namespace}/${name}` : `${kind} ${name}`;
}

function skipReason(kind: string): string {
  return kind === "Endpoints" ? "kube-proxy reads EndpointSlices only" : "natscope does not use this kind";
}

/** The objects of one kind, in order. */
export function ofKind<K extends Kind>(objects: readonly KubeObject[], kind: K): readonly ObjectOf<K>[] {
  return objects.filter((object): object is ObjectOf<K> => object.kind === kind);
}
