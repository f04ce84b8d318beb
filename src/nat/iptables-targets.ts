import { formatQuoted, type Word } from "./iptables-lexer.ts";
import type { OfKind, RuleHead, TargetModule } from "./iptables-modules.ts";
import { dnat, masquerade, netmap, redirect, snat } from "./iptables-nat-targets.ts";
import { ALL_ONES, formatHex, readMasked, readUint } from "./iptables-numbers.ts";
import { atMostOne, exactlyOne, flag, type Given, need, refuse, value } from "./iptables-options.ts";
import { cutToBytes } from "./iptables-packet-matches.ts";
import type { RejectWith, Target } from "./rule.ts";

/** The targets that are not chains; their names in rules are these in capitals. */
export type TargetName = Exclude<Target["kind"], "jump" | "goto">;

/** Targets without options. */
type BareName = "accept" | "drop" | "return" | "notrack" | "trace";
type MarkTarget = OfKind<Target, "mark">;
type ConnmarkTarget = OfKind<Target, "connmark">;

const TCP = 6;
const MARK_BOUNDS = { max: ALL_ONES, what: "a mark" };
/** `sizeof(ipt_log_info.prefix)` less the zero at the end. */
const LOG_PREFIX_BYTES = 29;
const LOG_LEVEL_WARNING = 4;

const LOG_LEVELS: ReadonlyMap<string, number> = new Map([
  ["emerg", 0],
  ["panic", 0],
  ["alert", 1],
  ["crit", 2],
  ["error", 3],
  ["warning", 4],
  ["notice", 5],
  ["info", 6],
  ["debug", 7],
]);

/** include/uapi/linux/netfilter/xt_LOG.h; in the order in which they are printed. */
const LOG_OPTIONS = [
  ["log-tcp-sequence", 0x01],
  ["log-tcp-options", 0x02],
  ["log-ip-options", 0x04],
  ["log-uid", 0x08],
  ["log-macdecode", 0x20],
] as const;

/** In the order of extensions/libipt_REJECT.c: a name may be cut short, and the first that fits is meant. */
const REJECT_TYPES: readonly (readonly [name: RejectWith, alias: string])[] = [
  ["icmp-net-unreachable", "net-unreach"],
  ["icmp-host-unreachable", "host-unreach"],
  ["icmp-proto-unreachable", "proto-unreach"],
  ["icmp-port-unreachable", "port-unreach"],
  ["icmp-net-prohibited", "net-prohib"],
  ["icmp-host-prohibited", "host-prohib"],
  ["tcp-reset", "tcp-rst"],
  ["icmp-admin-prohibited", "admin-prohib"],
];

const reject: TargetModule<OfKind<Target, "reject">> = {
  options: [value("reject-with")],
  read(given, head) {
    const option = given.options.get("reject-with");
    const answer = option === undefined ? "icmp-port-unreachable" : readRejectType(option.value);
    if (answer === "tcp-reset") needTcp(given, head);
    return { kind: "reject", with: answer };
  },
  format: (target) => ` --reject-with ${target.with}`,
};

const log: TargetModule<OfKind<Target, "log">> = {
  options: [value("log-prefix"), value("log-level"), ...LOG_OPTIONS.map(([name]) => flag(name))],
  read(given) {
    const prefix = given.options.get("log-prefix");
    const level = given.options.get("log-level");
    if (prefix?.value.text === "")
      refuse(prefix.value, "the prefix is empty", "write a text, or leave --log-prefix out");
    return {
      kind: "log",
      level: level === undefined ? LOG_LEVEL_WARNING : readLogLevel(level.value),
      prefix: prefix === undefined ? "" : cutToBytes(prefix.value.text, LOG_PREFIX_BYTES),
      options: LOG_OPTIONS.reduce((bits, [name, bit]) => (given.options.has(name) ? bits | bit : bits), 0),
    };
  },
  format(target) {
    const options = LOG_OPTIONS.filter(([, bit]) => (target.options & bit) !== 0).map(([name]) => ` --${name}`);
    const prefix = target.prefix === "" ? "" : ` --log-prefix ${formatQuoted(target.prefix)}`;
    const level = target.level === LOG_LEVEL_WARNING ? "" : ` --log-level ${target.level}`;
    return `${prefix}${level}${options.join("")}`;
  },
};

const mark: TargetModule<MarkTarget> = {
  options: [value("set-xmark"), value("set-mark"), value("and-mark"), value("or-mark"), value("xor-mark")],
  read: (given) => ({ kind: "mark", ...readSetMark(given) }),
  format: (target) => ` --set-xmark ${formatHex(target.value)}/${formatHex(target.mask)}`,
};

const connmark: TargetModule<ConnmarkTarget> = {
  options: [...mark.options, flag("save-mark"), flag("restore-mark"), value("mask"), value("nfmask"), value("ctmask")],
  read: readConnmark,
  format(target) {
    if (target.action === "set") return ` --set-xmark ${formatHex(target.value)}/${formatHex(target.mask)}`;
    const masks = `--nfmask ${formatHex(target.packetMask)} --ctmask ${formatHex(target.connectionMask)}`;
    return ` --${target.action}-mark ${masks}`;
  },
};

const ct: TargetModule<OfKind<Target, "ct">> = {
  options: [flag("notrack"), value("zone")],
  read(given) {
    const zone = given.options.get("zone");
    const number = zone && readUint(zone.value, { max: 65_535, what: "a zone known here" });
    return {
      kind: "ct",
      ...(given.options.has("notrack") && { notrack: true }),
      ...(number && { zone: number }),
    };
  },
  format: (target) => `${target.notrack ? " --notrack" : ""}${target.zone ? ` --zone ${target.zone}` : ""}`,
};

const tcpmss: TargetModule<OfKind<Target, "tcpmss">> = {
  options: [value("set-mss"), flag("clamp-mss-to-pmtu")],
  read(given, head) {
    needTcp(given, head);
    const name = exactlyOne(given, ["set-mss", "clamp-mss-to-pmtu"]);
    if (name === "clamp-mss-to-pmtu") return { kind: "tcpmss", set: "clamp-to-pmtu" };
    return { kind: "tcpmss", set: readUint(need(given, name).value, { max: 65_515, what: "a segment size" }) };
  },
  format: (target) => (target.set === "clamp-to-pmtu" ? " --clamp-mss-to-pmtu" : ` --set-mss ${target.set}`),
};

const ttl: TargetModule<OfKind<Target, "ttl">> = {
  options: [value("ttl-set"), value("ttl-inc"), value("ttl-dec")],
  read(given) {
    const name = exactlyOne(given, ["ttl-set", "ttl-inc", "ttl-dec"]);
    const action = ({ "ttl-set": "set", "ttl-inc": "inc", "ttl-dec": "dec" } as const)[name];
    const bounds = { min: action === "set" ? 0 : 1, max: 255, what: "a TTL" };
    return { kind: "ttl", action, value: readUint(need(given, name).value, bounds) };
  },
  format: (target) => ` --ttl-${target.action} ${target.value}`,
};

/** Every target's text, by kind. */
export const TARGET_MODULES: { readonly [K in TargetName]: TargetModule<OfKind<Target, K>> } = {
  accept: bare("accept"),
  drop: bare("drop"),
  return: bare("return"),
  reject,
  log,
  mark,
  connmark,
  snat,
  dnat,
  masquerade,
  redirect,
  netmap,
  notrack: bare("notrack"),
  ct,
  tcpmss,
  ttl,
  trace: bare("trace"),
};

/** The kind of the target with this name in rules, `undefined` when there is none: then it must be a chain. */
export function targetKind(name: string): TargetName | undefined {
  const kind = name.toLowerCase();
  return name === name.toUpperCase() && Object.hasOwn(TARGET_MODULES, kind) ? (kind as TargetName) : undefined;
}

/** `-j` or `-g` and what follows, behind a blank. */
export function formatTarget(target: Target): string {
  if (target.kind === "jump") return ` -j ${target.chain}`;
  if (target.kind === "goto") return ` -g ${target.chain}`;
  const module = TARGET_MODULES[target.kind] as TargetModule;
  return ` -j ${target.kind.toUpperCase()}${module.format(target)}`;
}

function bare<T extends Target & { readonly kind: BareName }>(kind: T["kind"]): TargetModule<T> {
  return { options: [], read: () => ({ kind }) as T, format: () => "" };
}

function needTcp(given: Given, head: RuleHead): void {
  if (head.protocol === undefined || head.protocol.not || head.protocol.protocol !== TCP)
    refuse(given.at, `this ${given.module} is for TCP only`, "add -p tcp to the rule");
}

function readRejectType(word: Word): RejectWith {
  const start = word.text.toLowerCase();
  const found = REJECT_TYPES.find((names) => start !== "" && names.some((name) => name.startsWith(start)));
  if (found === undefined)
    refuse(word, `"${word.text}" is not an answer`, `write one of ${REJECT_TYPES.map(([name]) => name).join(", ")}`);
  return found[0];
}

function readLogLevel(word: Word): number {
  return LOG_LEVELS.get(word.text) ?? readUint(word, { max: 7, what: "a log level known here, like info" });
}

/** The five ways to write one operation: new mark = (mark AND NOT mask) XOR value. */
function readSetMark(given: Given): { readonly value: number; readonly mask: number } {
  const name = exactlyOne(given, ["set-xmark", "set-mark", "and-mark", "or-mark", "xor-mark"]);
  const word = need(given, name).value;
  if (name === "set-xmark") return readMasked(word);
  if (name === "set-mark") {
    const { value, mask } = readMasked(word);
    return { value, mask: (value | mask) >>> 0 };
  }
  const bits = readUint(word, MARK_BOUNDS);
  if (name === "and-mark") return { value: 0, mask: ~bits >>> 0 };
  return { value: bits, mask: name === "or-mark" ? bits : 0 };
}

function readConnmark(given: Given): ConnmarkTarget {
  const action = atMostOne(given, ["save-mark", "restore-mark", ...mark.options.map(({ names }) => names[0])]);
  const both = given.options.get("mask");
  if (action !== "save-mark" && action !== "restore-mark") {
    const { value, mask } = readSetMark(given);
    return { kind: "connmark", action: "set", value, mask: both ? readUint(both.value, MARK_BOUNDS) : mask };
  }
  atMostOne(given, ["mask", "nfmask"]);
  atMostOne(given, ["mask", "ctmask"]);
  const packet = both ?? given.options.get("nfmask");
  const connection = both ?? given.options.get("ctmask");
  return {
    kind: "connmark",
    action: action === "save-mark" ? "save" : "restore",
    connectionMask: connection === undefined ? ALL_ONES : readUint(connection.value, MARK_BOUNDS),
    packetMask: packet === undefined ? ALL_ONES : readUint(packet.value, MARK_BOUNDS),
  };
}
