import * as z from "zod";
import { NAT_BEHAVIOURS } from "../nat/index.ts";
import { parseIpv4 } from "../netstack/index.ts";
import type {
  ImpairmentsForm,
  InterfaceForm,
  LinksForm,
  MachineForm,
  NatForm,
  RouterForm,
  TunnelForm,
} from "./file-form.ts";
import { balancerSchema } from "./schema-balancer.ts";
import {
  addressSchema,
  destinationSchema,
  durationSchema,
  flagSchema,
  integerSchema,
  interfaceAddressSchema,
  interfaceNameSchema,
  listSchema,
  macSchema,
  mtuSchema,
  namedSchema,
  nameSchema,
  percentSchema,
  portSchema,
  rateSchema,
  readText,
  textSchema,
  wordSchema,
} from "./schema-scalars.ts";
import { sysctlsSchema } from "./schema-sysctls.ts";

const interfaceSchema: z.ZodType<InterfaceForm> = z.strictObject(
  {
    network: nameSchema.describe("The network it is plugged into"),
    address: interfaceAddressSchema.exactOptional(),
    addresses: listSchema(interfaceAddressSchema, "a list of addresses").exactOptional(),
    mac: macSchema.exactOptional(),
  },
  { error: () => "an interface: { network: …, address: … }" },
);

const interfacesSchema = namedSchema(interfaceNameSchema, interfaceSchema, "interfaces by name, such as eth0").describe(
  "Interfaces by name",
);

const endpointSchema = readText("an address and a port like 10.0.0.5:80", (text) => {
  const [, host = "", digits] = /^([\d.]+):(\d{1,5})$/.exec(text) ?? [];
  const address = parseIpv4(host);
  const port = Number(digits);
  return address === undefined || port < 1 || port > 65535 ? undefined : { address, port };
});

const serverSchema = z.strictObject(
  {
    kind: wordSchema(["echo", "stun", "tcp-proxy"]).describe(
      "echo: answers HTTP with what it was asked; stun: tells clients their address, and which NAT they are behind; tcp-proxy: carries connections on",
    ),
    port: portSchema,
    to: endpointSchema.describe("Of a tcp-proxy: where connections are carried on to").exactOptional(),
    keepAlive: durationSchema
      .refine((duration) => duration > 0, { error: () => "a time, such as 15s" })
      .describe(
        "SO_KEEPALIVE: after so long without a word a client is probed, as often and then given up; never when left out",
      )
      .exactOptional(),
  },
  { error: () => "a server: { kind: echo, port: 80 }" },
);

const routeSchema = z.strictObject(
  { to: destinationSchema, via: addressSchema },
  { error: () => "a route: { to: 10.0.0.0/8, via: 10.0.0.1 }" },
);

const rulesByChain = namedSchema(
  textSchema,
  listSchema(textSchema, "a list of rules"),
  "chains by name, each a list of rules",
);

const tablesSchema = z.strictObject(
  {
    raw: rulesByChain.exactOptional(),
    mangle: rulesByChain.exactOptional(),
    nat: rulesByChain.exactOptional(),
    filter: rulesByChain.exactOptional(),
  },
  { error: () => "text as iptables-save prints it, or rules by table and chain" },
);

const ipipSchema = z.strictObject({
  kind: z.literal("ipip").describe("Takes packets out of IP-in-IP packets for this machine"),
  addresses: listSchema(interfaceAddressSchema, "a list of addresses").exactOptional(),
});

/** A VXLAN Network Identifier: 24 bits. */
export const vniSchema: z.ZodType<number> = integerSchema("a VNI", 0, 0xffffff);

const vxlanSchema = z.strictObject({
  kind: z.literal("vxlan").describe("A VXLAN device, as `ip link add type vxlan` makes it"),
  vni: vniSchema,
  port: portSchema.describe("UDP port; 4789 when left out").exactOptional(),
  local: addressSchema.describe("The outer source address").exactOptional(),
  remotes: listSchema(addressSchema, "a list of addresses")
    .describe("The other ends: who gets broadcasts; the rest is learnt")
    .exactOptional(),
  udpChecksum: flagSchema.describe("false leaves the outer UDP checksum 0").exactOptional(),
  mtu: mtuSchema.describe("50 less than the network's when left out").exactOptional(),
  addresses: listSchema(interfaceAddressSchema, "a list of addresses").exactOptional(),
});

const tunnelSchema: z.ZodType<TunnelForm> = z.discriminatedUnion("kind", [ipipSchema, vxlanSchema], {
  error: () => "a tunnel: { kind: ipip, addresses: […] } or { kind: vxlan, vni: 42, remotes: […] }",
});

/** Rules in either of their forms. */
export const rulesSchema: z.ZodType<NonNullable<MachineForm["iptables"]>> = z
  .union([textSchema, tablesSchema], { error: () => "text as iptables-save prints it, or rules by table and chain" })
  .describe("Rules: text as iptables-save prints it, or { nat: { PREROUTING: [rule, …] } }");

const machineShape = {
  interfaces: interfacesSchema,
  gateway: addressSchema.describe("Next hop of the default route").exactOptional(),
  routes: listSchema(routeSchema, "a list of routes").exactOptional(),
  servers: listSchema(serverSchema, "a list of servers").exactOptional(),
  sysctls: sysctlsSchema.describe("Kernel parameters by their names in Linux").exactOptional(),
  aliases: listSchema(nameSchema, "a list of names").describe("Other names it answers to").exactOptional(),
  loopback: listSchema(interfaceAddressSchema, "a list of addresses")
    .describe("Further addresses of lo")
    .exactOptional(),
  tunnels: namedSchema(interfaceNameSchema, tunnelSchema, "tunnels by interface name").exactOptional(),
  balancer: balancerSchema.describe("A load balancer that runs here").exactOptional(),
  iptables: rulesSchema.exactOptional(),
};

export const machineSchema: z.ZodType<MachineForm> = z.strictObject(machineShape, {
  error: () => "a host: { interfaces: …, gateway: … }",
});

const natSchema: z.ZodType<NatForm> = z.strictObject(
  {
    inside: interfaceNameSchema.describe("The interface towards the private side"),
    outside: interfaceNameSchema.describe("The interface whose address inside hosts share"),
    mapping: wordSchema(NAT_BEHAVIOURS).describe("Who gets the same mapping").exactOptional(),
    filtering: wordSchema(NAT_BEHAVIOURS).describe("Who may send in through a mapping").exactOptional(),
    portPreservation: flagSchema.describe("Keeps the inside port where it is free").exactOptional(),
    timeoutSeconds: integerSchema("a number of seconds", 1, 86_400).describe("Of UDP mappings").exactOptional(),
    hairpin: flagSchema.describe("Inside hosts reach one another by outside addresses").exactOptional(),
  },
  { error: () => "a NAT: { inside: lan, outside: wan, mapping: …, filtering: … }" },
);

export const routerSchema: z.ZodType<RouterForm> = z.strictObject(
  {
    ...machineShape,
    nat: natSchema.describe("A NAT with the behaviours of RFC 4787, in place of iptables").exactOptional(),
    cloudEdge: flagSchema
      .describe("Maps the nodes' external addresses to their internal ones, 1:1, as a cloud's edge does")
      .exactOptional(),
  },
  { error: () => "a router: { interfaces: …, iptables: … }" },
);

const impairmentsShape = {
  delay: durationSchema.describe("Time on the wire").exactOptional(),
  jitter: durationSchema.describe("Adds up to this much to the delay").exactOptional(),
  loss: percentSchema.exactOptional(),
  duplicate: percentSchema.exactOptional(),
  reorder: percentSchema.describe("Share of frames held back by reorderDelay").exactOptional(),
  reorderDelay: durationSchema.exactOptional(),
  rate: rateSchema.exactOptional(),
  queue: integerSchema("a number of frames", 0, 100_000).describe("Frames that may wait for the rate").exactOptional(),
  up: flagSchema.describe("false: carries nothing").exactOptional(),
};

const IMPAIRMENTS_EXPECTED = "what the link does: { delay: 5ms, loss: 1%, … }";

const impairmentsSchema: z.ZodType<ImpairmentsForm> = z.strictObject(impairmentsShape, {
  error: () => IMPAIRMENTS_EXPECTED,
});

export const linksSchema: z.ZodType<LinksForm> = namedSchema(
  textSchema,
  z.strictObject(
    {
      ...impairmentsShape,
      out: impairmentsSchema.describe("Away from the machine; goes before what stands beside it").exactOptional(),
      in: impairmentsSchema.describe("Towards the machine; goes before what stands beside it").exactOptional(),
    },
    { error: () => IMPAIRMENTS_EXPECTED },
  ),
  "links by the interface at one end, such as client/eth0",
);
