import * as z from "zod";
import { DETECT_LOCAL_MODES, PROXY_MODES } from "../kube/index.ts";
import { CNI_KINDS } from "../nodes/index.ts";
import type { ClusterForm, NodeForm, PinsForm, ProxyForm } from "./file-form.ts";
import { loadBalancerSchema } from "./schema-balancer.ts";
import { rulesSchema } from "./schema-machines.ts";
import {
  addressSchema,
  domainNameSchema,
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

const versionSchema = readText('a Kubernetes version in quotes, like "1.13" or "1.31.2"', (text) =>
  /^1\.\d{1,2}(\.\d{1,3})?([-+][\w.+-]{1,40})?$/.test(text) ? text : undefined,
);

const proxySchema: z.ZodType<ProxyForm> = z.strictObject(
  {
    mode: wordSchema(PROXY_MODES).exactOptional(),
    clusterCIDR: rangeSchema.describe("The cluster's podCIDR when left out").exactOptional(),
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
  },
  { error: () => "kube-proxy's flags: { mode: iptables, … }" },
);

const nodeSchema: z.ZodType<NodeForm> = z.strictObject(
  {
    name: nameSchema,
    alias: nameSchema.describe("A short name for commands; node1, node2, … when left out").exactOptional(),
    address: interfaceAddressSchema.describe("The node's internal address"),
    externalAddress: addressSchema.exactOptional(),
    podCIDR: rangeSchema.describe("The node's share of the cluster's podCIDR"),
    labels: namedSchema(textSchema, textSchema, "labels by name").exactOptional(),
  },
  { error: () => "a node: { name: …, address: …, podCIDR: … }" },
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

const manifestsSchema = z
  .union([textSchema, z.array(z.union([textSchema, z.record(z.string(), z.unknown())]))], {
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
    hairpin: flagSchema
      .describe("Pods' bridge ports send back where a frame came from; on when left out")
      .exactOptional(),
    bridge: interfaceNameSchema.describe("The pod bridge's name; cbr0 when left out").exactOptional(),
    proxy: proxySchema.describe("kube-proxy's flags").exactOptional(),
    nodeRules: rulesSchema
      .describe("What other programs load on every node, behind kube-proxy's rules")
      .exactOptional(),
    nodes: z.array(nodeSchema, { error: () => "a list of nodes" }).min(1, { error: () => "at least one node" }),
    pins: pinsSchema.describe("Fixes what would be drawn from the seed").exactOptional(),
    loadBalancer: loadBalancerSchema.describe("Who serves Services of type LoadBalancer").exactOptional(),
    manifests: manifestsSchema.exactOptional(),
  },
  { error: () => "a cluster: { version: …, network: …, nodes: … }" },
);
