import * as z from "zod";
import type { ScenarioFile } from "./file-form.ts";
import { clusterSchema } from "./schema-cluster.ts";
import { linksSchema, machineSchema, routerSchema } from "./schema-machines.ts";
import { mtuSchema, namedSchema, nameSchema, textSchema } from "./schema-scalars.ts";
import { stepSchema } from "./schema-steps.ts";

const networkSchema = z.strictObject(
  { mtu: mtuSchema.describe("1500 when left out").exactOptional() },
  { error: () => "a network: { mtu: 1500 }" },
);

/** What a scenario file looks like. Whether its names and addresses fit together is checked elsewhere: check-references.ts. */
export const scenarioSchema: z.ZodType<ScenarioFile> = z.strictObject(
  {
    version: z.literal(1, { error: () => "1, this format's version" }),
    name: nameSchema,
    title: textSchema.describe("One line, for the list of scenarios"),
    description: textSchema.describe("What the reader will see, and which component does it").exactOptional(),
    networks: namedSchema(nameSchema, networkSchema, "networks by name").describe("Ethernet segments by name"),
    hosts: namedSchema(nameSchema, machineSchema, "hosts by name").exactOptional(),
    routers: namedSchema(nameSchema, routerSchema, "routers by name").exactOptional(),
    cluster: clusterSchema.describe("A Kubernetes cluster").exactOptional(),
    clusters: namedSchema(nameSchema, clusterSchema, "clusters by name").exactOptional(),
    links: linksSchema.describe("What links do, by the interface at one end").exactOptional(),
    steps: z.array(stepSchema, { error: () => "a list of steps" }).describe("What is done, one after another"),
  },
  { error: () => "a scenario: a mapping with version, name, title, networks and steps" },
);

/** The JSON Schema of a scenario file, for editors. */
export function scenarioJsonSchema(): Record<string, unknown> {
  const schema = z.toJSONSchema(scenarioSchema, { io: "input", target: "draft-07" }) as Record<string, unknown>;
  return { ...schema, title: "natscope scenario" };
}
