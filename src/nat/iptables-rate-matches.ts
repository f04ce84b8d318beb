import { formatIpv4, ipv4 } from "../netstack/index.ts";
import { readDottedQuad } from "./iptables-addresses.ts";
import { splitWord, type Word } from "./iptables-lexer.ts";
import type { MatchModule, OfKind } from "./iptables-modules.ts";
import { ALL_ONES, formatNot, readUint } from "./iptables-numbers.ts";
import { exactlyOne, flag, type Given, need, negatable, negation, refuse, value } from "./iptables-options.ts";
import type { Match, RateUnit } from "./rule.ts";

type StatisticMatch = OfKind<Match, "statistic">;
type RecentMatch = OfKind<Match, "recent">;
type HashlimitMatch = OfKind<Match, "hashlimit">;

interface Rate {
  readonly rate: number;
  readonly unit: RateUnit;
}

interface UnitEntry {
  readonly unit: RateUnit;
  readonly short: string;
  readonly seconds: number;
}

const DAY: UnitEntry = { unit: "day", short: "day", seconds: 86400 };
/** The longest unit first, as a rate is printed in the longest that is exact enough. */
const UNITS: readonly UnitEntry[] = [
  DAY,
  { unit: "hour", short: "hour", seconds: 3600 },
  { unit: "minute", short: "min", seconds: 60 },
  { unit: "second", short: "sec", seconds: 1 },
];
/** `XT_LIMIT_SCALE`: a period is counted in ten-thousandths of a second. */
const LIMIT_SCALE = 10_000;
/** `XT_HASHLIMIT_SCALE_v2`. */
const HASHLIMIT_SCALE = 1_000_000;
/** `CREDITS_PER_JIFFY` for the usual clock rates, 2^37 a millisecond, by that scale. */
const CREDITS_PER_MICROSECOND = 137_438_953n;
const DEFAULT_BURST = 5;
const DEFAULT_COLLECT_MS = 1000;
/** Name lengths less the zero at the end: `XT_RECENT_NAME_LEN`, `NAME_MAX`. */
const RECENT_NAME_LIMIT = 199;
const HASHLIMIT_NAME_LIMIT = 254;
const HASHLIMIT_MODES = ["srcip", "srcport", "dstip", "dstport"] as const;

export const statistic: MatchModule<StatisticMatch> = {
  options: [value("mode"), negatable(value("probability")), negatable(value("every")), value("packet")],
  read(given) {
    const mode = need(given, "mode").value;
    if (mode.text === "random") return readRandom(given);
    if (mode.text !== "nth") refuse(mode, `"${mode.text}" is not a mode`, "write random or nth");
    return readNth(given);
  },
  format(match) {
    return match.mode === "random"
      ? ` --mode random${formatNot(match)} --probability ${formatProbability(match.probability)}`
      : ` --mode nth${formatNot(match)} --every ${match.every} --packet ${match.packet}`;
  },
};

export const recent: MatchModule<RecentMatch> = {
  options: [
    ...["set", "rcheck", "update", "remove"].map((name) => negatable(flag(name))),
    value("seconds"),
    flag("reap"),
    value("hitcount"),
    flag("rttl"),
    value("name"),
    value("mask"),
    flag("rsource"),
    flag("rdest"),
  ],
  read: readRecent,
  format(match) {
    return [
      `${formatNot(match)} --${match.action}`,
      match.seconds === undefined ? "" : ` --seconds ${match.seconds}`,
      match.reap ? " --reap" : "",
      match.hitcount === undefined ? "" : ` --hitcount ${match.hitcount}`,
      match.rttl ? " --rttl" : "",
      ` --name ${match.name} --mask ${formatIpv4(ipv4(match.mask))}`,
      match.side === "source" ? " --rsource" : " --rdest",
    ].join("");
  },
};

export const limit: MatchModule<OfKind<Match, "limit">> = {
  options: [value("limit"), value("limit-burst")],
  read(given) {
    const rate = given.options.get("limit");
    const burst = given.options.get("limit-burst");
    const count = burst === undefined ? 0 : readUint(burst.value, { max: 10_000, what: "a burst" });
    const read: Rate = rate === undefined ? { rate: 3, unit: "hour" } : readRate(rate.value, LIMIT_SCALE).rate;
    return { kind: "limit", ...read, burst: count === 0 ? DEFAULT_BURST : count };
  },
  format(match) {
    const burst = match.burst === DEFAULT_BURST ? "" : ` --limit-burst ${match.burst}`;
    return ` --limit ${formatRate(match)}${burst}`;
  },
};

export const hashlimit: MatchModule<HashlimitMatch> = {
  options: [
    negatable(value("hashlimit-upto", "hashlimit")),
    negatable(value("hashlimit-above")),
    value("hashlimit-burst"),
    value("hashlimit-mode"),
    value("hashlimit-name"),
    value("hashlimit-htable-size"),
    value("hashlimit-htable-max"),
    value("hashlimit-htable-gcinterval"),
    value("hashlimit-htable-expire"),
    value("hashlimit-srcmask"),
    value("hashlimit-dstmask"),
  ],
  read: readHashlimit,
  format(match) {
    const optional = (name: string, number: number | undefined): string =>
      number === undefined ? "" : ` --hashlimit-${name} ${number}`;
    return [
      ` --hashlimit-${match.above ? "above" : "upto"} ${formatRate(match)} --hashlimit-burst ${match.burst}`,
      match.mode.length === 0 ? "" : ` --hashlimit-mode ${match.mode.join(",")}`,
      ` --hashlimit-name ${match.name}`,
      optional("htable-size", match.size),
      optional("htable-max", match.maximum),
      optional("htable-gcinterval", match.collectMs),
      optional("htable-expire", match.expireMs),
      optional("srcmask", match.sourceMask),
      optional("dstmask", match.destinationMask),
    ].join("");
  },
};

/** The kernel keeps a probability in units of 2^-31 (extensions/libxt_statistic.c). */
function readRandom(given: Given): StatisticMatch {
  const option = need(given, "probability");
  const text = option.value.text;
  const probability = /^\+?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : Number.NaN;
  if (!(probability >= 0 && probability <= 1))
    refuse(option.value, `"${text}" is not a probability`, "write a number from 0 to 1");
  return { kind: "statistic", mode: "random", probability: Math.round(probability * 2 ** 31), ...negation(option) };
}

function readNth(given: Given): StatisticMatch {
  const option = need(given, "every");
  const every = readUint(option.value, { min: 1, max: ALL_ONES, what: "a number of packets" });
  const packet = given.options.get("packet");
  const start = packet === undefined ? 0 : readUint(packet.value, { max: every - 1, what: "a packet's number" });
  return { kind: "statistic", mode: "nth", every, packet: start, ...negation(option) };
}

/**
 * Eleven decimals, halves to even as C's printf has them: a number of units of 2^-31 times 10^11 is that number times 5^11 / 2^20.
 */
function formatProbability(units: number): string {
  const scaled = BigInt(units) * 48_828_125n;
  let digits = scaled >> 20n;
  const rest = scaled & 0xfffffn;
  if (rest > 0x80000n || (rest === 0x80000n && (digits & 1n) === 1n)) digits += 1n;
  const text = digits.toString().padStart(12, "0");
  return `${text.slice(0, -11)}.${text.slice(-11)}`;
}

function readRecent(given: Given): RecentMatch {
  const action = exactlyOne(given, ["set", "rcheck", "update", "remove"]);
  const [seconds, hitcount] = [given.options.get("seconds"), given.options.get("hitcount")];
  const [reap, rttl] = [given.options.get("reap"), given.options.get("rttl")];
  const mask = given.options.get("mask");
  const count = hitcount && readUint(hitcount.value, { max: 65_535, what: "a number of packets" });
  const condition = seconds ?? hitcount ?? rttl;
  if (condition !== undefined && (action === "set" || action === "remove"))
    refuse(condition.word, `recent --${action} takes no condition`, "use --rcheck or --update with it");
  if (reap !== undefined && seconds === undefined)
    refuse(reap.word, "--reap forgets what is older than --seconds", "add --seconds");
  return {
    kind: "recent",
    action,
    name: readName(given, "name", RECENT_NAME_LIMIT, "DEFAULT"),
    mask: mask === undefined ? ALL_ONES : readDottedQuad(mask.value),
    side: given.options.has("rdest") ? "destination" : "source",
    ...(seconds && { seconds: readUint(seconds.value, { min: 1, max: 2 ** 31 - 1, what: "a number of seconds" }) }),
    ...(reap && { reap: true }),
    ...(count && { hitcount: count }),
    ...(rttl && { rttl: true }),
    ...negation(need(given, action)),
  };
}

function readHashlimit(given: Given): HashlimitMatch {
  const name = exactlyOne(given, ["hashlimit-upto", "hashlimit-above"]);
  const option = need(given, name);
  const { rate, written } = readRate(option.value, HASHLIMIT_SCALE);
  const burst = readSetting(given, "burst", { min: 1, max: 1_000_000 }) ?? DEFAULT_BURST;
  if (overflows(rate, burst))
    refuse(option.value, `a burst of ${burst} at this rate is more than the kernel counts`, "lower --hashlimit-burst");
  const printedUnitMs = secondsOf(rate.unit) * 1000;
  const expireMs = readSetting(given, "htable-expire", { min: 1, max: ALL_ONES }) ?? secondsOf(written) * 1000;
  const collectMs = readSetting(given, "htable-gcinterval", { min: 1, max: ALL_ONES });
  const [size, maximum] = ["htable-size", "htable-max"].map((key) => readSetting(given, key, { max: ALL_ONES }));
  const [source, destination] = ["srcmask", "dstmask"].map((key) => readSetting(given, key, { max: 32 }));
  return {
    kind: "hashlimit",
    name: readName(given, "hashlimit-name", HASHLIMIT_NAME_LIMIT),
    above: (name === "hashlimit-above") !== option.not,
    ...rate,
    burst,
    mode: readModes(given),
    ...(source !== undefined && source !== 32 && { sourceMask: source }),
    ...(destination !== undefined && destination !== 32 && { destinationMask: destination }),
    ...(size && { size }),
    ...(maximum && { maximum }),
    ...(expireMs !== printedUnitMs && { expireMs }),
    ...(collectMs !== undefined && collectMs !== DEFAULT_COLLECT_MS && { collectMs }),
  };
}

/** The kernel holds credits in 64 bits, `CREDITS_PER_JIFFY` to the jiffy, and refuses a burst that wraps (`hashlimit_mt_check_common` in net/netfilter/xt_hashlimit.c). */
function overflows({ rate, unit }: Rate, burst: number): boolean {
  const period = BigInt(Math.floor((HASHLIMIT_SCALE * secondsOf(unit)) / rate)) * CREDITS_PER_MICROSECOND;
  return BigInt.asUintN(64, period * BigInt(burst)) < BigInt.asUintN(64, period);
}

function readSetting(given: Given, key: string, bounds: { min?: number; max: number }): number | undefined {
  const option = given.options.get(`hashlimit-${key}`);
  return option && readUint(option.value, { ...bounds, what: "a number" });
}

function readModes(given: Given): HashlimitMatch["mode"] {
  const option = given.options.get("hashlimit-mode");
  if (option === undefined || option.value.text === "") return [];
  const wanted = splitWord(option.value, ",").map((piece) => {
    const found = HASHLIMIT_MODES.find((mode) => mode === piece.text);
    if (found === undefined)
      refuse(piece, `"${piece.text}" is not a mode`, `write a list of ${HASHLIMIT_MODES.join(", ")}`);
    return found;
  });
  return HASHLIMIT_MODES.filter((mode) => wanted.includes(mode));
}

/** Lists are files in /proc: a slash or a name of dots cannot be, and a blank would make text that cannot be read back. */
function readName(given: Given, option: string, limit: number, ifAbsent?: string): string {
  if (ifAbsent !== undefined && !given.options.has(option)) return ifAbsent;
  const word = need(given, option).value;
  if (!/^[^\s"/]+$/.test(word.text) || word.text === "." || word.text === ".." || word.text.length > limit)
    refuse(word, `"${word.text}" is not a list's name`, `write 1 to ${limit} characters without blanks and slashes`);
  return word.text;
}

/**
 * Reads `5/min`. A period, not a rate, is what the kernel keeps, so what is printed may be another rate in another unit: the value
 * holds what is printed, and `written` the unit in the text.
 */
function readRate(word: Word, scale: number): { readonly rate: Rate; readonly written: RateUnit } {
  const [count, unit, more] = splitWord(word, "/");
  if (/b\/s/.test(word.text)) refuse(word, "rates in bytes are not modelled", "write a rate in packets, like 5/second");
  const number = Number(/^\+?\d+$/.exec(count?.text ?? "")?.[0] ?? 0);
  const start = unit?.text.toLowerCase();
  const known = unit === undefined ? "second" : start && UNITS.find((entry) => entry.unit.startsWith(start))?.unit;
  if (!known || more !== undefined || number === 0)
    refuse(word, `"${word.text}" is not a rate`, "write NUMBER/UNIT, the unit one of second, minute, hour, day");
  const period = Math.floor((scale * secondsOf(known)) / number);
  if (period === 0) refuse(word, `the rate "${word.text}" is too fast`, `write at most ${scale}/second`);
  return { rate: rateOf(period, scale), written: known };
}

/** The rate printed for a period (extensions/libxt_limit.c, `print_rate`). */
function rateOf(period: number, scale: number): Rate {
  let chosen = DAY;
  for (const entry of UNITS) {
    const span = entry.seconds * scale;
    if (period > span || Math.floor(span / period) < span % period) break;
    chosen = entry;
  }
  return { rate: Math.floor((chosen.seconds * scale) / period), unit: chosen.unit };
}

function secondsOf(unit: RateUnit): number {
  return UNITS.find((entry) => entry.unit === unit)?.seconds ?? 1;
}

function formatRate(rate: Rate): string {
  return `${rate.rate}/${UNITS.find((entry) => entry.unit === rate.unit)?.short ?? rate.unit}`;
}
