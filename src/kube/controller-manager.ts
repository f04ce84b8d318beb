import type { ApiServer, ObjectChange } from "./api-server.ts";
import type { Chance } from "./band-allocator.ts";
import { type ControlPlanePins, type PodPin, pinFor } from "./control-plane-pins.ts";
import { reconcileDeployment } from "./deployment-controller.ts";
import { reconcileSlices } from "./endpoint-slice-controller.ts";
import { ZONE_LABEL } from "./endpoints.ts";
import type { Deployment, Kind, KubeObject, Node, ObjectOf, Pod, Service } from "./model.ts";
import { NodePods } from "./node-pods.ts";
import { referenceTo } from "./object-store.ts";
import { isFinished } from "./pod.ts";
import { NodeLoads, Scheduler } from "./scheduler.ts";
import { SelectionIndex } from "./selection-index.ts";
import { type SliceIndex, serviceKeyOf } from "./slice-index.ts";
import { WorkQueue } from "./work-queue.ts";

export interface ControllerManagerOptions {
  readonly chance: Chance;
  readonly pins: ControlPlanePins;
  /** Kept up to date by the caller. */
  readonly slices: SliceIndex;
}

/**
 * The control plane's own work: Deployments become Pods, Pods get nodes, Services get EndpointSlices. It watches the API server and looks only at
 * what has changed, or what hangs on that, since it last looked: a change in a large cluster costs what it costs in a small one.
 */
export class ControllerManager {
  readonly #api: ApiServer;
  readonly #options: ControllerManagerOptions;
  readonly #selection = new SelectionIndex();
  readonly #nodePods = new NodePods();
  readonly #loads = new NodeLoads();
  readonly #scheduler: Scheduler;
  /** What is to be looked at. */
  readonly #deployments = new WorkQueue();
  readonly #services = new WorkQueue();
  readonly #pods = new WorkQueue();

  constructor(api: ApiServer, options: ControllerManagerOptions) {
    this.#api = api;
    this.#options = options;
    this.#scheduler = new Scheduler(this.#loads, () => api.list("Node"));
    api.watch((change) => this.#note(change));
  }

  /** One step towards the Pods that Deployments ask for; true when it changed anything. */
  stepDeployments(): boolean {
    let changed = false;
    for (const deployment of this.#take("Deployment", this.#deployments)) {
      const { namespace } = deployment.metadata;
      const pods = this.#api.ownedBy(deployment).filter((object): object is Pod => object.kind === "Pod");
      const changes = reconcileDeployment(deployment, pods.sort(byName), {
        chance: this.#options.chance,
        pins: pinFor(this.#options.pins.pods, deployment.metadata) ?? [],
        isTaken: (name) => this.#api.get("Pod", name, namespace) !== undefined,
      });
      for (const pod of changes.create) this.#api.add(pod);
      for (const pod of changes.delete) this.#api.delete(referenceTo(pod));
      changed ||= changes.create.length + changes.delete.length > 0;
    }
    return changed;
  }

  /** Makes the EndpointSlices say what the Pods are; true when it changed anything. */
  stepSlices(): boolean {
    let changed = false;
    const nodeOf = (name: string): Node | undefined => this.#api.get("Node", name);
    for (const service of this.#take("Service", this.#services)) {
      const slices = this.#options.slices.of(`${service.metadata.namespace}/${service.metadata.name}`);
      const pods = this.#selection.podsOf(service);
      const changes = reconcileSlices({ service, pods, nodeOf, slices }, this.#options.chance);
      for (const slice of changes.put) this.#api.put(slice);
      for (const slice of changes.delete) this.#api.remove(referenceTo(slice));
      changed ||= changes.put.length + changes.delete.length > 0;
      // What it has just written itself is no news.
      this.#services.delete(service.metadata.namespace, service.metadata.name);
    }
    return changed;
  }

  /** The Pods that have changed since this was last asked, by namespace and name. Whoever cannot do anything for one yet gives it back. */
  takePods(): readonly Pod[] {
    return this.#take("Pod", this.#pods);
  }

  /** Has a Pod come up again in {@link takePods}. */
  giveBack(pod: Pod): void {
    add(this.#pods, pod);
  }

  /** There is nothing to look at in a Pod as it is now. */
  done(pod: Pod): void {
    this.#pods.delete(pod.metadata.namespace, pod.metadata.name);
  }

  /** The node that the scheduler finds for a Pod, which is then expected to be bound to it; `undefined` when none will do. */
  place(pod: Pod): string | undefined {
    return this.#scheduler.place(pod, this.#options.chance);
  }

  /** The Pods that are bound to a node, by namespace and name. */
  podsOn(node: string): readonly Pod[] {
    return this.#nodePods.on(node);
  }

  /** A Pod's pin: that of its own name, or its owner's of the same name. */
  pinOf(pod: Pod): PodPin | undefined {
    const owner = pod.metadata.ownerReferences?.[0]?.name ?? pod.metadata.name;
    const pins = pinFor(this.#options.pins.pods, { namespace: pod.metadata.namespace, name: owner }) ?? [];
    return pins.find(({ name }) => name === pod.metadata.name) ?? pins.find(({ name }) => name === undefined);
  }

  /** What is in a queue and still there. */
  #take<K extends Kind>(kind: K, queue: WorkQueue): ObjectOf<K>[] {
    return queue.take().flatMap(({ namespace, name }) => this.#api.get(kind, name, namespace) ?? []);
  }

  #note(change: ObjectChange): void {
    const { object, before } = change;
    this.#selection.follow(change);
    this.#nodePods.follow(change);
    switch (object.kind) {
      case "Deployment":
        return add(this.#deployments, object);
      case "Pod":
        return this.#notePod(
          change.type === "deleted" ? undefined : object,
          change.type === "deleted" ? object : before,
        );
      case "Service":
        return add(this.#services, object);
      case "EndpointSlice":
        for (const slice of [object, before]) this.#noteSlice(slice);
        return;
      case "Node":
        // Slices say endpoints' zones.
        if (before?.kind === "Node" && zoneOf(before) !== zoneOf(object))
          for (const pod of this.podsOn(object.metadata.name)) this.#noteServicesOf(pod);
        return;
      case "Namespace":
      case "ServiceCIDR":
        return;
    }
  }

  #notePod(now: Pod | undefined, before: KubeObject | undefined): void {
    for (const pod of [before, now]) {
      if (pod?.kind !== "Pod") continue;
      this.#noteServicesOf(pod);
      for (const { kind, name } of pod.metadata.ownerReferences ?? [])
        if (kind === "Deployment") this.#deployments.add(pod.metadata.namespace, name);
    }
    if (before?.kind === "Pod" && before.spec.nodeName !== undefined && !isFinished(before)) this.#loads.remove(before);
    if (now === undefined) return;
    this.#loads.add(now);
    add(this.#pods, now);
  }

  #noteSlice(slice: KubeObject | undefined): void {
    const [namespace, name] = (slice && serviceKeyOf(slice))?.split("/") ?? [];
    if (namespace !== undefined && name !== undefined) this.#services.add(namespace, name);
  }

  #noteServicesOf(pod: Pod): void {
    for (const service of this.#selection.servicesOf(pod)) add(this.#services, service);
  }
}

function add(queue: WorkQueue, { metadata }: Deployment | Pod | Service): void {
  queue.add(metadata.namespace, metadata.name);
}

function zoneOf(node: Node): string | undefined {
  return node.metadata.labels?.[ZONE_LABEL];
}

function byName(a: Pod, b: Pod): number {
  return a.metadata.name < b.metadata.name ? -1 : 1;
}
