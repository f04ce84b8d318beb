import {
  type ApiServer,
  evictionSeconds,
  isTerminating,
  type Node,
  type Pod,
  referenceTo,
  withNodeReachable,
  withNodeUnreachable,
  withPodUnreachable,
} from "../kube/index.ts";
import { after, type Clock, type Duration, seconds, type Time, type Timer } from "../sim/index.ts";
import type { ClusterTiming } from "./cluster-timing.ts";

/** What the monitor needs of its cluster. */
export interface MonitoredCluster {
  readonly api: ApiServer;
  readonly clock: Clock;
  readonly timing: ClusterTiming;
  /** Does what follows from changed objects. */
  readonly reconcile: () => void;
  readonly podsOn: (node: string) => readonly Pod[];
  /** A node's kubelet is heard again: what it could not do is to be looked at anew. */
  readonly heard: (node: string) => void;
}

interface Outage {
  /** When its kubelet had last renewed its lease. */
  readonly renewed: Time;
  isNoticed: boolean;
  readonly timers: Timer[];
}

/**
 * Nodes that have failed, and when the control plane notices: the node lifecycle controller looks at the leases every few seconds, and takes a node for unreachable when its
 * own has not been renewed for the grace period. The node's Pods are not ready from then on, and are evicted after what they tolerate; nobody can stop them
 * there, so they stay, terminating, until the node is back.
 */
export class NodeMonitor {
  readonly #cluster: MonitoredCluster;
  readonly #outages = new Map<string, Outage>();

  constructor(cluster: MonitoredCluster) {
    this.#cluster = cluster;
  }

  /** Whether nothing is heard of a node's kubelet, noticed or not. */
  isOut(node: string): boolean {
    return this.#outages.has(node);
  }

  /** A node fails now. */
  fail(node: string): void {
    if (this.isOut(node)) return;
    const { clock, timing } = this.#cluster;
    const renewed = multipleBefore(clock.now(), timing.nodeLeaseRenewal);
    const outage: Outage = { renewed, isNoticed: false, timers: [] };
    this.#outages.set(node, outage);
    // The controller counts from when it saw the renewal, not from the renewal.
    const seen = multipleFrom(renewed, timing.nodeMonitorPeriod);
    const late = after(seen, timing.nodeMonitorGracePeriod);
    this.#at(outage, multipleFrom(after(late, NEXT_INSTANT), timing.nodeMonitorPeriod), () =>
      this.#notice(node, outage),
    );
  }

  /** A node that had failed is back: its kubelet renews the lease when it is next due. */
  restore(node: string): void {
    const outage = this.#outages.get(node);
    if (outage === undefined) return;
    const { clock, timing } = this.#cluster;
    for (const timer of outage.timers) timer.cancel();
    this.#outages.delete(node);
    // Until the controller has seen it, kubelet itself does what it was told meanwhile.
    this.#cluster.heard(node);
    if (!outage.isNoticed) return;
    const renewal = multipleFrom(clock.now(), timing.nodeLeaseRenewal);
    this.#at(outage, multipleFrom(renewal, timing.nodeMonitorPeriod), () => this.#welcome(node));
  }

  #notice(node: string, outage: Outage): void {
    outage.isNoticed = true;
    this.#change(node, withNodeUnreachable);
    for (const pod of this.#cluster.podsOn(node)) {
      this.#cluster.api.replace(withPodUnreachable(pod));
      this.#expectEviction(pod, outage);
    }
    this.#cluster.reconcile();
  }

  #expectEviction(pod: Pod, outage: Outage): void {
    const { api, clock, timing, reconcile } = this.#cluster;
    const wait = evictionSeconds(pod, timing.unreachableToleration / seconds(1));
    if (wait === undefined || isTerminating(pod)) return;
    this.#at(outage, after(clock.now(), seconds(wait)), () => {
      const { name, namespace } = pod.metadata;
      if (api.get("Pod", name, namespace) === undefined) return;
      api.delete(referenceTo(pod));
      reconcile();
    });
  }

  #welcome(node: string): void {
    if (this.isOut(node)) return;
    this.#change(node, withNodeReachable);
    this.#cluster.heard(node);
  }

  #change(name: string, change: (node: Node) => Node): void {
    const node = this.#cluster.api.get("Node", name);
    if (node !== undefined) this.#cluster.api.replace(change(node));
  }

  #at(outage: Outage, time: Time, action: () => void): void {
    const timer = this.#cluster.clock.timer(action);
    timer.set(time);
    outage.timers.push(timer);
  }
}

const NEXT_INSTANT = 1 as Duration;

/** The last multiple of `period` up to `time`. */
function multipleBefore(time: Time, period: Duration): Time {
  return (time - (time % period)) as Time;
}

/** The first multiple of `period` from `time` on. */
function multipleFrom(time: Time, period: Duration): Time {
  return multipleBefore(after(time, (period - NEXT_INSTANT) as Duration), period);
}
