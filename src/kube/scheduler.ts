import type { Chance } from "./band-allocator.ts";
import type { Node, Pod, Taint, Toleration } from "./model.ts";
import { isFinished, selects } from "./pod.ts";

/**
 * The node for a Pod: a ready one that its selector and tolerations allow, with the fewest Pods of the same owner, then the fewest Pods at
 * all; chance decides between equals. The real scheduler weighs much more, resources above all.
 */
export function scheduleNode(
  pod: Pod,
  nodes: readonly Node[],
  pods: readonly Pod[],
  chance: Chance,
): string | undefined {
  const fitting = nodes.filter((node) => fits(pod, node));
  const owner = ownerOf(pod);
  const load = (node: Node): number => {
    const here = pods.filter((other) => other.spec.nodeName === node.metadata.name && !isFinished(other));
    const kin = here.filter((other) => owner !== undefined && ownerOf(other) === owner);
    return kin.length * 1_000_000 + here.length;
  };
  const loads = fitting.map((node) => ({ node, load: load(node) }));
  const least = Math.min(...loads.map((entry) => entry.load));
  const best = loads.filter((entry) => entry.load === least);
  return best[best.length > 1 ? chance.below(best.length) : 0]?.node.metadata.name;
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

function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect !== undefined && toleration.effect !== "" && toleration.effect !== taint.effect) return false;
  const { key = "", operator = "Equal" } = toleration;
  if (operator === "Exists") return key === "" || key === taint.key;
  return key === taint.key && (toleration.value ?? "") === (taint.value ?? "");
}

function ownerOf(pod: Pod): string | undefined {
  const owner = pod.metadata.ownerReferences?.find((entry) => entry.controller === true);
  return owner && `${pod.metadata.namespace}/${owner.kind}/${owner.name}`;
}
