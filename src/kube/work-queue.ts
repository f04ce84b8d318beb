import { inOrder, inPathOrder } from "./object-store.ts";

/** What a controller works through. A name that is added again while it waits is there once. */
export class WorkQueue {
  #names = new Map<string, Map<string, NamespacedName>>();

  add(namespace: string, name: string): void {
    const names = this.#names.get(namespace) ?? new Map<string, NamespacedName>();
    this.#names.set(namespace, names);
    if (!names.has(name)) names.set(name, { namespace, name });
  }

  delete(namespace: string, name: string): void {
    this.#names.get(namespace)?.delete(name);
  }

  /** Everything, by namespace and name; the queue is empty then. */
  take(): readonly NamespacedName[] {
    const taken = inPathOrder(this.#names).flatMap((names) => inOrder(names));
    this.#names = new Map();
    return taken;
  }
}

export interface NamespacedName {
  readonly namespace: string;
  readonly name: string;
}
