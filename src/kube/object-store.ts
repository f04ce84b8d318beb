import type { Kind, KubeObject, ObjectOf } from "./model.ts";
import { resourceKind } from "./resource-kinds.ts";

/** Names an object. The namespace means nothing for nodes. */
export interface ObjectKey {
  readonly kind: Kind;
  readonly name: string;
  readonly namespace?: string;
}

type Owners = NonNullable<KubeObject["metadata"]["ownerReferences"]>;

/** The objects of one kind. The list is made when it is asked for, and kept until something changes. */
interface Shelf {
  /** By namespace, then name. */
  readonly objects: Map<string, Map<string, KubeObject>>;
  list: readonly KubeObject[] | undefined;
}

/** What the API server keeps its objects in: found by key, by kind and by owner, so that a question costs no more than its answer is long. */
export class ObjectStore {
  readonly #shelves = new Map<Kind, Shelf>();
  /** What each owner owns, by {@link ownerKey}. */
  readonly #owned = new Map<string, Set<KubeObject>>();
  /** Objects that one controller makes share their references. */
  readonly #ownerKeys = new WeakMap<Owners, readonly string[]>();

  get({ kind, name, namespace }: ObjectKey): KubeObject | undefined {
    return this.#shelves.get(kind)?.objects.get(placeOf(kind, namespace))?.get(name);
  }

  set(object: KubeObject): void {
    const shelf = this.#shelf(object.kind);
    const place = placeOf(object.kind, namespaceOf(object));
    const { name } = object.metadata;
    const objects = shelf.objects.get(place) ?? new Map<string, KubeObject>();
    shelf.objects.set(place, objects);
    shelf.list = undefined;
    const before = objects.get(name);
    if (before !== undefined) this.#disown(before);
    objects.set(name, object);
    for (const owner of this.#ownersOf(object)) {
      const owned = this.#owned.get(owner) ?? new Set();
      this.#owned.set(owner, owned.add(object));
    }
  }

  delete(object: KubeObject): void {
    const shelf = this.#shelf(object.kind);
    shelf.objects.get(placeOf(object.kind, namespaceOf(object)))?.delete(object.metadata.name);
    shelf.list = undefined;
    this.#disown(object);
  }

  /** All objects of a kind, by namespace and name. */
  list<K extends Kind>(kind: K): readonly ObjectOf<K>[] {
    const shelf = this.#shelf(kind);
    shelf.list ??= inPathOrder(shelf.objects).flatMap((objects) => inOrder(objects));
    return shelf.list as readonly ObjectOf<K>[];
  }

  /** What names `owner` as its owner, in its namespace. */
  ownedBy(owner: KubeObject): readonly KubeObject[] {
    return [...(this.#owned.get(ownerKey(namespaceOf(owner), owner.kind, owner.metadata.name)) ?? [])];
  }

  #shelf(kind: Kind): Shelf {
    const known = this.#shelves.get(kind);
    if (known !== undefined) return known;
    const made: Shelf = { objects: new Map(), list: undefined };
    this.#shelves.set(kind, made);
    return made;
  }

  #disown(object: KubeObject): void {
    for (const owner of this.#ownersOf(object)) {
      const owned = this.#owned.get(owner);
      owned?.delete(object);
      if (owned?.size === 0) this.#owned.delete(owner);
    }
  }

  #ownersOf(object: KubeObject): readonly string[] {
    const references: Owners | undefined = object.metadata.ownerReferences;
    if (references === undefined) return [];
    const known = this.#ownerKeys.get(references);
    if (known !== undefined) return known;
    const keys = references.map(({ kind, name }) => ownerKey(namespaceOf(object), kind, name));
    this.#ownerKeys.set(references, keys);
    return keys;
  }
}

/** The key by which an object is asked for. */
export function referenceTo(object: KubeObject): ObjectKey {
  const namespace = namespaceOf(object);
  return { kind: object.kind, name: object.metadata.name, ...(namespace === undefined ? {} : { namespace }) };
}

export function namespaceOf(object: KubeObject): string | undefined {
  return "namespace" in object.metadata ? object.metadata.namespace : undefined;
}

/** An object's key as text. */
export function keyOf(object: KubeObject): string {
  return `${object.kind}/${placeIn(object)}/${object.metadata.name}`;
}

/** Whether two objects are versions of the same one. */
export function isSameObject(a: KubeObject, b: KubeObject): boolean {
  return a.kind === b.kind && a.metadata.name === b.metadata.name && placeIn(a) === placeIn(b);
}

function placeIn(object: KubeObject): string {
  return placeOf(object.kind, namespaceOf(object));
}

function placeOf(kind: Kind, namespace: string | undefined): string {
  return resourceKind(kind).namespaced ? (namespace ?? "default") : "";
}

/** The values by their keys. */
export function inOrder<T>(map: ReadonlyMap<string, T>): readonly T[] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, value]) => value);
}

/** The values by their keys as beginnings of paths: `a-b/x` comes before `a/x`. */
export function inPathOrder<T>(map: ReadonlyMap<string, T>): readonly T[] {
  return inOrder(new Map(Array.from(map, ([key, value]) => [`${key}/`, value])));
}

function ownerKey(namespace: string | undefined, kind: string, name: string): string {
  return `${namespace ?? ""}/${kind}/${name}`;
}
