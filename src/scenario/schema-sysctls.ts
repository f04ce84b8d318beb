import * as z from "zod";
import { type ConntrackSysctls, DEFAULT_CONNTRACK_SYSCTLS } from "../nat/index.ts";
import type { Sysctls } from "../netstack/index.ts";
import type { SysctlsForm } from "./file-form.ts";
import { integerSchema, readText } from "./schema-scalars.ts";

/** Written 0 or 1. */
const flag = integerSchema("a number", 0, 1).transform((value) => value === 1);

const REVERSE_PATH_FILTERS = ["off", "strict", "loose"] as const;

/** Each parameter of the stack by its name in Linux, and which of ours it is. */
const STACK = {
  "net.ipv4.ip_forward": ["forwarding", flag],
  "net.ipv4.conf.all.route_localnet": ["routeLocalnet", flag],
  "net.ipv4.conf.all.rp_filter": [
    "reversePathFilter",
    integerSchema("a number", 0, 2).transform((value) => REVERSE_PATH_FILTERS[value] ?? "off"),
  ],
  "net.ipv4.ip_default_ttl": ["defaultTtl", integerSchema("a TTL", 1, 255)],
  "net.ipv4.icmp_echo_ignore_all": ["ignoreEcho", flag],
  "net.ipv4.icmp_ratelimit": ["icmpRateLimitMs", integerSchema("milliseconds", 0, 3_600_000)],
  "net.ipv4.icmp_msgs_per_sec": ["icmpMessagesPerSecond", integerSchema("a number", 0, 1_000_000)],
  "net.ipv4.ip_local_port_range": ["localPorts", readText('two ports like "32768 60999"', parsePortRange)],
} as const satisfies Readonly<Record<string, readonly [keyof Sysctls, z.ZodType]>>;

/** Connection tracking's are named by rule. */
const CONNTRACK: ReadonlyMap<string, keyof ConntrackSysctls> = new Map(
  (Object.keys(DEFAULT_CONNTRACK_SYSCTLS) as (keyof ConntrackSysctls)[]).map((key) => [
    `net.netfilter.nf_conntrack_${key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}`,
    key,
  ]),
);

/** Kernel parameters by their names in Linux. */
export const sysctlsSchema: z.ZodType<SysctlsForm> = z
  .strictObject(shape(), { error: () => "kernel parameters by their names in Linux" })
  .transform((given) => {
    const values = Object.entries(given);
    const pick = (keyOf: (name: string) => string | undefined): Record<string, unknown> =>
      Object.fromEntries(
        values.flatMap(([name, value]) => {
          const key = keyOf(name);
          return key === undefined ? [] : [[key, value] as const];
        }),
      );
    // The schema of each value gives what its parameter takes.
    const stack = pick((name) => (STACK as Readonly<Record<string, readonly [string, z.ZodType]>>)[name]?.[0]);
    return { stack, conntrack: pick((name) => CONNTRACK.get(name)) } as SysctlsForm;
  });

function shape(): Record<string, z.ZodType> {
  const stack = Object.entries(STACK).map(([name, [, schema]]) => [name, schema.exactOptional()] as const);
  const conntrack = [...CONNTRACK].map(([name, key]) => {
    const isFlag = typeof DEFAULT_CONNTRACK_SYSCTLS[key] === "boolean";
    return [name, (isFlag ? flag : integerSchema("a number", 0, 2 ** 31 - 1)).exactOptional()] as const;
  });
  return Object.fromEntries([...stack, ...conntrack]);
}

function parsePortRange(text: string): readonly [number, number] | undefined {
  const match = /^(\d{1,5})\s+(\d{1,5})$/.exec(text.trim());
  const [low, high] = [Number(match?.[1]), Number(match?.[2])];
  return low >= 1 && low <= high && high <= 65535 ? [low, high] : undefined;
}
