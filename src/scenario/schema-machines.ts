import * as z from "zod";
import type { ImpairmentsForm, InterfaceForm, LinksForm, MachineForm, RouterForm } from "./file-form.ts";
import {
  addressSchema,
  durationSchema,
  flagSchema,
  integerSchema,
  interfaceAddressSchema,
  interfaceNameSchema,
  listSchema,
  macSchema,
  namedSchema,
  nameSchema,
  percentSchema,
  portSchema,
  rangeSchema,
  rateSchema,
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

const serverSchema = z.strictObject(
  { kind: wordSchema(["echo"]).describe("echo: answers HTTP with what it was asked"), port: portSchema },
  { error: () => "a server: { kind: echo, port: 80 }" },
);

const routeSchema = z.strictObject(
  { to: rangeSchema, via: addressSchema },
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

const machineShape = {
  interfaces: interfacesSchema,
  gateway: addressSchema.describe("Next hop of the default route").exactOptional(),
  routes: listSchema(routeSchema, "a list of routes").exactOptional(),
  servers: listSchema(serverSchema, "a list of servers").exactOptional(),
  sysctls: sysctlsSchema.describe("Kernel parameters by their names in Linux").exactOptional(),
  aliases: listSchema(nameSchema, "a list of names").describe("Other names it answers to").exactOptional(),
  iptables: z
    .union([textSchema, tablesSchema], { error: () => "text as iptables-save prints it, or rules by table and chain" })
    .describe("Rules: text as iptables-save prints it, or { nat: { PREROUTING: [rule, …] } }")
    .exactOptional(),
};

export const machineSchema: z.ZodType<MachineForm> = z.strictObject(machineShape, {
  error: () => "a host: { interfaces: …, gateway: … }",
});

export const routerSchema: z.ZodType<RouterForm> = z.strictObject(
  {
    ...machineShape,
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
