import {
  alreadyExists,
  badRequest,
  type FieldError,
  invalid,
  invalidValue,
  notFound,
  requiredValue,
  unsupportedValue,
} from "./api-error.ts";
import { applyPatch, jsonMergePatch, strategicMergePatch } from "./merge-patch.ts";
import type { Deployment, EndpointSlice, Kind, KubeObject, ObjectOf, Pod, Service } from "./model.ts";
import { checkDns1123Subdomain } from "./name-rules.ts";
import { isSameObject, keyOf, namespaceOf, type ObjectKey, ObjectStore, referenceTo } from "./object-store.ts";
import { withoutNulls } from "./read-objects.ts";
import { findKind, qualifiedPlural, type ResourceKind, resourceKind } from "./resource-kinds.ts";
import { sameValue } from "./same-value.ts";
import { withIngressDefaults } from "./service-defaults.ts";
import { ServiceStorage, type ServiceStorageOptions } from "./service-storage.ts";
import { isRecord, quoteValue } from "./shape.ts";

/** What an API server needs from outside: time, chance and the ranges it allocates from. */
export interface ApiServerOptions extends ServiceStorageOptions {
  /** What objects made now get as their creation time, such as `2026-01-01T00:00:00Z`; without it they get none. */
  readonly timestamp?: () => string;
}

/** One change to one object, told to watchers after it has happened. */
export interface ObjectChange {
  readonly type: "added" | "modified" | "deleted";
  readonly object: KubeObject;
  /** What stood in its place before. */
  readonly before?: KubeObject;
}

/** How a patch is merged, as `kubectl patch --type` has it. */
export type PatchKind = "strategic" | "merge";

/** What a change came to: the object as stored, and whether it differs from before. */
export interface Stored<T extends KubeObject = KubeObject> {
  readonly object: T;
  readonly change: "created" | "configured" | "unchanged";
}

/**
 * The API server with its store: takes objects and changes to objects as kubectl sends them, fills in defaults, allocates addresses and
 * ports, refuses in the real one's words (ApiError), and tells watchers. Objects are values: a change makes a new one. Namespaces
 * need not be made before they are used.
 */
export class ApiServer {
  readonly #objects = new ObjectStore();
  /** Manifests as last applied, to see what a later one leaves out. */
  readonly #applied = new Map<string, unknown>();
  readonly #watchers = new Set<(change: ObjectChange) => void>();
  readonly #services: ServiceStorage;
  readonly #timestamp: (() => string) | undefined;

  constructor(options: ApiServerOptions) {
    this.#services = new ServiceStorage(options);
    this.#timestamp = options.timestamp;
  }

  /** The lowest address of the Service range, which belongs to the Service `default/kubernetes`. */
  get firstClusterIp(): string {
    return this.#services.firstClusterIp;
  }

  /** Stores a new object, with what the control plane fills in. @throws ApiError when it is refused. */
  create(manifest: unknown): KubeObject {
    return this.add(readManifest(manifest));
  }

  /** Like {@link create} for a controller, whose objects have the right shape. */
  add(given: KubeObject): KubeObject {
    if (this.#objects.get(referenceTo(given)) !== undefined)
      throw alreadyExists(qualifiedPlural(resourceKind(given.kind)), given.metadata.name);
    return this.#store(this.#stamped(this.#prepareNew(given)), undefined);
  }

  /** `kubectl apply`: creates the object, or changes what this manifest and the one applied before it say about it. */
  apply(manifest: unknown): Stored {
    const given = readManifest(manifest);
    const key = keyOf(given);
    const old = this.#objects.get(referenceTo(given));
    if (old === undefined) {
      const object = this.add(given);
      this.#applied.set(key, given);
      return { object, change: "created" };
    }
    const patch = applyPatch(given.kind, this.#applied.get(key), given);
    const stored = this.#change(old, strategicMergePatch(given.kind, old, patch));
    this.#applied.set(key, given);
    return stored;
  }

  /** `kubectl patch`; `strategic` is its default. */
  patch(key: ObjectKey, patch: unknown, kind: PatchKind = "strategic"): Stored {
    const old = this.require(key);
    return this.#change(old, patched(old, patch, kind));
  }

  /** `kubectl patch --subresource=status`: the status changes, and nothing else. */
  patchStatus(key: ObjectKey, patch: unknown, kind: PatchKind = "strategic"): Stored {
    const old = this.require(key);
    const next = readManifest(patched(old, patch, kind));
    return this.#putStatus(old, "status" in next ? next.status : undefined);
  }

  /** Puts a controller's or a node's `object`, which has the right shape, in the place of the stored one of the same name. */
  replace(object: KubeObject): Stored {
    return this.#update(this.require(referenceTo(object)), object);
  }

  /** Changes `status` and nothing else, as controllers do; what a status may say is not checked. */
  setStatus<K extends Kind>(
    key: ObjectKey & { readonly kind: K },
    status: ObjectOf<K> extends { status?: infer S } ? S : never,
  ): Stored {
    return this.#putStatus(this.require(key), status);
  }

  /** Makes a controller's object, or puts it in the place of the stored one of the same name. */
  put(object: KubeObject): KubeObject {
    const old = this.#objects.get(referenceTo(object));
    if (old === undefined) return this.add(object);
    const { creationTimestamp } = old.metadata;
    const stamp = creationTimestamp === undefined ? {} : { creationTimestamp };
    return this.#update(old, { ...object, metadata: { ...object.metadata, ...stamp } } as KubeObject).object;
  }

  #putStatus(old: KubeObject, status: unknown): Stored {
    const next = { ...old, status } as KubeObject;
    return this.#put(old, next.kind === "Service" ? withServiceStatus(next) : next);
  }

  /** `kubectl scale`. */
  scale(key: Omit<ObjectKey, "kind">, replicas: number): Stored {
    return this.patch({ ...key, kind: "Deployment" }, { spec: { replicas } });
  }

  /** `kubectl label`: texts are set, null removes. */
  label(key: ObjectKey, labels: Readonly<Record<string, string | null>>): Stored {
    return this.patch(key, { metadata: { labels } }, "merge");
  }

  /** `kubectl annotate`: texts are set, null removes. */
  annotate(key: ObjectKey, annotations: Readonly<Record<string, string | null>>): Stored {
    return this.patch(key, { metadata: { annotations } }, "merge");
  }

  /**
   * Removes an object and what it owns. A Pod that runs on a node only gets a deletion time, and goes on terminating until its node
   * calls {@link remove}.
   */
  delete(key: ObjectKey): KubeObject {
    const object = this.require(key);
    if (object.kind === "Pod" && isRunning(object)) return this.#markDeleted(object);
    return this.remove(key);
  }

  /** Removes an object and what it owns at once: what a node does for a Pod that has stopped, and `--force --grace-period=0`. */
  remove(key: ObjectKey): KubeObject {
    const object = this.require(key);
    this.#objects.delete(object);
    this.#applied.delete(keyOf(object));
    if (object.kind === "Service") this.#services.delete(object);
    this.#tell({ type: "deleted", object });
    for (const owned of this.ownedBy(object)) this.delete(referenceTo(owned));
    return object;
  }

  /** The object; undefined when there is none. */
  get<K extends Kind>(kind: K, name: string, namespace = "default"): ObjectOf<K> | undefined {
    return this.#objects.get({ kind, name, namespace }) as ObjectOf<K> | undefined;
  }

  /** All objects of a kind, by namespace and name. */
  list<K extends Kind>(kind: K, namespace?: string): readonly ObjectOf<K>[] {
    const all = this.#objects.list(kind);
    return namespace === undefined ? all : all.filter((object) => namespaceOf(object) === namespace);
  }

  /** What names `owner` as its owner. */
  ownedBy(owner: KubeObject): readonly KubeObject[] {
    return this.#objects.ownedBy(owner);
  }

  /** Calls `watcher` after each change, until the returned function is called. */
  watch(watcher: (change: ObjectChange) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** The object of this name. @throws ApiError when there is none. */
  require(key: ObjectKey): KubeObject {
    const object = this.#objects.get(key);
    if (object === undefined) throw notFound(qualifiedPlural(resourceKind(key.kind)), key.name);
    return object;
  }

  #change(old: KubeObject, value: unknown): Stored {
    const next = readManifest(value);
    if (!isSameObject(next, old)) throw badRequest("the name, namespace and kind of an object may not change");
    return this.#update(old, next);
  }

  #update(old: KubeObject, next: KubeObject): Stored {
    if (next.kind !== "Service" || old.kind !== "Service") return this.#put(old, withDefaults(next));
    // Only setStatus changes a status.
    const { status: _, ...service } = next;
    const status = old.status === undefined ? {} : { status: old.status };
    return this.#put(old, this.#services.update({ ...service, ...status }, old));
  }

  #put(old: KubeObject, next: KubeObject): Stored {
    if (sameValue(old, next)) return { object: old, change: "unchanged" };
    return { object: this.#store(next, old), change: "configured" };
  }

  #store(object: KubeObject, before: KubeObject | undefined): KubeObject {
    this.#objects.set(object);
    this.#tell(before === undefined ? { type: "added", object } : { type: "modified", object, before });
    return object;
  }

  #prepareNew(given: KubeObject): KubeObject {
    if (given.kind === "Service") {
      // A status in a manifest is what some other cluster said once.
      const { status: _, ...service } = given;
      return this.#services.create(service);
    }
    const errors = checkDns1123Subdomain("metadata.name", given.metadata.name);
    if (errors.length > 0) throw invalid(given.kind, given.metadata.name, errors);
    return withDefaults(given);
  }

  #stamped(object: KubeObject): KubeObject {
    if (this.#timestamp === undefined || object.metadata.creationTimestamp !== undefined) return object;
    return { ...object, metadata: { ...object.metadata, creationTimestamp: this.#timestamp() } } as KubeObject;
  }

  #markDeleted(pod: Pod): KubeObject {
    if (pod.metadata.deletionTimestamp !== undefined) return pod;
    const deletionTimestamp = this.#timestamp?.() ?? "1970-01-01T00:00:00Z";
    return this.#store({ ...pod, metadata: { ...pod.metadata, deletionTimestamp } }, pod);
  }

  #tell(change: ObjectChange): void {
    for (const watcher of this.#watchers) watcher(change);
  }
}

/** Narrows a manifest; what is wrong with it is told as the API server tells it. */
function readManifest(manifest: unknown): KubeObject {
  const value = withoutNulls(manifest);
  if (!isRecord(value)) throw badRequest(`expected an object with apiVersion and kind, got ${quoteValue(value)}`);
  const kind = findKind(String(value.apiVersion), String(value.kind));
  if (kind === undefined)
    throw badRequest(`no matches for kind ${quoteValue(value.kind)} in version ${quoteValue(value.apiVersion)}`);
  const metadata = isRecord(value.metadata) ? value.metadata : {};
  const namespace = kind.namespaced ? { namespace: metadata.namespace || "default" } : {};
  return checkManifest({ ...value, metadata: { ...metadata, ...namespace } }, kind, String(metadata.name ?? ""));
}

function checkManifest(value: unknown, kind: ResourceKind, name: string): KubeObject {
  const errors: FieldError[] = [];
  const good = kind.shape(value, "", (path, expected, actual) => errors.push(shapeError(path, expected, actual)));
  if (!good) throw invalid(kind.kind, name, errors);
  return value;
}

/** A field of the wrong shape in the API server's words, as far as it has any: its own decoder speaks of Go types. */
function shapeError(path: string, expected: string, actual: unknown): FieldError {
  const range = /^a number from (\d+) to (\d+)$/.exec(expected);
  if (actual === undefined) return requiredValue(path);
  if (range !== null && Number.isInteger(actual))
    return invalidValue(path, actual, `must be between ${range[1]} and ${range[2]}, inclusive`);
  if (typeof actual === "string" && expected.includes(" or ") && !expected.startsWith("a "))
    return unsupportedValue(path, actual, expected.split(/, | or /));
  return { path, message: `expected ${expected}, got ${quoteValue(actual)}` };
}

function withDefaults(object: KubeObject): KubeObject {
  if (object.kind === "Deployment") return withDeploymentDefaults(object);
  return object.kind === "EndpointSlice" ? withSliceDefaults(object) : object;
}

function withDeploymentDefaults(deployment: Deployment): Deployment {
  const { spec } = deployment;
  // Before apps/v1 the selector could be left out and was taken from the template.
  const selector = spec.selector ?? { matchLabels: spec.template.metadata?.labels ?? {} };
  const filled = { ...deployment, spec: { ...spec, replicas: spec.replicas ?? 1, selector } };
  const labels = spec.template.metadata?.labels ?? {};
  const unmatched = Object.entries(selector.matchLabels ?? {}).some(([key, value]) => labels[key] !== value);
  if (unmatched) {
    const detail = "`selector` does not match template `labels`";
    throw invalid("Deployment", deployment.metadata.name, [
      { path: "spec.template.metadata.labels", message: `Invalid value: ${JSON.stringify(labels)}: ${detail}` },
    ]);
  }
  return filled;
}

/** A slice's port without a name is the unnamed one, and not the "any" that its type would allow. */
function withSliceDefaults(slice: EndpointSlice): EndpointSlice {
  if (slice.ports === undefined) return slice;
  const ports = slice.ports.map((port) => ({ ...port, name: port.name ?? "", protocol: port.protocol ?? "TCP" }));
  return { ...slice, ports };
}

function patched(old: KubeObject, patch: unknown, kind: PatchKind): unknown {
  if (!isRecord(patch)) throw badRequest(`expected a patch like {"spec":{…}}, got ${quoteValue(patch)}`);
  return kind === "merge" ? jsonMergePatch(old, patch) : strategicMergePatch(old.kind, old, patch);
}

function withServiceStatus(service: Service): Service {
  const ingress = service.status?.loadBalancer?.ingress;
  if (ingress === undefined) return service;
  return { ...service, status: { ...service.status, loadBalancer: { ingress: withIngressDefaults(ingress) } } };
}

/** Whether a Pod has to be stopped before it can go. */
function isRunning(pod: Pod): boolean {
  const phase = pod.status?.phase ?? "Pending";
  return pod.spec.nodeName !== undefined && phase === "Running" && pod.spec.terminationGracePeriodSeconds !== 0;
}
