import type { Node, Pod, Taint } from "./model.ts";
import { withNotReady } from "./pod.ts";
import { tolerates } from "./scheduler.ts";

/*
 * What the node lifecycle controller writes when a node is no longer heard of, and when it is heard again (pkg/controller/nodelifecycle, pkg/controller/tainteviction).
 * When that is stands elsewhere: these are the changes alone.
 */

const UNREACHABLE = "node.kubernetes.io/unreachable";
const TAINTS: readonly Taint[] = [
  { key: UNREACHABLE, effect: "NoSchedule" },
  { key: UNREACHABLE, effect: "NoExecute" },
];

/** A node that has not renewed its lease for the grace period: nobody knows how it is, and no Pod is put there. */
export function withNodeUnreachable(node: Node): Node {
  const others = (node.spec?.taints ?? []).filter(({ key }) => key !== UNREACHABLE);
  return withReadyCondition({ ...node, spec: { ...node.spec, taints: [...others, ...TAINTS] } }, "Unknown");
}

/** A node whose kubelet reports again. */
export function withNodeReachable(node: Node): Node {
  const { taints = [], ...spec } = node.spec ?? {};
  const others = taints.filter(({ key }) => key !== UNREACHABLE);
  return withReadyCondition({ ...node, spec: { ...spec, ...(others.length > 0 && { taints: others }) } }, "True");
}

/** A Pod on an unreachable node: its endpoint is taken out at once, though its containers may well run. */
export function withPodUnreachable(pod: Pod): Pod {
  return withNotReady(pod);
}

/**
 * How long a Pod may stay on an unreachable node before it is evicted, in seconds: as long as its toleration says, for ever when that names no time;
 * `undefined` is for ever. A Pod without one gets `standard` from the API server (DefaultTolerationSeconds).
 */
export function evictionSeconds(pod: Pod, standard: number): number | undefined {
  const taint: Taint = { key: UNREACHABLE, effect: "NoExecute" };
  const own = (pod.spec.tolerations ?? []).filter((toleration) => tolerates(toleration, taint));
  if (own.length === 0) return standard;
  const limits = own.flatMap(({ tolerationSeconds }) => tolerationSeconds ?? []);
  return limits.length === 0 ? undefined : Math.max(0, Math.min(...limits));
}

function withReadyCondition(node: Node, status: string): Node {
  const others = (node.status?.conditions ?? []).filter(({ type }) => type !== "Ready");
  return { ...node, status: { ...node.status, conditions: [...others, { type: "Ready", status }] } };
}
