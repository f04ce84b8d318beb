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
  const crowd = (pod: Pod) => pods.filter((other) => other.spec.nodeName === pod.spec.nodeName).length;
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
  const taken = new Set(pods.filter((pod) => pod.metadata.namespace === deployment.metadata.namespace).map(nameOf));
  const created: Pod[] = [];
  for (let i = 0; i < count; i++) {
    const pod = newPod(deployment, freeName(deployment, taken, naming));
    taken.add(pod.metadata.name);
    created.push(pod);
  }
  return created;
}

function freeName(deployment: Deployment, taken: ReadonlySet<string>, naming: PodNaming): string {
  const pinned = (naming.pins ?? []).find((pin) => pin.name !== undefined && !taken.has(pin.name))?.name;
  if (pinned !== undefined) return pinned;
  const prefix = `${deployment.metadata.name}-${templateHash(deployment.spec.template)}`;
  let name = `${prefix}-${randomSuffix(naming.chance)}`;
  while (taken.has(name)) name = `${prefix}-${randomSuffix(naming.chance)}`;
  return name;
}

function newPod(deployment: Deployment, name: string): Pod {
  const { template } = deployment.spec;
  const labels = { ...template.metadata?.labels, [TEMPLATE_HASH_LABEL]: templateHash(template) };
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name,
      namespace: deployment.metadata.namespace,
      labels,
      ...(template.metadata?.annotations === undefined ? {} : { annotations: template.metadata.annotations }),
      ownerReferences: [{ kind: "Deployment", name: deployment.metadata.name, controller: true }],
    },
    spec: template.spec,
    status: { phase: "Pending" },
  };
}

function nameOf(pod: Pod): string {
  return pod.metadata.name;
}
