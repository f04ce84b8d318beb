import { type ConntrackSysctls, conntrackParameter, DEFAULT_CONNTRACK_SYSCTLS } from "../nat/index.ts";
import type { Sysctls } from "../netstack/index.ts";
import type { Host } from "./host.ts";
import { FLAG, type Form, fromFlag, list, MOST, numbers, SECONDS, toFlag, whole } from "./sysctl-form.ts";
import { tcpSysctls } from "./tcp-sysctls.ts";

/** One kernel parameter of a host. Values are text, as `/proc/sys` has them. */
export interface Sysctl {
  /** Such as `net.ipv4.ip_forward`. */
  readonly name: string;
  /** What may be written, in words that continue "expected …"; `undefined` where nothing may. */
  readonly expected: string | undefined;
  /** Reads a value as sysctl(8) takes it; undefined when it is none. */
  read(host: Host): string;
  /** The value as it is read back; `undefined` when the kernel would not take it. */
  normal(value: string): string | undefined;
  /** Sets what {@link normal} gave. */
  write(host: Host, value: string): void;
}

/** Values by name, as {@link Sysctl.normal} gives them. */
export type SysctlValues = Readonly<Record<string, string>>;

/** Sets parameters; names that there are none of are left aside. */
export function setSysctls(host: Host, values: SysctlValues): void {
  for (const [name, value] of Object.entries(values)) SYSCTLS.get(name)?.write(host, value);
}

const REVERSE_PATH_FILTERS = ["off", "strict", "loose"] as const;

/** Every kernel parameter that natscope has, by its name in Linux. */
export const SYSCTLS: ReadonlyMap<string, Sysctl> = new Map(
  [...stackSysctls(), ...tcpSysctls(), ...conntrackSysctls(), ...bridgeSysctls()].map((each) => [each.name, each]),
);

function stackSysctls(): Sysctl[] {
  return [
    ofStack("net.ipv4.ip_forward", FLAG, ["forwarding", fromFlag, toFlag]),
    ofStack("net.ipv4.conf.all.accept_local", FLAG, ["acceptLocal", fromFlag, toFlag]),
    ofStack("net.ipv4.conf.all.route_localnet", FLAG, ["routeLocalnet", fromFlag, toFlag]),
    ofStack("net.ipv4.conf.all.rp_filter", whole("0 (off), 1 (strict) or 2 (loose)", 0, 2), [
      "reversePathFilter",
      (value) => String(REVERSE_PATH_FILTERS.indexOf(value)),
      (text) => REVERSE_PATH_FILTERS[Number(text)] ?? "off",
    ]),
    ofStack("net.ipv4.ip_default_ttl", whole("a TTL from 1 to 255", 1, 255), ["defaultTtl", String, Number]),
    ofStack("net.ipv4.icmp_echo_ignore_all", FLAG, ["ignoreEcho", fromFlag, toFlag]),
    ofStack("net.ipv4.icmp_ratelimit", whole("milliseconds", 0, MOST), ["icmpRateLimitMs", String, Number]),
    ofStack("net.ipv4.icmp_msgs_per_sec", whole("a number", 0, MOST), ["icmpMessagesPerSecond", String, Number]),
    ofStack("net.ipv4.ip_local_port_range", numbers('two ports like "32768 60999"', 2, 65_535), [
      "localPorts",
      ([low, high]) => `${low}\t${high}`,
      (text) => [list(text)[0] ?? 0, list(text)[1] ?? 0],
    ]),
  ];
}

function conntrackSysctls(): Sysctl[] {
  const keys = Object.keys(DEFAULT_CONNTRACK_SYSCTLS) as (keyof ConntrackSysctls)[];
  const settable = keys.map((key): Sysctl => {
    const isFlag = typeof DEFAULT_CONNTRACK_SYSCTLS[key] === "boolean";
    const form = isFlag ? FLAG : key.includes("imeout") ? SECONDS : whole("a number", 0, MOST);
    return {
      name: conntrackParameter(key),
      ...form,
      read: (host) => String(Number(host.conntrack[key])),
      write: (host, text) => host.setConntrack({ [key]: isFlag ? toFlag(text) : Number(text) }),
    };
  });
  const count: Sysctl = {
    name: "net.netfilter.nf_conntrack_count",
    expected: undefined,
    normal: () => undefined,
    read: ({ netfilter }) => String(netfilter?.connections ?? 0),
    write: () => {},
  };
  return [...settable, count];
}

function bridgeSysctls(): Sysctl[] {
  return [
    {
      name: "net.bridge.bridge-nf-call-iptables",
      ...FLAG,
      read: (host) => fromFlag(host.bridgeCallsIptables),
      write: (host, text) => {
        host.bridgeCallsIptables = toFlag(text);
      },
    },
  ];
}

/** A setting, how it is written as text, and how it is read from it. */
type Setting<K extends keyof Sysctls> = readonly [
  key: K,
  format: (value: Sysctls[K]) => string,
  parse: (text: string) => Sysctls[K],
];

function ofStack<K extends keyof Sysctls>(name: string, form: Form, [key, format, parse]: Setting<K>): Sysctl {
  return {
    name,
    ...form,
    read: ({ stack }) => format(stack.host.sysctls[key]),
    write: ({ stack }, text) => {
      stack.host.sysctls[key] = parse(text);
    },
  };
}
