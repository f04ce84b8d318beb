import * as z from "zod";
import { type Cidr, contains, formatInterfaceAddress, type Ipv4Address, ipv4, subnetOf } from "../netstack/index.ts";
import type { NodeForm, NodeSeriesForm } from "./file-form.ts";
import {
  addressSchema,
  integerSchema,
  interfaceAddressSchema,
  namedSchema,
  nameSchema,
  rangeSchema,
  textSchema,
} from "./schema-scalars.ts";
import { nodeSysctlsSchema } from "./schema-sysctls.ts";

/** Kubernetes supports no larger clusters. */
const MOST_NODES = 5000;

const seriesSchema: z.ZodType<NodeSeriesForm> = z.strictObject(
  {
    count: integerSchema("a number of nodes", 1, MOST_NODES),
    name: nameSchema
      .describe("What their names begin with: worker makes worker-1, …; node when left out")
      .exactOptional(),
    address: interfaceAddressSchema.describe("The first one's internal address; the others have the next ones"),
    externalAddress: addressSchema.describe("The first one's; the others have the next ones").exactOptional(),
    podCIDR: rangeSchema.describe("The first one's; the others have the next ranges of that size"),
    labels: namedSchema(textSchema, textSchema, "labels by name").exactOptional(),
    sysctls: nodeSysctlsSchema.describe("Kernel parameters; they go before the cluster's").exactOptional(),
  },
  { error: () => "nodes that are alike: { count: 100, address: 10.0.0.1/16, podCIDR: 10.1.0.0/24 }" },
);

/** Nodes that are alike, told once: becomes the list that it stands for. */
export const nodeSeriesSchema: z.ZodType<readonly NodeForm[]> = seriesSchema.transform((series, context) => {
  const { count, address } = series;
  const last = ipv4((address.address + count - 1) >>> 0);
  if (contains(subnetOf(address.address, address.prefixLength), last)) return nodesOf(series);
  const message = `${count} addresses from ${formatInterfaceAddress(address)} on do not fit into its subnet`;
  context.issues.push({ code: "custom", input: series, params: { sentence: true }, path: ["address"], message });
  return z.NEVER;
});

function nodesOf({
  count,
  name = "node",
  address,
  externalAddress,
  podCIDR,
  labels,
  sysctls,
}: NodeSeriesForm): NodeForm[] {
  const digits = String(count).length;
  return Array.from({ length: count }, (_, index) => ({
    // Of one length, so that they sort in their order.
    name: `${name}-${String(index + 1).padStart(digits, "0")}`,
    address: { ...address, address: next(address.address, index) },
    ...(externalAddress !== undefined && { externalAddress: next(externalAddress, index) }),
    podCIDR: rangeAt(podCIDR, index),
    ...(labels !== undefined && { labels }),
    ...(sysctls !== undefined && { sysctls }),
  }));
}

function rangeAt({ network, prefixLength }: Cidr, index: number): Cidr {
  return { network: next(network, index * 2 ** (32 - prefixLength)), prefixLength };
}

function next(address: Ipv4Address, steps: number): Ipv4Address {
  return ipv4((address + steps) >>> 0);
}
