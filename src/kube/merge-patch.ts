import type { Kind } from "./model.ts";
import { isRecord } from "./shape.ts";

/*
 * How kubectl changes objects: `patch` merges a piece of JSON into one, `apply` works out such a piece from the manifest applied
 * before and the one applied now. In the strategic kind of merging, some lists are merged item by item, by a key.
 */

type Json = Readonly<Record<string, unknown>>;

/** Lists that are merged by a key, by kind and path (`patchMergeKey` in k8s.io/api/core/v1). All others are replaced whole. */
const MERGE_KEYS: Readonly<Partial<Record<Kind, Readonly<Record<string, string>>>>> = {
  Service: { "spec.ports": "port" },
  Node: { "status.addresses": "type", "status.conditions": "type" },
  Pod: podLists("spec"),
  Deployment: podLists("spec.template.spec"),
};

const COMMON_MERGE_KEYS: Readonly<Record<string, string>> = {
  "metadata.ownerReferences": "uid",
  "status.conditions": "type",
};

/** RFC 7396: members of `patch` replace those of `target`, null removes them, lists are replaced. */
export function jsonMergePatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const merged: Record<string, unknown> = isRecord(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key];
    else merged[key] = jsonMergePatch(merged[key], value);
  }
  return merged;
}

/**
 * What `kubectl patch` does unless told otherwise: like {@link jsonMergePatch}, but keyed lists are merged item by item; `$patch:
 * delete` in an item removes it, `$patch: replace` in an object or as an item replaces the whole.
 */
export function strategicMergePatch(kind: Kind, target: unknown, patch: unknown): unknown {
  return mergeValue(target, patch, "", { ...COMMON_MERGE_KEYS, ...MERGE_KEYS[kind] });
}

/**
 * The patch that `kubectl apply` sends: everything in `next`, and nulls for what was in `last`, the manifest applied before, and is
 * no more. What others have added to the object since is not touched.
 */
export function applyPatch(kind: Kind, last: unknown, next: unknown): unknown {
  return diffApplied(last, next, "", { ...COMMON_MERGE_KEYS, ...MERGE_KEYS[kind] });
}

function mergeValue(target: unknown, patch: unknown, path: string, keys: Readonly<Record<string, string>>): unknown {
  const key = keys[path];
  if (Array.isArray(patch) && key !== undefined)
    return mergeList(Array.isArray(target) ? target : [], patch, path, keys);
  if (!isRecord(patch)) return patch;
  const directive = patch.$patch;
  if (directive === "delete") return undefined;
  const plain = Object.entries(patch).filter(([name]) => !name.startsWith("$"));
  const merged: Record<string, unknown> = isRecord(target) && directive !== "replace" ? { ...target } : {};
  for (const [name, value] of plain) {
    const result =
      value === null ? undefined : mergeValue(merged[name], value, path === "" ? name : `${path}.${name}`, keys);
    if (result === undefined) delete merged[name];
    else merged[name] = result;
  }
  return merged;
}

function mergeList(
  target: readonly unknown[],
  patch: readonly unknown[],
  path: string,
  keys: Readonly<Record<string, string>>,
): readonly unknown[] {
  const key = keys[path] ?? "";
  const replaces = patch.some((item) => isRecord(item) && item.$patch === "replace");
  const merged = replaces ? [] : [...target];
  for (const item of patch) {
    if (!isRecord(item) || item.$patch === "replace") continue;
    const at = merged.findIndex((existing) => isRecord(existing) && existing[key] === item[key]);
    if (item.$patch === "delete") {
      if (at >= 0) merged.splice(at, 1);
    } else if (at >= 0) merged[at] = mergeValue(merged[at], item, `${path}[]`, keys);
    else merged.push(mergeValue({}, item, `${path}[]`, keys));
  }
  return merged;
}

function diffApplied(last: unknown, next: unknown, path: string, keys: Readonly<Record<string, string>>): unknown {
  const key = keys[path];
  if (Array.isArray(next) && Array.isArray(last) && key !== undefined) return diffList(last, next, path, keys);
  if (!isRecord(next)) return next;
  const patch: Record<string, unknown> = {};
  const before: Json = isRecord(last) ? last : {};
  for (const name of Object.keys(before)) if (!(name in next)) patch[name] = null;
  for (const [name, value] of Object.entries(next))
    patch[name] = diffApplied(before[name], value, path === "" ? name : `${path}.${name}`, keys);
  return patch;
}

function diffList(
  last: readonly unknown[],
  next: readonly unknown[],
  path: string,
  keys: Readonly<Record<string, string>>,
): readonly unknown[] {
  const key = keys[path] ?? "";
  const find = (list: readonly unknown[], item: unknown) =>
    list.find((other) => isRecord(other) && isRecord(item) && other[key] === item[key]);
  const gone = last.filter((item) => isRecord(item) && find(next, item) === undefined);
  return [
    ...gone.map((item) => ({ [key]: (item as Json)[key], $patch: "delete" })),
    ...next.map((item) => diffApplied(find(last, item), item, `${path}[]`, keys)),
  ];
}

/** Lists inside a Pod's spec; `[]` stands for any item of the list before it. */
function podLists(spec: string): Readonly<Record<string, string>> {
  return {
    [`${spec}.containers`]: "name",
    [`${spec}.containers[].ports`]: "containerPort",
    [`${spec}.containers[].env`]: "name",
    [`${spec}.containers[].volumeMounts`]: "mountPath",
    [`${spec}.volumes`]: "name",
  };
}
