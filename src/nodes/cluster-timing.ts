import { type Duration, seconds } from "../sim/index.ts";

/** How long a control plane and its kubelets take to notice that something has failed, and to do something about it. */
export interface ClusterTiming {
  /** kubelet renews its node's lease so often: a quarter of nodeLeaseDurationSeconds. */
  readonly nodeLeaseRenewal: Duration;
  /** kube-controller-manager looks at the leases so often (`--node-monitor-period`). */
  readonly nodeMonitorPeriod: Duration;
  /** A node is unreachable when its lease has not been renewed for so long (`--node-monitor-grace-period`). */
  readonly nodeMonitorGracePeriod: Duration;
  /** Pods without a toleration of their own are evicted after so long (kube-apiserver's `--default-unreachable-toleration-seconds`). */
  readonly unreachableToleration: Duration;
  /** kubelet looks at its containers so often (the relist period of its pod lifecycle event generator). */
  readonly podRelist: Duration;
  /** A container takes so long to start. */
  readonly containerStart: Duration;
  /** Between the second crash and the restart; doubles with each further one. */
  readonly crashBackOff: Duration;
  /** kube-proxy writes its rules no more often than once in so long (`--iptables-min-sync-period`). */
  readonly minSyncPeriod: Duration;
}

/** Kubernetes' own values, the grace period as since 1.32 (40 s before); but kube-proxy writes its rules at once, unless told to wait. */
export const DEFAULT_TIMING: ClusterTiming = {
  nodeLeaseRenewal: seconds(10),
  nodeMonitorPeriod: seconds(5),
  nodeMonitorGracePeriod: seconds(50),
  unreachableToleration: seconds(300),
  podRelist: seconds(1),
  containerStart: seconds(1),
  crashBackOff: seconds(10),
  minSyncPeriod: seconds(0),
};
