import type { ObjectChange } from "./api-server.ts";
import type { Pod } from "./model.ts";

/** The Pods that are bound to each node, found without looking at all. To be told of every change. */
export class NodePods {
  readonly #byNode = new Map<string, Set<Pod>>();

  follow({ type, object, before }: ObjectChange): void {
    if (object.kind !== "Pod") return;
    if (before?.kind === "Pod") this.#remove(before);
    if (type === "deleted") this.#remove(object);
    else this.#add(object);
  }

  /** Those on a node, by namespace and name. */
  on(node: string): readonly Pod[] {
    return [...(this.#byNode.get(node) ?? [])].sort(byNamespaceAndName);
  }

  #add(pod: Pod): void {
    const { nodeName } = pod.spec;
    if (nodeName === undefined) return;
    const pods = this.#byNode.get(nodeName);
    if (pods === undefined) this.#byNode.set(nodeName, new Set([pod]));
    else pods.add(pod);
  }

  #remove(pod: Pod): void {
    const { nodeName } = pod.spec;
    if (nodeName !== undefined) this.#byNode.get(nodeName)?.delete(pod);
  }
}

/** As the API server lists them: `a-b/x` comes before `a/x`. */
function byNamespaceAndName(a: Pod, b: Pod): number {
  return pathOf(a) < pathOf(b) ? -1 : 1;
}

function pathOf({ metadata }: Pod): string {
  return `${metadata.namespace}/${metadata.name}`;
}
