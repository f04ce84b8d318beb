import type { ContainerState, Pod } from "./model.ts";

/*
 * What kubelet writes about containers that end and are started again.
 */

/** Kubelet's back-off between restarts: 10 s, 20 s, 40 s, … 5 minutes; the first restart comes at once (pkg/kubelet, MaxContainerBackOff). */
const LONGEST_BACK_OFF = 300;

/** Seconds that kubelet waits before it starts a container that has ended `crashes` times in a row. */
export function backOffSeconds(crashes: number, first: number): number {
  return crashes <= 1 ? 0 : Math.min(LONGEST_BACK_OFF, first * 2 ** (crashes - 2));
}

/** Whether kubelet starts the Pod's containers again after they failed. */
export function isRestarted({ spec }: Pod): boolean {
  return spec.restartPolicy !== "Never";
}

/** How often the containers were started again. */
export function restartCount(pod: Pod): number {
  return Math.max(0, ...(pod.status?.containerStatuses ?? []).map((status) => status.restartCount));
}

/** All containers of the Pod in one state; `restarts` more than before. */
export function withContainerState(pod: Pod, state: ContainerState, restarts: number): Pod {
  const before = restartCount(pod);
  const containerStatuses = pod.spec.containers.map(({ name }) => ({
    name,
    ready: state.running !== undefined,
    restartCount: before + restarts,
    state,
  }));
  return { ...pod, status: { ...pod.status, containerStatuses } };
}
