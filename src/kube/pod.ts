import { parseIpv4 } from "./address.ts";
import type { Condition, Pod, PreStopHook } from "./model.ts";

/*
 * A Pod's life, one step a function: made, bound to a node, started with an address, ready or not, stopped.
 */

export function isPodReady(pod: Pod): boolean {
  return hasCondition(pod, "Ready");
}

export function isTerminating(pod: Pod): boolean {
  return pod.metadata.deletionTimestamp !== undefined;
}

/** Succeeded or Failed: it will not run again. */
export function isFinished(pod: Pod): boolean {
  return pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed";
}

/** Its IPv4 address as text; `undefined` until the node has given it one. */
export function podAddress(pod: Pod): string | undefined {
  const { podIP, podIPs = [] } = pod.status ?? {};
  if (podIP !== undefined && parseIpv4(podIP) !== undefined) return podIP;
  return podIPs.find(({ ip }) => parseIpv4(ip) !== undefined)?.ip;
}

/** What the scheduler does. */
export function bindPod(pod: Pod, nodeName: string): Pod {
  const conditions = withCondition(pod.status?.conditions ?? [], "PodScheduled", true);
  return { ...pod, spec: { ...pod.spec, nodeName }, status: { phase: "Pending", ...pod.status, conditions } };
}

/** What the node does once the containers run: the Pod has an address, and is ready only when its probes say so. */
export function startPod(pod: Pod, address: string, hostAddress: string): Pod {
  const started = { ...pod.status, phase: "Running", podIP: address, podIPs: [{ ip: address }], hostIP: hostAddress };
  return withReadiness({ ...pod, status: started }, false);
}

/** What the probes say. A Pod with readiness gates is ready only when their conditions, set by others, are true as well. */
export function withReadiness(pod: Pod, containersReady: boolean): Pod {
  const gates = pod.spec.readinessGates ?? [];
  const ready = containersReady && gates.every((gate) => hasCondition(pod, gate.conditionType));
  const before = pod.status?.conditions ?? [];
  const conditions = withCondition(withCondition(before, "Ready", ready), "ContainersReady", containersReady);
  return { ...pod, status: { ...pod.status, conditions } };
}

/** Not ready whatever its probes say: the node that would ask them is not heard of. */
export function withNotReady(pod: Pod): Pod {
  const conditions = withCondition(pod.status?.conditions ?? [], "Ready", false);
  return { ...pod, status: { ...pod.status, conditions } };
}

/** Whether its containers run and their probes succeed, gates and the node's state aside. */
export function areContainersReady(pod: Pod): boolean {
  const isTold = (pod.status?.conditions ?? []).some(({ type }) => type === "ContainersReady");
  return hasCondition(pod, isTold ? "ContainersReady" : "Ready");
}

/** Sets a condition of the Pod's own, such as the one a readiness gate waits for, and works out its readiness anew. */
export function withPodCondition(pod: Pod, type: string, value: boolean): Pod {
  const conditions = withCondition(pod.status?.conditions ?? [], type, value);
  const changed = { ...pod, status: { ...pod.status, conditions } };
  return withReadiness(changed, hasCondition(changed, "ContainersReady"));
}

/** kubelet's `terminationGracePeriodSeconds` where a Pod names none. */
const GRACE_SECONDS = 30;

/**
 * How long a Pod goes on serving once it is told to end: as long as its containers' preStop hooks sleep, and never longer than its grace period.
 * Programs themselves end at once.
 */
export function terminationSeconds(pod: Pod): number {
  const hooks = pod.spec.containers.map(({ lifecycle }) => sleepSeconds(lifecycle?.preStop));
  return Math.min(Math.max(0, ...hooks), pod.spec.terminationGracePeriodSeconds ?? GRACE_SECONDS);
}

function sleepSeconds(hook: PreStopHook | undefined): number {
  if (hook?.sleep !== undefined) return hook.sleep.seconds;
  const command = (hook?.exec?.command ?? []).join(" ").replace(/^(\/bin\/)?sh -c /, "");
  const match = /^(?:\/bin\/)?sleep (\d+)$/.exec(command);
  return match === null ? 0 : Number(match[1]);
}

/** Whether every pair of the selector stands in the labels. An empty selector selects everything. */
export function selects(
  selector: Readonly<Record<string, string>>,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  return Object.entries(selector).every(([key, value]) => labels?.[key] === value);
}

function hasCondition(pod: Pod, type: string): boolean {
  return (pod.status?.conditions ?? []).some((condition) => condition.type === type && condition.status === "True");
}

function withCondition(conditions: readonly Condition[], type: string, value: boolean): readonly Condition[] {
  const status = value ? "True" : "False";
  const old = conditions.find((condition) => condition.type === type);
  if (old === undefined) return [...conditions, conditionOf(type, status)];
  if (old.status === status) return conditions;
  const plain = Object.keys(old).length === 2;
  const next = plain ? conditionOf(type, status) : { ...old, status };
  return conditions.map((condition) => (condition === old ? next : condition));
}

const plainConditions = new Map<string, Condition>();

/** A condition with nothing but its state: all Pods have the same ones. */
function conditionOf(type: string, status: "True" | "False"): Condition {
  const key = `${type}=${status}`;
  const condition = plainConditions.get(key) ?? { type, status };
  plainConditions.set(key, condition);
  return condition;
}
