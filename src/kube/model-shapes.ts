import type {
  Condition,
  Container,
  ContainerPort,
  ContainerState,
  ContainerStatus,
  Deployment,
  DeploymentSpec,
  EndpointHints,
  EndpointSlice,
  LabelSelector,
  LoadBalancerIngress,
  Namespace,
  NamespacedMeta,
  Node,
  NodeSpec,
  NodeStatus,
  ObjectMeta,
  OwnerReference,
  Pod,
  PodDnsConfig,
  PodSpec,
  PodStatus,
  PodTemplate,
  PreStopHook,
  Service,
  ServiceCidr,
  ServicePortSpec,
  ServiceProtocol,
  ServiceSpec,
  ServiceStatus,
  SliceEndpoint,
  SlicePort,
  Taint,
  Toleration,
} from "./model.ts";
import { anything, either, flag, listOf, mapOf, object, oneOf, required, type Shape, text, whole } from "./shape.ts";

const PORT: Shape<number> = whole(1, 65535);
/** Kubernetes writes 0 where no port was given. */
const PORT_OR_NONE: Shape<number> = whole(0, 65535);
const PROTOCOL: Shape<ServiceProtocol> = oneOf("TCP", "UDP", "SCTP");
const STRINGS: Shape<readonly string[]> = listOf(text);
const STRING_MAP: Shape<Readonly<Record<string, string>>> = mapOf(text);

const OWNER: Shape<OwnerReference> = object<OwnerReference>({
  kind: required(text),
  name: required(text),
  controller: flag,
});

const META_FIELDS = {
  name: required(text),
  generateName: text,
  uid: text,
  labels: STRING_MAP,
  annotations: STRING_MAP,
  creationTimestamp: text,
  deletionTimestamp: text,
  ownerReferences: listOf(OWNER),
};
const META: Shape<ObjectMeta> = object<ObjectMeta>(META_FIELDS);
const NAMESPACED_META: Shape<NamespacedMeta> = object<NamespacedMeta>({ ...META_FIELDS, namespace: required(text) });

const CONDITION: Shape<Condition> = object<Condition>({ type: required(text), status: required(text) });

const SERVICE_PORT: Shape<ServicePortSpec> = object<ServicePortSpec>({
  name: text,
  protocol: PROTOCOL,
  port: required(PORT),
  targetPort: either(PORT_OR_NONE, text, "a port number or a port's name"),
  nodePort: PORT_OR_NONE,
});

const SERVICE_SPEC: Shape<ServiceSpec> = object<ServiceSpec>({
  type: oneOf("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"),
  selector: STRING_MAP,
  ports: listOf(SERVICE_PORT),
  clusterIP: text,
  clusterIPs: STRINGS,
  ipFamilies: STRINGS,
  ipFamilyPolicy: text,
  externalIPs: STRINGS,
  externalName: text,
  sessionAffinity: oneOf("None", "ClientIP"),
  sessionAffinityConfig: object<NonNullable<ServiceSpec["sessionAffinityConfig"]>>({
    clientIP: object<{ readonly timeoutSeconds?: number }>({ timeoutSeconds: whole(1, 86400) }),
  }),
  externalTrafficPolicy: oneOf("Cluster", "Local"),
  internalTrafficPolicy: oneOf("Cluster", "Local"),
  healthCheckNodePort: PORT_OR_NONE,
  loadBalancerIP: text,
  loadBalancerSourceRanges: STRINGS,
  allocateLoadBalancerNodePorts: flag,
  publishNotReadyAddresses: flag,
  trafficDistribution: text,
});

const INGRESS: Shape<LoadBalancerIngress> = object<LoadBalancerIngress>({
  ip: text,
  hostname: text,
  ipMode: oneOf("VIP", "Proxy"),
});

export const SERVICE: Shape<Service> = object<Service>({
  apiVersion: required(text),
  kind: required(oneOf("Service")),
  metadata: required(NAMESPACED_META),
  spec: required(SERVICE_SPEC),
  status: object<ServiceStatus>({
    loadBalancer: object<NonNullable<ServiceStatus["loadBalancer"]>>({ ingress: listOf(INGRESS) }),
  }),
});

const NAMED: Shape<{ readonly name: string }> = object<{ readonly name: string }>({ name: required(text) });

const SLICE_ENDPOINT: Shape<SliceEndpoint> = object<SliceEndpoint>({
  addresses: required(STRINGS),
  conditions: object<NonNullable<SliceEndpoint["conditions"]>>({ ready: flag, serving: flag, terminating: flag }),
  hostname: text,
  nodeName: text,
  zone: text,
  hints: object<EndpointHints>({ forZones: listOf(NAMED), forNodes: listOf(NAMED) }),
  targetRef: object<NonNullable<SliceEndpoint["targetRef"]>>({ kind: text, namespace: text, name: text }),
});

const SLICE_PORT: Shape<SlicePort> = object<SlicePort>({ name: text, protocol: PROTOCOL, port: PORT_OR_NONE });

export const ENDPOINT_SLICE: Shape<EndpointSlice> = object<EndpointSlice>({
  apiVersion: required(text),
  kind: required(oneOf("EndpointSlice")),
  metadata: required(NAMESPACED_META),
  addressType: required(text),
  endpoints: listOf(SLICE_ENDPOINT),
  ports: listOf(SLICE_PORT),
});

export const NODE: Shape<Node> = object<Node>({
  apiVersion: required(text),
  kind: required(oneOf("Node")),
  metadata: required(META),
  spec: object<NodeSpec>({
    podCIDR: text,
    podCIDRs: STRINGS,
    unschedulable: flag,
    taints: listOf(object<Taint>({ key: required(text), value: text, effect: required(text) })),
  }),
  status: object<NodeStatus>({
    addresses: listOf(object<{ type: string; address: string }>({ type: required(text), address: required(text) })),
    conditions: listOf(CONDITION),
    nodeInfo: object<NonNullable<NodeStatus["nodeInfo"]>>({ kubeletVersion: text }),
  }),
});

const CONTAINER: Shape<Container> = object<Container>({
  name: required(text),
  image: text,
  command: STRINGS,
  args: STRINGS,
  ports: listOf(
    object<ContainerPort>({ name: text, containerPort: required(PORT), hostPort: PORT_OR_NONE, protocol: PROTOCOL }),
  ),
  env: listOf(object<{ name: string; value?: string }>({ name: required(text), value: text })),
  readinessProbe: mapOf(anything),
  lifecycle: object<NonNullable<Container["lifecycle"]>>({
    preStop: object<PreStopHook>({
      sleep: object<{ seconds: number }>({ seconds: required(whole(0, 2 ** 31)) }),
      exec: object<NonNullable<PreStopHook["exec"]>>({ command: STRINGS }),
    }),
  }),
});

const POD_SPEC: Shape<PodSpec> = object<PodSpec>({
  containers: required(listOf(CONTAINER)),
  nodeName: text,
  nodeSelector: STRING_MAP,
  hostNetwork: flag,
  hostname: text,
  subdomain: text,
  tolerations: listOf(
    object<Toleration>({
      key: text,
      operator: text,
      value: text,
      effect: text,
      tolerationSeconds: whole(-(2 ** 53), 2 ** 53),
    }),
  ),
  readinessGates: listOf(object<{ conditionType: string }>({ conditionType: required(text) })),
  terminationGracePeriodSeconds: whole(0, 2 ** 31),
  restartPolicy: text,
  dnsConfig: object<PodDnsConfig>({
    nameservers: listOf(text),
    searches: listOf(text),
    options: listOf(object<{ name: string; value?: string }>({ name: required(text), value: text })),
  }),
});

const CONTAINER_STATUS: Shape<ContainerStatus> = object<ContainerStatus>({
  name: required(text),
  ready: required(flag),
  restartCount: required(whole(0, 2 ** 31)),
  state: object<ContainerState>({
    running: mapOf(anything),
    waiting: object<{ reason?: string }>({ reason: text }),
    terminated: object<{ reason?: string; exitCode?: number }>({ reason: text, exitCode: whole(-(2 ** 31), 2 ** 31) }),
  }),
});

export const POD: Shape<Pod> = object<Pod>({
  apiVersion: required(text),
  kind: required(oneOf("Pod")),
  metadata: required(NAMESPACED_META),
  spec: required(POD_SPEC),
  status: object<PodStatus>({
    phase: text,
    podIP: text,
    podIPs: listOf(object<{ ip: string }>({ ip: required(text) })),
    hostIP: text,
    conditions: listOf(CONDITION),
    containerStatuses: listOf(CONTAINER_STATUS),
  }),
});

export const DEPLOYMENT: Shape<Deployment> = object<Deployment>({
  apiVersion: required(text),
  kind: required(oneOf("Deployment")),
  metadata: required(NAMESPACED_META),
  spec: required(
    object<DeploymentSpec>({
      replicas: whole(0, 10_000),
      selector: object<LabelSelector>({ matchLabels: STRING_MAP }),
      template: required(
        object<PodTemplate>({
          metadata: object<NonNullable<PodTemplate["metadata"]>>({ labels: STRING_MAP, annotations: STRING_MAP }),
          spec: required(POD_SPEC),
        }),
      ),
    }),
  ),
  status: object<NonNullable<Deployment["status"]>>({ replicas: whole(0, 10_000), readyReplicas: whole(0, 10_000) }),
});

export const NAMESPACE: Shape<Namespace> = object<Namespace>({
  apiVersion: required(text),
  kind: required(oneOf("Namespace")),
  metadata: required(META),
});

export const SERVICE_CIDR: Shape<ServiceCidr> = object<ServiceCidr>({
  apiVersion: required(text),
  kind: required(oneOf("ServiceCIDR")),
  metadata: required(META),
  spec: required(object<ServiceCidr["spec"]>({ cidrs: required(STRINGS) })),
});
