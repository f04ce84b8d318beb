import type {
  EndpointSlice,
  Node,
  Service,
  ServicePortSpec,
  ServiceProtocol,
  ServiceSpec,
} from "../../src/kube/index.ts";

/*
 * Objects in one line each, for tests. Names are `namespace/name`, or a name in the namespace `default`.
 */

export interface ServiceParts extends Partial<Omit<ServiceSpec, "ports">> {
  /** `80`, `53/UDP`, `http=80`, `80:31000` with a nodePort, `dns=53/UDP:30053`. */
  readonly ports?: readonly string[];
  readonly loadBalancerIps?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export function service(name: string, clusterIP: string, parts: ServiceParts = {}): Service {
  const { ports = ["80"], loadBalancerIps, labels, annotations, ...spec } = parts;
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { ...splitName(name), ...(labels && { labels }), ...(annotations && { annotations }) },
    spec: { type: "ClusterIP", clusterIP, ports: ports.map(servicePort), ...spec },
    ...(loadBalancerIps && { status: { loadBalancer: { ingress: loadBalancerIps.map((ip) => ({ ip })) } } }),
  };
}

/** Endpoints such as `10.180.1.5 node1`, `10.180.2.6 node2 not-ready`, `10.180.3.7 node3 terminating`, `… serving-terminating`. */
export function slice(serviceName: string, ports: readonly string[], endpoints: readonly string[]): EndpointSlice {
  const { namespace, name } = splitName(serviceName);
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: `${name}-abcde`, namespace, labels: { "kubernetes.io/service-name": name } },
    addressType: "IPv4",
    endpoints: endpoints.map(sliceEndpoint),
    ports: ports.map((text) => {
      const { name: portName = "", protocol = "TCP", port } = servicePort(text);
      return { name: portName, protocol, port };
    }),
  };
}

export function node(
  name: string,
  parts: {
    readonly podCidr?: string;
    readonly address?: string;
    readonly labels?: Readonly<Record<string, string>>;
  } = {},
): Node {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, ...(parts.labels && { labels: parts.labels }) },
    spec: parts.podCidr === undefined ? {} : { podCIDR: parts.podCidr, podCIDRs: [parts.podCidr] },
    status: {
      addresses: parts.address === undefined ? [] : [{ type: "InternalIP", address: parts.address }],
      conditions: [{ type: "Ready", status: "True" }],
    },
  };
}

function sliceEndpoint(text: string): NonNullable<EndpointSlice["endpoints"]>[number] {
  const [address = "", nodeName, state = "ready"] = text.split(" ");
  const conditions = {
    ready: { ready: true, serving: true, terminating: false },
    "not-ready": { ready: false, serving: false, terminating: false },
    "serving-terminating": { ready: false, serving: true, terminating: true },
    terminating: { ready: false, serving: false, terminating: true },
  }[state];
  if (conditions === undefined) throw new Error(`Unknown state of an endpoint: ${state}`);
  return { addresses: [address], conditions, ...(nodeName === undefined ? {} : { nodeName }) };
}

function servicePort(text: string): ServicePortSpec {
  const match = /^(?:([a-z0-9-]+)=)?(\d+)(?:\/(TCP|UDP|SCTP))?(?::(\d+))?$/.exec(text);
  if (match === null) throw new Error(`Unreadable port: ${text}`);
  const [, name, port, protocol, nodePort] = match;
  return {
    ...(name === undefined ? {} : { name }),
    protocol: (protocol ?? "TCP") as ServiceProtocol,
    port: Number(port),
    ...(nodePort === undefined ? {} : { nodePort: Number(nodePort) }),
  };
}

function splitName(name: string): { readonly namespace: string; readonly name: string } {
  const [first = "", second] = name.split("/");
  return second === undefined ? { namespace: "default", name: first } : { namespace: first, name: second };
}
