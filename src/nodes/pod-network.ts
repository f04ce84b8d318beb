import type { Ipv4Address } from "../netstack/index.ts";
import type { Host } from "./host.ts";

/** The CNI plugins that there are; docs/scenario-format.md says what they do. */
export const CNI_KINDS = ["bridge", "routed", "vxlan", "aws-vpc"] as const;
/** The network plugins that natscope knows. */
export type CniKind = (typeof CNI_KINDS)[number];

/** One node's part of a pod network: what a CNI plugin does when a pod comes and when it goes. */
export interface PodNetwork {
  /** Addresses of the node that the pod network brings, such as a bridge's. */
  readonly nodeAddresses: readonly Ipv4Address[];
  /** Whether nodes need routes to each other's pods. */
  readonly needsRoutes: boolean;
  /** Makes the way to a pod from the node, and the pod's network namespace with its interface when it is needed; `ready` is then called. */
  addPod(name: string, address: Ipv4Address, ready: (pod: Host) => void): void;
  /** Nothing reaches the pod or leaves it any more. */
  removePod(name: string): void;
}

/** Eight hexadecimal digits that a pod's name gives, the same on every run: for the node's end of its veth pair. */
export function vethDigits(pod: string): string {
  return vethHash(pod).toString(16).padStart(8, "0");
}

/** FNV-1a. */
export function vethHash(pod: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < pod.length; i++) hash = Math.imul(hash ^ pod.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
