/**
 * What stands in a network: hosts, routers, switches, bridges, pods and Kubernetes nodes, and how they are wired.
 *
 * {@link Network} holds the whole: time, chance, the event stream, the boxes by name. {@link Host} is a machine with its stack, its netfilter and its
 * capture points; a router is a host that forwards, a pod one behind a {@link Bridge}. {@link Cluster} makes of Kubernetes objects what kubelet and kube-proxy
 * make of them; a {@link CloudController} serves its Services of type LoadBalancer with a {@link LoadBalancer} on another host. Nothing here reads files or prints.
 *
 * ```ts
 * const network = new Network({ seed: 1 });
 * const lan = network.addSwitch("lan");
 * const pc = network.addHost("pc");
 * network.attach(pc, lan, { name: "eth0", addresses: [{ address: address("192.168.1.10"), prefixLength: 24 }] });
 * ```
 */

export { Bridge, type BridgeFilter, type BridgePort, type BridgePortOptions } from "./bridge.ts";
export { bridgeAddress } from "./bridge-network.ts";
export { type CloudBalancerSpec, CloudController, type NodeCheck } from "./cloud-controller.ts";
export { cloudEdgeRules, type ExternalAddress } from "./cloud-edge.ts";
export { Cluster, type ClusterSpec } from "./cluster.ts";
export { type ClusterTiming, DEFAULT_TIMING } from "./cluster-timing.ts";
export { Host, type HostBridgeOptions, type HostInterfaceOptions, type HostOptions } from "./host.ts";
export { isKnownImage, KNOWN_IMAGES } from "./images.ts";
export { IngressAddresses, type IngressSpec } from "./ingress-addresses.ts";
export { KubeNode, type KubeNodeSpec, type NodeNetwork } from "./kube-node.ts";
export type { Layer2Spec } from "./layer2-announcer.ts";
export {
  type BalancerSettings,
  type ClientHeader,
  type DeliveryKind,
  Frontend,
  type FrontendSpec,
  type HealthCheckSpec,
  LoadBalancer,
} from "./load-balancer.ts";
export { type AttachOptions, type LinkImpairments, Network, type NetworkOptions, type Recording } from "./network.ts";
export { CNI_KINDS, type CniKind, type PodNetwork } from "./pod-network.ts";
export { sizeProblem } from "./proxy-data-plane.ts";
export { joinRulesets } from "./rulesets.ts";
export { Switch } from "./switch.ts";
export { SYSCTLS, type Sysctl, type SysctlValues, setSysctls } from "./sysctls.ts";
export { VXLAN_OVERHEAD, VxlanDevice, type VxlanOptions } from "./vxlan-device.ts";
export type { VxlanSettings } from "./vxlan-overlay.ts";
