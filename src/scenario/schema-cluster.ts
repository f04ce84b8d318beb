import * as z from "zod";
import { DETECT_LOCAL_MODES, PROXY_MODES } from "../kube/index.ts";
import { VIRTUAL_SCHEDULERS } from "../nat/index.ts";
import { CNI_KINDS } from "../nodes/index.ts";
import type { Duration } from "../sim/index.ts";
import type { ClusterForm, ManifestSeriesForm, NodeForm, PinsForm, ProxyForm, TimingForm } from "./file-form.ts";
import { nodeSeriesSchema } from "./node-series.ts";
import { loadBalancerSchema } from "./schema-balancer.ts";
import { rulesSchema, vniSchema } from "./schema-machines.ts";
import {
  addressSchema,
  domainNameSchema,
  durationSchema,
  flagSchema,
  integerSchema,
  interfaceAddressSchema,
  interfaceNameSchema,
  listSchema,
  mtuSchema,
  namedSchema,
  nameSchema,
  portSchema,
  rangeSchema,
  readText,
  textSchema,
  wordSchema,
} from "./schema-scalars.ts";
import { nodeSysctlsSchema } from "./schema-sysctls.ts";

const versionSchema = readText('a Kubernetes version in quotes, like "1.13" or "1.31.2"', (text) =>
  /^1\.\d{1,2}(\.\d{1,3})?([-+][\w.+-]{1,40})?$/.test(text) ? text : undefined,
);

const kernelSchema = readText(
  'a version of Linux in quotes, like "4.15" or "6.18"',
  (text): [number, number] | undefined => {
    const [, major, minor] = /^([3-9])\.(\d{1,3})$/.exec(text) ?? [];
    return major === undefined ? undefined : [Number(major), Number(minor)];
  },
);

const proxySchema: z.ZodType<ProxyForm> = z.strictObject(
  {
    mode: wordSchema(PROXY_MODES).exactOptional(),
    minSyncPeriod: durationSchema
      .describe("Rules are written no more often than once in so long; 1s when left out")
      .exactOptional(),
    clusterCIDR: rangeSchema.describe("The cluster's podCIDR when left out").exactOptional(),
    ipvsScheduler: wordSchema(VIRTUAL_SCHEDULERS).describe("Of ipvs mode; rr when left out").exactOptional(),
    masqueradeAll: flagSchema.exactOptional(),
    masqueradeBit: integerSchema("a bit", 0, 31).exactOptional(),
    nodePortAddresses: listSchema(
      readText('a range like 10.0.0.0/8, or "primary"', (text) =>
        text === "primary" || rangeSchema.safeParse(text).success ? text : undefined,
      ),
      "a list of ranges",
    ).exactOptional(),
    localhostNodePorts: flagSchema.exactOptional(),
    detectLocalMode: wordSchema(DETECT_LOCAL_MODES).exactOptional(),
    podBridgeInterface: interfaceNameSchema.exactOptional(),
    podInterfaceNamePrefix: interfaceNameSchema.exactOptional(),
    conntrackCleanup: flagSchema
      .describe("false: UDP connections of endpoints that are gone are not deleted")
      .exactOptional(),
  },
  { error: () => "kube-proxy's flags: { mode: iptables, … }" },
);

const vxlanSchema: z.ZodType<NonNullable<ClusterForm["vxlan"]>> = z.strictObject(
  {
    interface: interfaceNameSchema
      .describe("The device's name; flannel.1 when left out, vxlan.calico with cni: routed")
      .exactOptional(),
    vni: vniSchema.describe("1 when left out, 4096 with cni: routed").exactOptional(),
    port: portSchema.describe("UDP port; 4789 when left out; flannel's own is 8472").exactOptional(),
    udpChecksum: flagSchema.describe("false leaves the outer UDP checksum 0").exactOptional(),
  },
  { error: () => "the tunnels: { interface: flannel.1, vni: 1, port: 8472 }" },
);

const periodSchema: z.ZodType<Duration> = durationSchema.refine((duration) => duration > 0, {
  error: () => "a duration longer than 0s",
});

const timingSchema: z.ZodType<TimingForm> = z.strictObject(
  {
    nodeLeaseRenewal: periodSchema.describe("kubelet renews its node's lease so often; 10s").exactOptional(),
    nodeMonitorPeriod: periodSchema.describe("The control plane looks at leases so often; 5s").exactOptional(),
    nodeMonitorGracePeriod: durationSchema
      .describe("A node is unreachable when its lease is older; 50s")
      .exactOptional(),
    unreachableToleration: durationSchema
      .describe("Pods without a toleration of their own are evicted after so long; 300s")
      .exactOptional(),
    podRelist: periodSchema.describe("kubelet looks at its containers so often; 1s").exactOptional(),
    containerStart: durationSchema.describe("A container takes so long to start; 1s").exactOptional(),
    crashBackOff: durationSchema
      .describe("Before the restart after the second crash, and twice as long after each further one; 10s")
      .exactOptional(),
  },
  { error: () => "times: { nodeMonitorGracePeriod: 50s, … }" },
);

const nodeSchema: z.ZodType<NodeForm> = z.strictObject(
  {
    name: nameSchema,
    alias: nameSchema.describe("A short name for commands; node1, node2, … when left out").exactOptional(),
    address: interfaceAddressSchema.describe("The node's internal address"),
    externalAddress: addressSchema.exactOptional(),
    podCIDR: rangeSchema.describe("The node's share of the cluster's podCIDR"),
    labels: namedSchema(textSchema, textSchema, "labels by name").exactOptional(),
    sysctls: nodeSysctlsSchema.describe("Kernel parameters; they go before the cluster's").exactOptional(),
  },
  { error: () => "a node: { name: …, address: …, podCIDR: … }" },
);

const nodesSchema: z.ZodType<readonly NodeForm[]> = z.union(
  [z.array(nodeSchema).min(1, { error: () => "at least one node" }), nodeSeriesSchema],
  { error: () => "a list of nodes, or { count: …, address: …, podCIDR: … }" },
);

const podPinSchema = z.strictObject(
  {
    name: nameSchema.exactOptional(),
    address: readText("an IPv4 address like 10.0.0.5", (text) =>
      addressSchema.safeParse(text).success ? text : undefined,
    ).exactOptional(),
    node: nameSchema.exactOptional(),
  },
  { error: () => "a pod: { name: …, address: …, node: … }" },
);

const loadBalancerPinSchema = z.strictObject(
  {
    address: addressSchema.exactOptional(),
    hostname: domainNameSchema.describe("Where the balancer has a domain").exactOptional(),
    first: nameSchema.describe("The node that gets the first flow").exactOptional(),
  },
  { error: () => "what the balancer should not draw: { address: …, first: … }" },
);

const pinsSchema: z.ZodType<PinsForm> = z.strictObject(
  {
    pods: namedSchema(textSchema, listSchema(podPinSchema, "a list of pods"), "pods by Deployment").exactOptional(),
    nodePorts: namedSchema(textSchema, portSchema, "nodePorts by Service").exactOptional(),
    clusterIPs: namedSchema(textSchema, addressSchema, "addresses by Service").exactOptional(),
    healthCheckNodePorts: namedSchema(textSchema, portSchema, "ports by Service").exactOptional(),
    loadBalancers: namedSchema(textSchema, loadBalancerPinSchema, "balancers by Service").exactOptional(),
  },
  { error: () => "what the control plane should not draw: { pods: …, nodePorts: … }" },
);

/** Kubernetes' limits are 10,000 Services and 150,000 Pods; Pods have their Deployments' `replicas`. */
const MOST_MANIFESTS = 20_000;

const manifestSeriesSchema: z.ZodType<ManifestSeriesForm> = z.strictObject(
  {
    repeat: integerSchema("a number", 1, MOST_MANIFESTS).describe("How many; $N in the manifest is the number of each"),
    manifest: z.union([textSchema, z.record(z.string(), z.unknown())], { error: () => "Kubernetes YAML or an object" }),
  },
  { error: () => "manifests that are alike: { repeat: 100, manifest: … }" },
);

const manifestsSchema = z
  .union([textSchema, z.array(z.union([textSchema, manifestSeriesSchema, z.record(z.string(), z.unknown())]))], {
    error: () => "Kubernetes YAML as a text block, or a list of file names and objects",
  })
  .describe("Kubernetes YAML as a text block, or a list of files (beside this one) and objects");

export const clusterSchema: z.ZodType<ClusterForm> = z.strictObject(
  {
    version: versionSchema.describe("Changes displayed texts only"),
    network: nameSchema.describe("The network its nodes are plugged into"),
    gateway: addressSchema.describe("The nodes' default route").exactOptional(),
    podCIDR: rangeSchema,
    serviceCIDR: rangeSchema,
    mtu: mtuSchema.describe("Of pods; the network's when left out").exactOptional(),
    cni: wordSchema(CNI_KINDS).exactOptional(),
    vxlan: vxlanSchema.describe("The tunnels between nodes, with cni: vxlan or routed").exactOptional(),
    hairpin: flagSchema
      .describe("Pods' bridge ports send back where a frame came from; on when left out")
      .exactOptional(),
    bridge: interfaceNameSchema
      .describe("The pod bridge's name; cbr0 when left out, cni0 with cni: vxlan")
      .exactOptional(),
    sysctls: nodeSysctlsSchema.describe("Kernel parameters of every node, by their names in Linux").exactOptional(),
    cpus: integerSchema("a number of CPUs", 1, 64)
      .describe("Of each node; with more than one, packets that begin connections may overtake one another")
      .exactOptional(),
    kernel: kernelSchema
      .describe("The nodes' Linux; it decides how connection tracking settles clashes")
      .exactOptional(),
    podsAskForIpv6: flagSchema
      .describe("Programs in pods ask DNS for AAAA records as well, from the same socket at the same time")
      .exactOptional(),
    proxy: proxySchema.describe("kube-proxy's flags").exactOptional(),
    timing: timingSchema.describe("How long failures take to be noticed").exactOptional(),
    nodeRules: rulesSchema
      .describe("What other programs load on every node, behind kube-proxy's rules")
      .exactOptional(),
    nodes: nodesSchema.describe("A list of nodes, or { count: … } for many that are alike"),
    pins: pinsSchema.describe("Fixes what would be drawn from the seed").exactOptional(),
    loadBalancer: loadBalancerSchema.describe("Who serves Services of type LoadBalancer").exactOptional(),
    manifests: manifestsSchema.exactOptional(),
  },
  { error: () => "a cluster: { version: …, network: …, nodes: … }" },
);
