import { type ConntrackSysctls, conntrackParameter, DEFAULT_CONNTRACK_SYSCTLS } from "../nat/index.ts";
import type { Sysctls, TcpSettings } from "../netstack/index.ts";
import { ms, seconds, toMs, toSeconds, us } from "../sim/index.ts";
import type { Host } from "./host.ts";

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

/** How a value is checked. */
interface Form {
  readonly expected: string;
  normal(value: string): string | undefined;
}

const MOST = 2 ** 31 - 1;
const FLAG = whole("0 or 1", 0, 1);
const SECONDS = whole("seconds", 0, MOST);
const TIME_WAIT_REUSES = ["off", "on", "loopback"] as const;
const REVERSE_PATH_FILTERS = ["off", "strict", "loose"] as const;
/** tcp_rmem's first value, the least a socket has under memory pressure, of which there is none here. */
const LEAST_BUFFER = 4096;

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

function tcpSysctls(): Sysctl[] {
  const buffer = numbers('three sizes like "4096 131072 6291456"', 3, MOST);
  return [
    ofTcp("congestion_control", words("cubic", "reno"), [
      "congestion",
      String,
      (text) => (text === "reno" ? "reno" : "cubic"),
    ]),
    ofTcp("timestamps", FLAG, ["timestamps", fromFlag, toFlag]),
    ofTcp("sack", FLAG, ["selectiveAcks", fromFlag, toFlag]),
    ofTcp("window_scaling", FLAG, ["windowScaling", fromFlag, toFlag]),
    ofTcp("rmem", buffer, ["receiveBuffer", fromLimits, toLimits]),
    ofTcp("wmem", buffer, ["sendBuffer", fromLimits, toLimits]),
    ofTcp("syn_linear_timeouts", whole("a number from 0 to 127", 0, 127), ["synLinearTimeouts", String, Number]),
    ofTcp("syn_retries", whole("a number from 1 to 127", 1, 127), ["synRetries", String, Number]),
    ofTcp("synack_retries", whole("a number from 0 to 255", 0, 255), ["synAckRetries", String, Number]),
    ofTcp("retries2", whole("a number from 0 to 255", 0, 255), ["retries", String, Number]),
    // Linux's 0 stands for 8 (tcp_orphan_retries, net/ipv4/tcp_timer.c).
    ofTcp("orphan_retries", whole("a number from 0 to 255", 0, 255), [
      "orphanRetries",
      (value) => (value === 8 ? "0" : String(value)),
      (text) => Number(text) || 8,
    ]),
    ofTcp("rto_min_us", whole("microseconds", 1, MOST), [
      "leastTimeout",
      (value) => String(Math.round(toMs(value) * 1000)),
      (text) => us(Number(text)),
    ]),
    ofTcp("rto_max_ms", whole("milliseconds from 1000 to 120000", 1000, 120_000), [
      "mostTimeout",
      (value) => String(toMs(value)),
      (text) => ms(Number(text)),
    ]),
    ofTcp("fin_timeout", SECONDS, ["finTimeout", (value) => String(toSeconds(value)), (text) => seconds(Number(text))]),
    ofTcp("max_tw_buckets", whole("a number", 0, MOST), ["mostTimeWaits", String, Number]),
    ofTcp("tw_reuse", whole("0 (off), 1 (on) or 2 (on loopback)", 0, 2), [
      "timeWaitReuse",
      (value) => String(TIME_WAIT_REUSES.indexOf(value)),
      (text) => TIME_WAIT_REUSES[Number(text)] ?? "off",
    ]),
    ofTcp("invalid_ratelimit", whole("milliseconds", 0, MOST), [
      "challengeInterval",
      (value) => String(toMs(value)),
      (text) => ms(Number(text)),
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
type Setting<T, K extends keyof T> = readonly [key: K, format: (value: T[K]) => string, parse: (text: string) => T[K]];

function ofStack<K extends keyof Sysctls>(name: string, form: Form, [key, format, parse]: Setting<Sysctls, K>): Sysctl {
  return {
    name,
    ...form,
    read: ({ stack }) => format(stack.host.sysctls[key]),
    write: ({ stack }, text) => {
      stack.host.sysctls[key] = parse(text);
    },
  };
}

/** Holds for connections that begin from then on. */
function ofTcp<K extends keyof TcpSettings>(
  name: string,
  form: Form,
  [key, format, parse]: Setting<TcpSettings, K>,
): Sysctl {
  return {
    name: `net.ipv4.tcp_${name}`,
    ...form,
    read: ({ stack }) => format(stack.tcp.settings[key]),
    write: ({ stack }, text) => {
      stack.tcp.settings = { ...stack.tcp.settings, [key]: parse(text) };
    },
  };
}

function whole(expected: string, from: number, to: number): Form {
  const normal = (text: string): string | undefined => {
    if (!/^\d{1,10}$/.test(text.trim())) return undefined;
    const value = Number(text);
    return value >= from && value <= to ? String(value) : undefined;
  };
  return { expected, normal };
}

/** So many numbers, none less than the one before it and none 0. */
function numbers(expected: string, count: number, most: number): Form {
  const normal = (text: string): string | undefined => {
    if (!/^\s*\d{1,10}(\s+\d{1,10})*\s*$/.test(text)) return undefined;
    const values = list(text);
    const rise = values.every((value, index) => value >= (values[index - 1] ?? 1) && value <= most);
    return values.length === count && rise ? values.join("\t") : undefined;
  };
  return { expected, normal };
}

function words(...known: readonly string[]): Form {
  const normal = (text: string): string | undefined => (known.includes(text) ? text : undefined);
  return { expected: known.join(" or "), normal };
}

function list(text: string): readonly number[] {
  return text.trim().split(/\s+/).map(Number);
}

function fromFlag(value: boolean): string {
  return value ? "1" : "0";
}

function toFlag(text: string): boolean {
  return text === "1";
}

function fromLimits({ initial, most }: TcpSettings["receiveBuffer"]): string {
  return `${LEAST_BUFFER}\t${initial}\t${most}`;
}

function toLimits(text: string): TcpSettings["receiveBuffer"] {
  const [, initial = 0, most = 0] = list(text);
  return { initial, most };
}
