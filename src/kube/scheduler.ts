import type { Chance } from "./band-allocator.ts";
import type { Node, Pod, Taint, Toleration } from "./model.ts";
import { isFinished, selects } from "./pod.ts";

/** Kin weighs more than any number of other Pods on a node. */
const KIN_WEIGHT = 1_000_000;

/** The node for a Pod among these, beside these Pods: see {@link Scheduler}. */
export function scheduleNode(
  pod: Pod,
  nodes: readonly Node[],
  pods: readonly Pod[],
  chance: Chance,
): string | undefined {
  const loads = new NodeLoads();
  for (const other of pods) loads.add(other);
  return new Scheduler(loads, () => nodes).place(pod, chance);
}

/** How many unfinished Pods each node has, and how many of one owner: kept Pod by Pod. */
export class NodeLoads {
  /** Counts additions and removals. */
  changes = 0;
  readonly #numbers = new Map<string, number>();
  readonly #names: string[] = [];
  readonly #totals: number[] = [];
  readonly #kin = new Map<string, Map<number, number>>();

  add(pod: Pod): void {
    this.#count(pod, 1);
  }

  /** Takes back what {@link add} did with the same Pod. */
  remove(pod: Pod): void {
    this.#count(pod, -1);
  }

  /** A node's number here, for the other questions. */
  numberOf(node: string): number {
    const known = this.#numbers.get(node);
    if (known !== undefined) return known;
    this.#names.push(node);
    this.#totals.push(0);
    this.#numbers.set(node, this.#names.length - 1);
    return this.#names.length - 1;
  }

  nameOf(number: number): string | undefined {
    return this.#names[number];
  }

  /** Those of the nodes that have the least load for a Pod of this owner, in their order. */
  least(among: readonly number[], owner: string | undefined): number[] {
    const kin = owner === undefined ? undefined : this.#kin.get(owner);
    let least = Number.POSITIVE_INFINITY;
    let best: number[] = [];
    for (const number of among) {
      const load = (this.#totals[number] ?? 0) + (kin?.get(number) ?? 0) * KIN_WEIGHT;
      if (load > least) continue;
      if (load < least) best = [];
      least = load;
      best.push(number);
    }
    return best;
  }

  #count(pod: Pod, change: 1 | -1): void {
    if (pod.spec.nodeName === undefined || isFinished(pod)) return;
    const number = this.numberOf(pod.spec.nodeName);
    this.changes += 1;
    this.#totals[number] = (this.#totals[number] ?? 0) + change;
    const owner = ownerOf(pod);
    if (owner === undefined) return;
    const kin = this.#kin.get(owner) ?? new Map<number, number>();
    this.#kin.set(owner, kin);
    const count = (kin.get(number) ?? 0) + change;
    if (count === 0) kin.delete(number);
    else kin.set(number, count);
    if (kin.size === 0) this.#kin.delete(owner);
  }
}

/**
 * Finds nodes for Pods: a ready one that the Pod's selector and tolerations allow, with the fewest Pods of the same owner, then the fewest
 * Pods at all; chance decides between equals. The real scheduler weighs much more, resources above all. A Deployment's Pods, which ask for
 * the same, are placed one after the other without looking at all nodes each time.
 */
export class Scheduler {
  readonly #loads: NodeLoads;
  readonly #nodes: () => readonly Node[];
  #seen: readonly Node[] = [];
  /** Nodes by what Pods ask of them. */
  #fitting = new Map<string, readonly number[]>();
  /** The equals among which the last Pod's like go next, as long as `changes` says that nothing but its binding has happened. */
  #equals: { readonly asker: string; readonly nodes: number[]; readonly changes: number } | undefined;

  /** `nodes` is asked each time: a new list means that nodes have changed. */
  constructor(loads: NodeLoads, nodes: () => readonly Node[]) {
    this.#loads = loads;
    this.#nodes = nodes;
  }

  /** The node for a Pod, which is then expected to be bound to it; `undefined` when none will do. */
  place(pod: Pod, chance: Chance): string | undefined {
    const equals = this.#equalsFor(pod);
    const choice = equals.length > 1 ? chance.below(equals.length) : 0;
    const [chosen] = equals.splice(choice, 1);
    return chosen === undefined ? undefined : this.#loads.nameOf(chosen);
  }

  #equalsFor(pod: Pod): number[] {
    if (this.#nodes() !== this.#seen) this.#forget();
    const { nodeSelector, tolerations } = pod.spec;
    const demand =
      nodeSelector === undefined && tolerations === undefined ? "" : JSON.stringify([nodeSelector, tolerations]);
    const owner = ownerOf(pod);
    const asker = `${owner ?? ""} ${demand}`;
    const { changes } = this.#loads;
    const same = this.#equals?.asker === asker && this.#equals.changes === changes ? this.#equals.nodes : [];
    const nodes = same.length > 0 ? same : this.#loads.least(this.#fittingFor(pod, demand), owner);
    this.#equals = { asker, nodes, changes: changes + 1 };
    return nodes;
  }

  #fittingFor(pod: Pod, demand: string): readonly number[] {
    const known = this.#fitting.get(demand);
    if (known !== undefined) return known;
    const fitting = this.#seen.filter((node) => fits(pod, node));
    const numbers = fitting.map((node) => this.#loads.numberOf(node.metadata.name));
    this.#fitting.set(demand, numbers);
    return numbers;
  }

  #forget(): void {
    this.#seen = this.#nodes();
    this.#fitting = new Map();
    this.#equals = undefined;
  }
}

/** Ready as far as its conditions say; a node without conditions is. */
export function isNodeReady(node: Node): boolean {
  const ready = node.status?.conditions?.find((condition) => condition.type === "Ready");
  return ready === undefined || ready.status === "True";
}

function fits(pod: Pod, node: Node): boolean {
  if (!isNodeReady(node) || node.spec?.unschedulable === true) return false;
  const labels = { "kubernetes.io/hostname": node.metadata.name, ...node.metadata.labels };
  return selects(pod.spec.nodeSelector ?? {}, labels) && toleratesAll(pod, node.spec?.taints ?? []);
}

function toleratesAll(pod: Pod, taints: readonly Taint[]): boolean {
  const hard = taints.filter((taint) => taint.effect !== "PreferNoSchedule");
  return hard.every((taint) => (pod.spec.tolerations ?? []).some((toleration) => tolerates(toleration, taint)));
}

/** Whether a toleration covers a taint (k8s.io/api/core/v1, ToleratesTaint). */
export function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect !== undefined && toleration.effect !== "" && toleration.effect !== taint.effect) return false;
  const { key = "", operator = "Equal" } = toleration;
  if (operator === "Exists") return key === "" || key === taint.key;
  return key === taint.key && (toleration.value ?? "") === (taint.value ?? "");
}

/** By the references, which the Pods of one owner share. */
const owners = new WeakMap<object, string>();

function ownerOf({ metadata: { namespace, ownerReferences } }: Pod): string | undefined {
  if (ownerReferences === undefined) return undefined;
  const known = owners.get(ownerReferences);
  if (known !== undefined) return known;
  const owner = ownerReferences.find((entry) => entry.controller === true);
  if (owner === undefined) return undefined;
  const text = `${namespace}/${owner.kind}/${owner.name}`;
  owners.set(ownerReferences, text);
  return text;
}
