import * as z from "zod";
import { parseIpv4 } from "../netstack/index.ts";
import { compileDisplayFilter, type DisplayFilter } from "./display-filter.ts";
import type { ExpectForm, FailForm, PacketForm, RestoreForm, StepForm } from "./file-form.ts";
import type { ClientAddress, CountExpectation, TextExpectation } from "./model.ts";
import { linksSchema } from "./schema-machines.ts";
import {
  durationSchema,
  integerSchema,
  listSchema,
  nameSchema,
  oneOrMore,
  readText,
  textSchema,
  wordSchema,
} from "./schema-scalars.ts";

const RELATIONS = ["contains", "lacks", "equals", "matches"] as const;

const TEXT_EXPECTED = "text that is contained, or { contains: …, lacks: …, equals: …, matches: … }, or a list of these";

const textExpectationSchema = z.union([z.string(), relationsSchema()], { error: () => TEXT_EXPECTED });

const textExpectationsSchema = z
  .union([textExpectationSchema, z.array(textExpectationSchema)], { error: () => TEXT_EXPECTED })
  .transform((given): TextExpectation[] =>
    (Array.isArray(given) ? given : [given]).flatMap((each) =>
      typeof each === "string" ? [{ relation: "contains" as const, text: each }] : each,
    ),
  );

const clientAddressSchema = readText('an IPv4 address, or "none"', (text): ClientAddress | undefined =>
  text === "none" ? text : parseIpv4(text),
);

const countSchema = z.union([integerSchema("a number", 0, 1e9), z.string()], { error: () => COUNT_EXPECTED });

const COUNT_EXPECTED = 'a number, or a comparison like ">= 1"';

const packetSchema: z.ZodType<PacketForm> = z.strictObject(
  {
    at: textSchema.describe("A capture point such as node2/eth0; * stands for any characters"),
    filter: filterSchema().exactOptional(),
    count: countSchema.transform(readCount).describe('Such as 2 or ">= 1", which it is when left out').exactOptional(),
  },
  { error: () => "packets to be seen: { at: node2/eth0, filter: …, count: … }" },
);

const expectSchema: z.ZodType<ExpectForm> = z.strictObject(
  {
    exitCode: oneOrMore(
      integerSchema("an exit code", 0, 255),
      "an exit code from 0 to 255, or a list with one for each repetition",
    ).exactOptional(),
    stdout: textExpectationsSchema.exactOptional(),
    stderr: textExpectationsSchema.exactOptional(),
    clientAddress: oneOrMore(
      clientAddressSchema,
      'an IPv4 address, or "none", or a list with one for each repetition',
    ).exactOptional(),
    packets: listSchema(packetSchema, "a list of packets to be seen").exactOptional(),
  },
  { error: () => "what should come out: { exitCode: …, stdout: …, clientAddress: …, packets: … }" },
);

/** Each kind of step, with what may stand beside it. */
const KINDS = {
  run: ["on", "repeat", "timeout"],
  kubectl: ["cluster"],
  apply: ["cluster"],
  wait: [],
  links: [],
  fail: ["cluster"],
  restore: ["cluster"],
} as const;

const FAIL_EXPECTED = "what fails: { node: node2 } or { pod: NAME }";

const failSchema: z.ZodType<FailForm> = z
  .strictObject(
    {
      node: nameSchema.describe("Off the network from now on; its kubelet is not heard of any more").exactOptional(),
      pod: textSchema.describe("NAME or NAMESPACE/NAME: its programs end, and kubelet will notice").exactOptional(),
    },
    { error: () => FAIL_EXPECTED },
  )
  .refine(({ node, pod }) => (node === undefined) !== (pod === undefined), { error: () => FAIL_EXPECTED });

const restoreSchema: z.ZodType<RestoreForm> = z.strictObject(
  { node: nameSchema },
  { error: () => "what is back: { node: node2 }" },
);

/** A run that has no end is of no use to anybody. */
const MOST_TIMES = 100_000_000;
const MOST_PARALLEL = 10_000;
const timesSchema = integerSchema("a number", 1, MOST_TIMES);

const repeatSchema: z.ZodType<NonNullable<StepForm["repeat"]>> = z.union(
  [
    wordSchema(["nodes"]),
    timesSchema,
    z.strictObject({
      times: timesSchema,
      every: durationSchema
        .describe("From one beginning to the next, in virtual time; 5ms when left out")
        .exactOptional(),
      parallel: integerSchema("a number", 1, MOST_PARALLEL)
        .describe("So many may be under way at once; 1 when left out")
        .exactOptional(),
    }),
  ],
  { error: () => "nodes, a number of times, or { times: 1000, every: 5ms, parallel: 10 }" },
);

export const stepSchema: z.ZodType<StepForm> = z
  .strictObject(
    {
      name: textSchema.describe("For --at and the results").exactOptional(),
      show: textSchema.describe("What is printed instead of the command").exactOptional(),
      run: textSchema.describe("A command line, with $NODES, $NODE, $NODEPORT and pipes into grep").exactOptional(),
      on: textSchema.describe("The host, router, node or pod that runs it").exactOptional(),
      repeat: repeatSchema
        .describe("nodes: once for each node, as $NODE; or a number, or { times: 1000, every: 5ms, parallel: 10 }")
        .exactOptional(),
      timeout: durationSchema.describe("How long it may take, in virtual time; 5m when left out").exactOptional(),
      kubectl: textSchema.describe("kubectl's arguments").exactOptional(),
      apply: textSchema.describe("Kubernetes YAML to be applied").exactOptional(),
      cluster: nameSchema.describe("Which cluster, when there are several").exactOptional(),
      wait: durationSchema.describe("Lets virtual time pass").exactOptional(),
      links: linksSchema.describe("Changes what links do").exactOptional(),
      fail: failSchema.describe("A node or a pod fails").exactOptional(),
      restore: restoreSchema.describe("A node that had failed is back").exactOptional(),
      expect: expectSchema.exactOptional(),
    },
    {
      error: () =>
        "a step: { run: …, on: … }, { kubectl: … }, { apply: … }, { wait: … }, { links: … }, { fail: … } or { restore: … }",
    },
  )
  .check((context) => {
    const complaint = objectTo(context.value);
    if (complaint === undefined) return;
    context.issues.push({ code: "custom", input: context.value, params: { sentence: true }, ...complaint });
  });

function objectTo(step: StepForm): { readonly message: string; readonly path?: PropertyKey[] } | undefined {
  const kinds = (Object.keys(KINDS) as (keyof typeof KINDS)[]).filter((kind) => step[kind] !== undefined);
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1) {
    return {
      message: `expected exactly one of run, kubectl, apply, wait, links, fail and restore, got ${kind === undefined ? "none" : kinds.join(" and ")}`,
    };
  }
  const allowed: readonly string[] = KINDS[kind];
  for (const other of ["on", "repeat", "timeout", "cluster"] as const) {
    if (step[other] === undefined || allowed.includes(other)) continue;
    return { message: `expected no "${other}" beside "${kind}"`, path: [other] };
  }
  return undefined;
}

function relationsSchema(): z.ZodType<TextExpectation[]> {
  const text = z.string({ error: () => "text" }).exactOptional();
  const pattern = readText("a regular expression", (source) => (isExpression(source) ? source : undefined));
  const shape = { contains: text, lacks: text, equals: text, matches: pattern.exactOptional() };
  return z.strictObject(shape, { error: () => TEXT_EXPECTED }).transform((given) =>
    RELATIONS.flatMap((relation) => {
      const expected = given[relation];
      return expected === undefined ? [] : [{ relation, text: expected }];
    }),
  );
}

function isExpression(source: string): boolean {
  try {
    new RegExp(source, "mu");
    return true;
  } catch {
    return false;
  }
}

function filterSchema(): z.ZodType<DisplayFilter, string> {
  return z.string({ error: () => "a display filter like tcp.port == 80" }).transform((text, context) => {
    const compiled = compileDisplayFilter(text);
    if ("filter" in compiled) return compiled.filter;
    const message = `column ${compiled.fault.column} of the filter: ${compiled.fault.message}`;
    context.issues.push({ code: "custom", message, params: { sentence: true }, input: text });
    return z.NEVER;
  });
}

function readCount(given: number | string, context: z.core.$RefinementCtx): CountExpectation {
  if (typeof given === "number") return { relation: "==", count: given };
  const match = /^(>=|<=|==|!=|>|<)?\s*(\d{1,9})$/.exec(given.trim());
  if (match !== null) {
    return { relation: (match[1] ?? "==") as CountExpectation["relation"], count: Number(match[2]) };
  }
  context.issues.push({ code: "custom", message: COUNT_EXPECTED, input: given });
  return z.NEVER;
}
