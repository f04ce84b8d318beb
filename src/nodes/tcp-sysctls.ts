import type { KeepAlive, TcpSettings } from "../netstack/index.ts";
import { ms, seconds, toMs, toSeconds, us } from "../sim/index.ts";
import { FLAG, type Form, fromFlag, list, MOST, numbers, SECONDS, toFlag, whole, words } from "./sysctl-form.ts";
import type { Sysctl } from "./sysctls.ts";

/** tcp_rmem's first value, the least a socket has under memory pressure, of which there is none here. */
const LEAST_BUFFER = 4096;
const COUNT = whole("a number", 0, MOST);
const BYTE = whole("a number from 0 to 255", 0, 255);
const POSITIVE_SECONDS = whole("seconds from 1 to 32767", 1, 32_767);
const ECN = ["off", "ask", "answer"] as const;
const SYN_COOKIES = ["off", "overflow", "always"] as const;
const TIME_WAIT_REUSE = ["off", "on", "loopback"] as const;

/** The parameters of TCP, in `net.ipv4` and `net.core`. What is not here natscope's TCP would not heed. */
export function tcpSysctls(): Sysctl[] {
  return [...ofAlgorithms(), ...ofBuffers(), ...ofListeners(), ...ofRetries(), ...ofEndings(), ...ofKeepAlive()];
}

function ofAlgorithms(): Sysctl[] {
  return [
    ofTcp("congestion_control", words("cubic", "reno"), [
      "congestion",
      String,
      (text) => (text === "reno" ? "reno" : "cubic"),
    ]),
    {
      name: "net.ipv4.tcp_available_congestion_control",
      expected: undefined,
      normal: () => undefined,
      read: () => "reno cubic",
      write: () => {},
    },
    ofTcp("ecn", whole("0 (off), 1 (asked for) or 2 (agreed to)", 0, 2), [
      "ecn",
      (value) => String(ECN.indexOf(value)),
      (text) => ECN[Number(text)] ?? "answer",
    ]),
    flag("timestamps", "timestamps"),
    flag("sack", "selectiveAcks"),
    flag("dsack", "reportsDuplicates"),
    flag("window_scaling", "windowScaling"),
    flag("slow_start_after_idle", "restartsAfterIdle"),
    ofTcp("early_retrans", words("0", "3"), ["tailProbes", (value) => (value ? "3" : "0"), (text) => text === "3"]),
    ofTcp("frto", words("0", "2"), ["doubtsTimeouts", (value) => (value ? "2" : "0"), (text) => text === "2"]),
    ofTcp("reordering", whole("a number from 1 to 300", 1, 300), ["reordering", String, Number]),
    ofTcp("max_reordering", whole("a number from 1 to 300", 1, 300), ["mostReordering", String, Number]),
    ofTcp("invalid_ratelimit", whole("milliseconds", 0, MOST), [
      "challengeInterval",
      (value) => String(toMs(value)),
      (text) => ms(Number(text)),
    ]),
  ];
}

function ofBuffers(): Sysctl[] {
  const buffer = numbers('three sizes like "4096 131072 6291456"', 3, MOST);
  return [
    ofTcp("rmem", buffer, ["receiveBuffer", fromLimits, toLimits]),
    ofTcp("wmem", buffer, ["sendBuffer", fromLimits, toLimits]),
    flag("moderate_rcvbuf", "growsReceiveBuffer"),
  ];
}

function ofListeners(): Sysctl[] {
  return [
    ofTcp("syncookies", whole("0 (off), 1 (when handshakes overflow) or 2 (always)", 0, 2), [
      "synCookies",
      (value) => String(SYN_COOKIES.indexOf(value)),
      (text) => SYN_COOKIES[Number(text)] ?? "overflow",
    ]),
    ofTcp("max_syn_backlog", COUNT, ["mostHandshakes", String, Number]),
    flag("abort_on_overflow", "resetsOverflow"),
    setting("net.core.somaxconn", whole("a number from 0 to 65535", 0, 65_535), ["mostBacklog", String, Number]),
  ];
}

function ofRetries(): Sysctl[] {
  return [
    ofTcp("syn_linear_timeouts", whole("a number from 0 to 127", 0, 127), ["synLinearTimeouts", String, Number]),
    ofTcp("syn_retries", whole("a number from 1 to 127", 1, 127), ["synRetries", String, Number]),
    ofTcp("synack_retries", BYTE, ["synAckRetries", String, Number]),
    ofTcp("retries2", BYTE, ["retries", String, Number]),
    ofTcp("orphan_retries", BYTE, ["orphanRetries", String, Number]),
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
  ];
}

function ofEndings(): Sysctl[] {
  return [
    ofTcp("fin_timeout", SECONDS, ["finTimeout", (value) => String(toSeconds(value)), (text) => seconds(Number(text))]),
    ofTcp("tw_reuse", whole("0 (no), 1 (yes) or 2 (on the loopback interface)", 0, 2), [
      "timeWaitReuse",
      (value) => String(TIME_WAIT_REUSE.indexOf(value)),
      (text) => TIME_WAIT_REUSE[Number(text)] ?? "loopback",
    ]),
    flag("rfc1337", "keepsTimeWait"),
    ofTcp("max_tw_buckets", COUNT, ["mostTimeWaits", String, Number]),
    ofTcp("max_orphans", COUNT, ["mostOrphans", String, Number]),
  ];
}

/** For connections whose programs switch keep-alive on and give no times of their own. */
function ofKeepAlive(): Sysctl[] {
  const part = <K extends keyof KeepAlive>(name: string, form: Form, [key, format, parse]: Part<K>): Sysctl =>
    ofTcp(name, form, [
      "keepAlive",
      (value) => format(value[key]),
      (text, before) => ({ ...before, [key]: parse(text) }),
    ]);
  return [
    part("keepalive_time", POSITIVE_SECONDS, [
      "idle",
      (value) => String(toSeconds(value)),
      (text) => seconds(Number(text)),
    ]),
    part("keepalive_intvl", POSITIVE_SECONDS, [
      "interval",
      (value) => String(toSeconds(value)),
      (text) => seconds(Number(text)),
    ]),
    part("keepalive_probes", whole("a number from 1 to 127", 1, 127), ["probes", String, Number]),
  ];
}

type Part<K extends keyof KeepAlive> = readonly [
  key: K,
  format: (value: KeepAlive[K]) => string,
  parse: (text: string) => KeepAlive[K],
];

/** A setting, how it is written as text, and how it is read from it. */
type Setting<K extends keyof TcpSettings> = readonly [
  key: K,
  format: (value: TcpSettings[K]) => string,
  parse: (text: string, before: TcpSettings[K]) => TcpSettings[K],
];

type FlagName = { [K in keyof TcpSettings]: TcpSettings[K] extends boolean ? K : never }[keyof TcpSettings];

function flag(name: string, key: FlagName): Sysctl {
  return ofTcp(name, FLAG, [key, fromFlag, toFlag]);
}

function ofTcp<K extends keyof TcpSettings>(name: string, form: Form, how: Setting<K>): Sysctl {
  return setting(`net.ipv4.tcp_${name}`, form, how);
}

/** Holds for connections that begin from then on. */
function setting<K extends keyof TcpSettings>(name: string, form: Form, [key, format, parse]: Setting<K>): Sysctl {
  return {
    name,
    ...form,
    read: ({ stack }) => format(stack.tcp.settings[key]),
    write: ({ stack: { tcp } }, text) => {
      tcp.settings = { ...tcp.settings, [key]: parse(text, tcp.settings[key]) };
    },
  };
}

function fromLimits({ initial, most }: TcpSettings["receiveBuffer"]): string {
  return `${LEAST_BUFFER}\t${initial}\t${most}`;
}

function toLimits(text: string): TcpSettings["receiveBuffer"] {
  const [, initial = 0, most = 0] = list(text);
  return { initial, most };
}
