import type { ObjectChange } from "./api-server.ts";
import type { KubeObject, Pod, Service } from "./model.ts";
import { inOrder } from "./object-store.ts";
import { selects } from "./pod.ts";

type Labels = Readonly<Record<string, string>>;

/** Pods with the same labels in the same namespace: what selects one selects all. */
interface PodGroup {
  readonly namespace: string;
  readonly labels: Labels;
  readonly pods: Map<string, Pod>;
  /** The Services that select them, as long as `services` is that of {@link SelectionIndex}. */
  selectedBy: readonly Service[];
  knows: number;
}

/** Which Pods a Service selects and which Services select a Pod, without asking each of the others. To be told of every change. */
export class SelectionIndex {
  /** By namespace and labels as text. */
  readonly #groups = new Map<string, PodGroup>();
  /** By their labels' own object, which the Pods of one template share. */
  readonly #known = new WeakMap<Labels, PodGroup>();
  /** Groups under each of their labels, and under their namespace. */
  readonly #places = new Map<string, Set<PodGroup>>();
  /** Under one of the pairs that their selectors ask for, or under the namespace alone. */
  readonly #services = new Map<string, Map<string, Service>>();
  /** Counts changes of what Services select. */
  #selections = 0;

  follow({ type, object, before }: ObjectChange): void {
    if (object.kind === "Service") return this.#followService(object, before, type === "deleted");
    if (object.kind !== "Pod") return;
    const old = type === "deleted" ? object : before;
    if (old?.kind === "Pod" && (type === "deleted" || old.metadata.labels !== object.metadata.labels)) this.#leave(old);
    if (type !== "deleted") this.#groupOf(object).pods.set(object.metadata.name, object);
  }

  /** The Pods that a Service with a selector selects, by name. An empty selector selects all of its namespace. */
  podsOf({ metadata, spec: { selector } }: Service): readonly Pod[] {
    if (selector === undefined) return [];
    const pods = new Map<string, Pod>();
    for (const group of this.#places.get(placeFor(metadata.namespace, selector)) ?? []) {
      if (!selects(selector, group.labels)) continue;
      for (const [name, pod] of group.pods) pods.set(name, pod);
    }
    return inOrder(pods);
  }

  /** The Services that select a Pod. */
  servicesOf(pod: Pod): readonly Service[] {
    const group = this.#groupOf(pod);
    if (group.knows === this.#selections) return group.selectedBy;
    group.knows = this.#selections;
    const candidates = placesOf(group).flatMap((place) => [...(this.#services.get(place)?.values() ?? [])]);
    group.selectedBy = candidates.filter(({ spec }) => selects(spec.selector ?? {}, group.labels));
    return group.selectedBy;
  }

  #followService(service: Service, before: KubeObject | undefined, isGone: boolean): void {
    const old = before?.kind === "Service" ? before : undefined;
    if (old !== undefined && !isGone && old.spec.selector === service.spec.selector) return;
    this.#selections += 1;
    const { name, namespace } = service.metadata;
    for (const each of [old, service]) {
      if (each?.spec.selector !== undefined) this.#services.get(placeFor(namespace, each.spec.selector))?.delete(name);
    }
    if (isGone || service.spec.selector === undefined) return;
    const place = placeFor(namespace, service.spec.selector);
    this.#services.set(place, (this.#services.get(place) ?? new Map()).set(name, service));
  }

  #leave(pod: Pod): void {
    const group = this.#groupOf(pod);
    group.pods.delete(pod.metadata.name);
    if (group.pods.size > 0) return;
    this.#groups.delete(keyOf(group));
    this.#known.delete(group.labels);
    for (const place of placesOf(group)) {
      this.#places.get(place)?.delete(group);
      if (this.#places.get(place)?.size === 0) this.#places.delete(place);
    }
  }

  #groupOf({ metadata: { namespace, labels = NO_LABELS } }: Pod): PodGroup {
    const known = this.#known.get(labels);
    if (known?.namespace === namespace && known.pods.size > 0) return known;
    const fresh: PodGroup = { namespace, labels, pods: new Map(), selectedBy: [], knows: -1 };
    const key = keyOf(fresh);
    const group = this.#groups.get(key) ?? fresh;
    this.#known.set(labels, group);
    if (group !== fresh) return group;
    this.#groups.set(key, group);
    for (const place of placesOf(group)) this.#places.set(place, (this.#places.get(place) ?? new Set()).add(group));
    return group;
  }
}

const NO_LABELS: Labels = {};

function keyOf({ namespace, labels }: PodGroup): string {
  return JSON.stringify([namespace, Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1))]);
}

/** Where a Service is found, and the Pods that it selects among others: under the first pair of its selector, or with an empty one under its namespace. */
function placeFor(namespace: string, selector: Labels): string {
  const [first] = Object.entries(selector);
  return first === undefined ? namespace : pairOf(namespace, first);
}

function placesOf({ namespace, labels }: PodGroup): readonly string[] {
  return [namespace, ...Object.entries(labels).map((pair) => pairOf(namespace, pair))];
}

function pairOf(namespace: string, [name, value]: readonly [string, string]): string {
  return `${namespace}/${name}=${value}`;
}
