import type { Chance } from "./band-allocator.ts";
import type { PodPin } from "./control-plane-pins.ts";
import type { Deployment, Pod } from "./model.ts";
import { isFinished, isPodReady, isTerminating } from "./pod.ts";
import { randomSuffix, templateHash } from "./random-names.ts";

/** The label by which Pods of one template are told from those of an earlier one. */
export const TEMPLATE_HASH_LABEL = "pod-template-hash";

/** What has to be done so that a Deployment has the Pods it asks for. */
export interface PodChanges {
  readonly create: readonly Pod[];
  readonly delete: readonly Pod[];
}

/** Chance, and what a scenario fixes of the Pods' names. */
export interface PodNaming {
  readonly chance: Chance;
  readonly pins?: readonly PodPin[];
  /** Whether a Pod of the namespace has this name; only those that are passed in are asked when left out. */
  readonly isTaken?: (name: string) => boolean;
}

/**
 * One step towards the Pods that a Deployment asks for: call it again after every change of its Pods. After a change of the template,
 * new Pods replace old ones a quarter at a time, and old ones go only as new ones become ready (RollingUpdate with its defaults). The
 * ReplicaSet that stands between the two in Kubernetes is left out; its name is in the Pods' names.
 */
export function reconcileDeployment(deployment: Deployment, pods: readonly Pod[], naming: PodNaming): PodChanges {
  const replicas = deployment.spec.replicas ?? 1;
  const hash = templateHash(deployment.spec.template);
  const own = pods.filter((pod) => isOwnedBy(pod, deployment) && !isTerminating(pod) && !isFinished(pod));
  const current = own.filter((pod) => pod.metadata.labels?.[TEMPLATE_HASH_LABEL] === hash);
  const outdated = own.filter((pod) => pod.metadata.labels?.[TEMPLATE_HASH_LABEL] !== hash);
  if (outdated.length === 0) {
    return {
      create: newPods(deployment, replicas - current.length, pods, naming),
      delete: dispensable(current, current.length - replicas),
    };
  }
  const surge = Math.ceil(replicas / 4);
  const unavailable = Math.floor(replicas / 4);
  const wanted = Math.min(replicas - current.length, replicas + surge - own.length);
  const ready = own.filter(isPodReady).length;
  const unready = outdated.filter((pod) => !isPodReady(pod));
  // Pods that serve nobody can go at once; of the others only so many that enough stay.
  const spare = Math.max(0, ready - (replicas - unavailable));
  return {
    create: newPods(deployment, wanted, pods, naming),
    delete: [...unready, ...dispensable(outdated.filter(isPodReady), spare)],
  };
}

export function isOwnedBy(pod: Pod, deployment: Deployment): boolean {
  const { namespace, name } = deployment.metadata;
  const owners = pod.metadata.ownerReferences ?? [];
  return (
    pod.metadata.namespace === namespace && owners.some((owner) => owner.kind === "Deployment" && owner.name === name)
  );
}

/** Those to give up first: not yet on a node, not ready, crowded on one node, young (k8s.io/kubernetes pkg/controller ActivePods). */
function dispensable(pods: readonly Pod[], count: number): readonly Pod[] {
  if (count <= 0) return [];
  const crowds = new Map<string | undefined, number>();
  for (const { spec } of pods) crowds.set(spec.nodeName, (crowds.get(spec.nodeName) ?? 0) + 1);
  const crowd = (pod: Pod): number => crowds.get(pod.spec.nodeName) ?? 0;
  const ranked = pods.map((pod, index) => ({
    pod,
    rank: [pod.spec.nodeName === undefined ? 0 : 1, isPodReady(pod) ? 1 : 0, -crowd(pod), -index],
  }));
  ranked.sort((a, b) => compareRanks(a.rank, b.rank));
  return ranked.slice(0, count).map((entry) => entry.pod);
}

function compareRanks(a: readonly number[], b: readonly number[]): number {
  for (const [index, rank] of a.entries()) {
    const difference = rank - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function newPods(deployment: Deployment, count: number, pods: readonly Pod[], naming: PodNaming): readonly Pod[] {
  if (count <= 0) return [];
  const { namespace } = deployment.metadata;
  const taken = new Set(pods.filter((pod) => pod.metadata.namespace === namespace).map((pod) => pod.metadata.name));
  const isTaken = (name: string): boolean => taken.has(name) || naming.isTaken?.(name) === true;
  const make = podMaker(deployment);
  return Array.from({ length: count }, () => {
    const name = freeName(make.prefix, isTaken, naming);
    taken.add(name);
    return make.pod(name);
  });
}

function freeName(prefix: string, isTaken: (name: string) => boolean, naming: PodNaming): string {
  const pinned = (naming.pins ?? []).find((pin) => pin.name !== undefined && !isTaken(pin.name))?.name;
  if (pinned !== undefined) return pinned;
  let name = `${prefix}-${randomSuffix(naming.chance)}`;
  while (isTaken(name)) name = `${prefix}-${randomSuffix(naming.chance)}`;
  return name;
}

/** What a Deployment's Pods are made by: they share everything but their names. */
function podMaker(deployment: Deployment): { readonly prefix: string; readonly pod: (name: string) => Pod } {
  const { template } = deployment.spec;
  const { name: owner, namespace } = deployment.metadata;
  const hash = templateHash(template);
  const shared = {
    namespace,
    labels: { ...template.metadata?.labels, [TEMPLATE_HASH_LABEL]: hash },
    ...(template.metadata?.annotations === undefined ? {} : { annotations: template.metadata.annotations }),
    ownerReferences: [{ kind: "Deployment", name: owner, controller: true }],
  };
  const pod = (name: string): Pod => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, ...shared },
    spec: template.spec,
    status: { phase: "Pending" },
  });
  return { prefix: `${owner}-${hash}`, pod };
}
