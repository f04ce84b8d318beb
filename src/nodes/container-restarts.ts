import {
  type ApiServer,
  backOffSeconds,
  isRestarted,
  keyOf,
  type Pod,
  withContainerState,
  withReadiness,
} from "../kube/index.ts";
import { after, between, type Clock, seconds, type Time } from "../sim/index.ts";
import type { ClusterTiming } from "./cluster-timing.ts";

/** What is needed of the cluster to run containers again. */
export interface RestartingCluster {
  readonly api: ApiServer;
  readonly clock: Clock;
  readonly timing: ClusterTiming;
  readonly reconcile: () => void;
  /** Starts a pod's programs again. */
  readonly start: (pod: Pod) => void;
}

interface Crashes {
  count: number;
  hasEnded: boolean;
  /** kubelet knows it. */
  isDown: boolean;
  /** When the containers last ran. */
  since: Time;
}

/** A container that ran so long begins anew with its back-off (pkg/kubelet). */
const FORGIVEN = seconds(600);

/**
 * kubelet and containers that end by themselves: it notices at its next look, reports the Pod unready, and starts them again, at once the first time and after a back-off that
 * doubles from then on (CrashLoopBackOff).
 */
export class ContainerRestarts {
  readonly #cluster: RestartingCluster;
  readonly #crashes = new Map<string, Crashes>();

  constructor(cluster: RestartingCluster) {
    this.#cluster = cluster;
  }

  /** Whether a Pod's containers have ended and kubelet knows it. */
  isDown(pod: Pod): boolean {
    return this.#crashes.get(keyOf(pod))?.isDown === true;
  }

  /** A Pod's containers have just ended. Where they have already, nothing is left to end. */
  crashed(pod: Pod): void {
    const { clock, timing } = this.#cluster;
    const now = clock.now();
    const before = this.#crashes.get(keyOf(pod));
    if (before?.hasEnded === true) return;
    const isForgiven = before === undefined || between(before.since, now) > FORGIVEN;
    const crashes: Crashes = { count: isForgiven ? 1 : before.count + 1, hasEnded: true, isDown: false, since: now };
    this.#crashes.set(keyOf(pod), crashes);
    const relist = (now - (now % timing.podRelist) + timing.podRelist) as Time;
    this.#at(relist, pod, (current) => this.#notice(current, crashes));
  }

  #notice(pod: Pod, crashes: Crashes): void {
    const { clock, timing, api, reconcile } = this.#cluster;
    crashes.isDown = true;
    const wait = backOffSeconds(crashes.count, timing.crashBackOff / seconds(1));
    const restarts = isRestarted(pod);
    const reason = restarts && wait > 0 ? "CrashLoopBackOff" : "Error";
    const state = restarts && wait > 0 ? { waiting: { reason } } : { terminated: { reason, exitCode: 1 } };
    const ended = withReadiness(withContainerState(pod, state, 0), false);
    api.replace(restarts ? ended : { ...ended, status: { ...ended.status, phase: "Failed" } });
    reconcile();
    if (!restarts) return;
    const running = after(after(clock.now(), seconds(wait)), timing.containerStart);
    this.#at(running, pod, (current) => this.#restart(current, crashes));
  }

  #restart(pod: Pod, crashes: Crashes): void {
    const { clock, api, start, reconcile } = this.#cluster;
    crashes.hasEnded = false;
    crashes.isDown = false;
    crashes.since = clock.now();
    start(pod);
    api.replace(withReadiness(withContainerState(pod, { running: {} }, 1), true));
    reconcile();
  }

  /** Does something with the Pod as it is then; nothing when it is gone. */
  #at(time: Time, pod: Pod, action: (current: Pod) => void): void {
    const timer = this.#cluster.clock.timer(() => {
      const current = this.#cluster.api.get("Pod", pod.metadata.name, pod.metadata.namespace);
      if (current === undefined) this.#crashes.delete(keyOf(pod));
      else action(current);
    });
    timer.set(time);
  }
}
