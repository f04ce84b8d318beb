/**
 * What stands in a network: hosts, routers, switches, bridges, pods and Kubernetes nodes, and how they are wired.
 *
 * {@link Network} holds the whole: time, chance, the event stream, the boxes by name. {@link Host} is a machine with its stack, its netfilter and its
 * capture points; a router is a host that forwards, a pod one behind a {@link Bridge}. {@link Cluster} makes of Kubernetes objects what kubelet and kube-proxy
 * make of them. Nothing here reads files or prints.
 *
 * ```ts
 * const network = new Network({ seed: 1 });
 * const lan = network.addSwitch("lan");
 * const pc = network.addHost("pc");
 * network.attach(pc, lan, { name: "eth0", addresses: [{ address: address("192.168.1.10"), prefixLength: 24 }] });
 * ```
 */

export { Bridge, type BridgeFilter, type BridgePort, type BridgePortOptions } from "./bridge.ts";
export { cloudEdgeRules, type ExternalAddress } from "./cloud-edge.ts";
export { Cluster, type ClusterSpec } from "./cluster.ts";
export { Host, type HostBridgeOptions, type HostInterfaceOptions, type HostOptions } from "./host.ts";
export { isKnownImage, KNOWN_IMAGES } from "./images.ts";
export { bridgeAddress, KubeNode, type KubeNodeSpec, type NodeNetwork } from "./kube-node.ts";
export { type AttachOptions, type LinkImpairments, Network, type NetworkOptions } from "./network.ts";
export { Switch } from "./switch.ts";
