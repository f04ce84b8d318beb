import * as z from "zod";
import { SYSCTLS, type Sysctl, type SysctlValues } from "../nodes/index.ts";

/** Those of bridges: the machines of a file have none, nodes do. */
const OF_BRIDGES = "net.bridge.";

/** Kernel parameters of a host or router, by their names in Linux. */
export const sysctlsSchema: z.ZodType<SysctlValues> = sysctls((name) => !name.startsWith(OF_BRIDGES));

/** Kernel parameters of a Kubernetes node. */
export const nodeSysctlsSchema: z.ZodType<SysctlValues> = sysctls(() => true);

function sysctls(has: (name: string) => boolean): z.ZodType<SysctlValues> {
  const settable = [...SYSCTLS.values()].flatMap(({ name, expected, normal }) =>
    expected === undefined || !has(name) ? [] : [[name, valueSchema(expected, normal).exactOptional()] as const],
  );
  const error = (): string => "kernel parameters by their names in Linux";
  return z.strictObject(Object.fromEntries(settable), { error }) as z.ZodType<SysctlValues>;
}

/** A number or text, as it is written to `/proc/sys`. */
function valueSchema(expected: string, normal: Sysctl["normal"]): z.ZodType<string> {
  return z
    .union([z.number(), z.string()], { error: () => expected })
    .describe(expected)
    .transform((given, context) => {
      const value = normal(String(given));
      if (value !== undefined) return value;
      context.issues.push({ code: "custom", message: expected, input: given });
      return z.NEVER;
    });
}
