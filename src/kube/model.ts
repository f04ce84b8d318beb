/*
 * Kubernetes objects as plain YAML gives them, with the fields that natscope reads. Names, nesting and spelling are Kubernetes' own;
 * an object keeps fields that are not named here.
 */

/** metadata of any object. */
export interface ObjectMeta {
  readonly name: string;
  readonly generateName?: string;
  readonly uid?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly ownerReferences?: readonly OwnerReference[];
}

/** Metadata of an object that lives in a namespace; `default` is filled in when it is read. */
export interface NamespacedMeta extends ObjectMeta {
  readonly namespace: string;
}

/** The object that an object belongs to, and goes with. */
export interface OwnerReference {
  readonly kind: string;
  readonly name: string;
  readonly controller?: boolean;
}

/** Transport protocols that a Service can name. */
export type ServiceProtocol = "TCP" | "UDP" | "SCTP";

/** How far a Service can be reached. */
export type ServiceType = "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName";
/** Whether a Service may use endpoints on other nodes. */
export type TrafficPolicy = "Cluster" | "Local";

/** v1 Service. */
export interface Service {
  readonly apiVersion: string;
  readonly kind: "Service";
  readonly metadata: NamespacedMeta;
  readonly spec: ServiceSpec;
  readonly status?: ServiceStatus;
}

/** What a Service is: its type, addresses, ports and policies. */
export interface ServiceSpec {
  readonly type?: ServiceType;
  readonly selector?: Readonly<Record<string, string>>;
  readonly ports?: readonly ServicePortSpec[];
  /** An address, `None` for a headless Service, or empty. */
  readonly clusterIP?: string;
  readonly clusterIPs?: readonly string[];
  readonly ipFamilies?: readonly string[];
  readonly ipFamilyPolicy?: string;
  readonly externalIPs?: readonly string[];
  readonly externalName?: string;
  readonly sessionAffinity?: "None" | "ClientIP";
  readonly sessionAffinityConfig?: { readonly clientIP?: { readonly timeoutSeconds?: number } };
  readonly externalTrafficPolicy?: TrafficPolicy;
  readonly internalTrafficPolicy?: TrafficPolicy;
  readonly healthCheckNodePort?: number;
  readonly loadBalancerIP?: string;
  readonly loadBalancerSourceRanges?: readonly string[];
  readonly allocateLoadBalancerNodePorts?: boolean;
  readonly publishNotReadyAddresses?: boolean;
  readonly trafficDistribution?: string;
}

/** A port of a Service, and the target port behind it. */
export interface ServicePortSpec {
  readonly name?: string;
  readonly protocol?: ServiceProtocol;
  readonly port: number;
  readonly targetPort?: number | string;
  readonly nodePort?: number;
}

/** What came of a Service: the load balancer's addresses. */
export interface ServiceStatus {
  readonly loadBalancer?: { readonly ingress?: readonly LoadBalancerIngress[] };
}

/** An address at which a load balancer answers. */
export interface LoadBalancerIngress {
  readonly ip?: string;
  readonly hostname?: string;
  /** `Proxy`: traffic to `ip` is sent to the load balancer even from inside, so kube-proxy writes no rules for it. */
  readonly ipMode?: "VIP" | "Proxy";
}

/** discovery.k8s.io/v1 EndpointSlice: addresses behind a Service. */
export interface EndpointSlice {
  readonly apiVersion: string;
  readonly kind: "EndpointSlice";
  readonly metadata: NamespacedMeta;
  readonly addressType: string;
  readonly endpoints?: readonly SliceEndpoint[];
  readonly ports?: readonly SlicePort[];
}

/** One endpoint of a slice, with its conditions and its node. */
export interface SliceEndpoint {
  readonly addresses: readonly string[];
  readonly conditions?: { readonly ready?: boolean; readonly serving?: boolean; readonly terminating?: boolean };
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly zone?: string;
  readonly hints?: EndpointHints;
  readonly targetRef?: { readonly kind?: string; readonly namespace?: string; readonly name?: string };
}

/** Which nodes or zones should use this endpoint. */
export interface EndpointHints {
  readonly forZones?: readonly { readonly name: string }[];
  readonly forNodes?: readonly { readonly name: string }[];
}

/** A port of a slice's endpoints. */
export interface SlicePort {
  readonly name?: string;
  readonly protocol?: ServiceProtocol;
  readonly port?: number;
}

/** v1 Node. */
export interface Node {
  readonly apiVersion: string;
  readonly kind: "Node";
  readonly metadata: ObjectMeta;
  readonly spec?: NodeSpec;
  readonly status?: NodeStatus;
}

/** What a Node is set to: its pod range and taints. */
export interface NodeSpec {
  readonly podCIDR?: string;
  readonly podCIDRs?: readonly string[];
  readonly unschedulable?: boolean;
  readonly taints?: readonly Taint[];
}

/** What keeps pods off a node that do not tolerate it. */
export interface Taint {
  readonly key: string;
  readonly value?: string;
  readonly effect: string;
}

/** What a Node says of itself: addresses and conditions. */
export interface NodeStatus {
  readonly addresses?: readonly { readonly type: string; readonly address: string }[];
  readonly conditions?: readonly Condition[];
  readonly nodeInfo?: { readonly kubeletVersion?: string };
}

/** A condition in a status, such as `Ready`. */
export interface Condition {
  readonly type: string;
  readonly status: string;
}

/** v1 Pod. */
export interface Pod {
  readonly apiVersion: string;
  readonly kind: "Pod";
  readonly metadata: NamespacedMeta;
  readonly spec: PodSpec;
  readonly status?: PodStatus;
}

/** What a pod runs, and where. */
export interface PodSpec {
  readonly containers: readonly Container[];
  readonly nodeName?: string;
  readonly nodeSelector?: Readonly<Record<string, string>>;
  readonly hostNetwork?: boolean;
  readonly hostname?: string;
  readonly subdomain?: string;
  readonly tolerations?: readonly Toleration[];
  readonly readinessGates?: readonly { readonly conditionType: string }[];
  readonly terminationGracePeriodSeconds?: number;
  readonly restartPolicy?: string;
  readonly dnsConfig?: PodDnsConfig;
}

/** What goes into a pod's resolv.conf beside the cluster's own. */
export interface PodDnsConfig {
  readonly nameservers?: readonly string[];
  readonly searches?: readonly string[];
  readonly options?: readonly { readonly name: string; readonly value?: string }[];
}

/** A taint that a pod puts up with. */
export interface Toleration {
  readonly key?: string;
  readonly operator?: string;
  readonly value?: string;
  readonly effect?: string;
  /** How long the taint is tolerated; for ever when left out. */
  readonly tolerationSeconds?: number;
}

/** A container of a pod. */
export interface Container {
  readonly name: string;
  readonly image?: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly ports?: readonly ContainerPort[];
  readonly env?: readonly { readonly name: string; readonly value?: string }[];
  readonly readinessProbe?: Readonly<Record<string, unknown>>;
  readonly lifecycle?: { readonly preStop?: PreStopHook };
}

/** What is done before a container is told to end; of commands, `sleep SECONDS` is known. */
export interface PreStopHook {
  readonly sleep?: { readonly seconds: number };
  readonly exec?: { readonly command?: readonly string[] };
}

/** A port that a container names. */
export interface ContainerPort {
  readonly name?: string;
  readonly containerPort: number;
  readonly hostPort?: number;
  readonly protocol?: ServiceProtocol;
}

/** Where a pod got to: its phase, addresses and conditions. */
export interface PodStatus {
  readonly phase?: string;
  readonly podIP?: string;
  readonly podIPs?: readonly { readonly ip: string }[];
  readonly hostIP?: string;
  readonly conditions?: readonly Condition[];
  readonly containerStatuses?: readonly ContainerStatus[];
}

/** How a container is doing. */
export interface ContainerStatus {
  readonly name: string;
  readonly ready: boolean;
  readonly restartCount: number;
  readonly state?: ContainerState;
}

/** One of the three. */
export interface ContainerState {
  readonly running?: Readonly<Record<string, unknown>>;
  readonly waiting?: { readonly reason?: string };
  readonly terminated?: { readonly reason?: string; readonly exitCode?: number };
}

/** apps/v1 Deployment. */
export interface Deployment {
  readonly apiVersion: string;
  readonly kind: "Deployment";
  readonly metadata: NamespacedMeta;
  readonly spec: DeploymentSpec;
  readonly status?: { readonly replicas?: number; readonly readyReplicas?: number };
}

/** How many pods of which template a Deployment wants. */
export interface DeploymentSpec {
  readonly replicas?: number;
  readonly selector?: LabelSelector;
  readonly template: PodTemplate;
}

/** Which labels an object must have. */
export interface LabelSelector {
  readonly matchLabels?: Readonly<Record<string, string>>;
}

/** What the pods of a Deployment are made from. */
export interface PodTemplate {
  readonly metadata?: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: PodSpec;
}

/** v1 Namespace. */
export interface Namespace {
  readonly apiVersion: string;
  readonly kind: "Namespace";
  readonly metadata: ObjectMeta;
}

/** A range that cluster IPs are given out of (Kubernetes 1.33). */
export interface ServiceCidr {
  readonly apiVersion: string;
  readonly kind: "ServiceCIDR";
  readonly metadata: ObjectMeta;
  readonly spec: { readonly cidrs: readonly string[] };
}

/** Every kind that natscope keeps. */
export type KubeObject = Service | EndpointSlice | Node | Pod | Deployment | Namespace | ServiceCidr;
/** The kinds of objects that natscope knows. */
export type Kind = KubeObject["kind"];

/** The object type of a kind: `ObjectOf<"Service">` is {@link Service}. */
export type ObjectOf<K extends Kind> = Extract<KubeObject, { readonly kind: K }>;
