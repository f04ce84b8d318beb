import * as z from "zod";
import type { BalancerForm, LoadBalancerForm } from "./file-form.ts";
import {
  addressSchema,
  domainNameSchema,
  durationSchema,
  integerSchema,
  listSchema,
  namedSchema,
  nameSchema,
  portSchema,
  textSchema,
  wordSchema,
} from "./schema-scalars.ts";

/** How balancers pick a backend. Hashes are named after what goes into them. */
export const BALANCING_WORDS = [
  "five-tuple",
  "three-tuple",
  "two-tuple",
  "source",
  "maglev",
  "round-robin",
  "least-connections",
  "random",
] as const;

export const CLIENT_HEADERS = ["none", "x-forwarded-for", "forwarded", "proxy-v1", "proxy-v2"] as const;

const headerSchema = wordSchema(CLIENT_HEADERS);
const timesSchema = integerSchema("a number of answers in a row", 1, 100);

const healthCheckSchema = z.strictObject(
  {
    interval: durationSchema.describe("2s when left out").exactOptional(),
    timeout: durationSchema.describe("1s when left out").exactOptional(),
    healthy: timesSchema.describe("Good answers in a row that bring a node back; 1 when left out").exactOptional(),
    unhealthy: timesSchema.describe("Failures in a row that take a node out; 5 when left out").exactOptional(),
    nodes: wordSchema(["kube-proxy", "node-port", "none"])
      .describe("What nodes are asked with the policy Cluster; kube-proxy, its port 10256, when left out")
      .exactOptional(),
    from: addressSchema.describe("The address that asks; one of the host's").exactOptional(),
  },
  { error: () => "how nodes are asked: { interval: 2s, unhealthy: 5, … }" },
);

const kindSchema = wordSchema(["passthrough", "proxy"]).describe(
  "passthrough forwards packets; proxy ends connections and opens its own",
);
const methodSchema = wordSchema(BALANCING_WORDS).describe(
  "How backends are picked; five-tuple, of a proxy round-robin, when left out",
);
const deliverySchema = wordSchema(["route", "ipip", "dnat"]).describe(
  "passthrough: packets go on unchanged (route, when left out), inside IPIP, or with another destination",
);

const frontendSchema = z.strictObject(
  {
    name: nameSchema,
    address: addressSchema,
    port: portSchema,
    protocol: wordSchema(["tcp", "udp"]).describe("tcp when left out").exactOptional(),
    delivery: deliverySchema.exactOptional(),
    header: headerSchema.describe("proxy: what backends are told about the client; none when left out").exactOptional(),
    backends: listSchema(nameSchema, "a list of hosts").describe("Hosts or routers"),
    first: nameSchema.describe("The backend that gets the first flow").exactOptional(),
  },
  { error: () => "a frontend: { name: …, address: …, port: 80, backends: […] }" },
);

/** A load balancer on a machine, for backends that the file names. */
export const balancerSchema: z.ZodType<BalancerForm> = z.strictObject(
  {
    kind: kindSchema,
    method: methodSchema.exactOptional(),
    frontends: listSchema(frontendSchema, "a list of frontends"),
  },
  { error: () => "a balancer: { kind: passthrough, frontends: […] }" },
);

const addressesSchema = listSchema(addressSchema, "a list of addresses").describe("For Services, in this order");

const cloudSchema = z.strictObject(
  {
    kind: kindSchema,
    host: nameSchema.describe("The router (passthrough) or host (proxy) on which it runs"),
    addresses: addressesSchema,
    method: methodSchema.exactOptional(),
    delivery: deliverySchema.exactOptional(),
    header: headerSchema.describe("proxy: what backends are told about the client; none when left out").exactOptional(),
    headers: namedSchema(textSchema, headerSchema, "headers by Service").exactOptional(),
    domain: domainNameSchema.describe("Services get a name in this domain instead of an address").exactOptional(),
    ipMode: wordSchema(["VIP", "Proxy"]).describe("Of the addresses; VIP when left out").exactOptional(),
    whenAllUnhealthy: wordSchema(["none", "all"])
      .describe("Who gets traffic when every node is unhealthy; none when left out")
      .exactOptional(),
    healthCheck: healthCheckSchema.exactOptional(),
  },
  { error: () => "a load balancer: { kind: passthrough, host: …, addresses: […] }" },
);

const layer2Schema = z.strictObject(
  {
    kind: z.literal("layer2").describe("One node answers ARP for the Service's address, as with MetalLB"),
    addresses: addressesSchema,
    leader: wordSchema(["endpoint-node", "any-node"])
      .describe("Who may answer with the policy Local; endpoint-node when left out")
      .exactOptional(),
  },
  { error: () => "{ kind: layer2, addresses: […] }" },
);

export const loadBalancerSchema: z.ZodType<LoadBalancerForm> = z.discriminatedUnion(
  "kind",
  [cloudSchema, layer2Schema],
  {
    error: () => "a load balancer: { kind: passthrough, proxy or layer2, addresses: […], … }",
  },
);
