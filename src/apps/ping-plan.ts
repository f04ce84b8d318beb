import { type Options, parseSeconds, parseWhole } from "./options.ts";

/** A real ping goes on until it is interrupted; here nobody would. */
const USUAL_COUNT = 4;
const MOST_COUNT = 65_535;
const LONGEST_DATA = 65_507;

/** What a ping command line asks for. */
export interface PingPlan {
  readonly count: number | undefined;
  readonly intervalMs: number;
  readonly deadlineSeconds: number | undefined;
  readonly lingerMs: number;
  readonly length: number;
  readonly ttl: number | undefined;
  readonly pathMtu: "do" | "want" | "dont";
  readonly quiet: boolean;
}

/** The plan, or what ping says about a number that does not fit. */
export function readPingPlan(options: Options): PingPlan | string {
  const whole = (name: string, low: number, high: number): number | undefined | string => {
    const typed = options.value(name);
    if (typed === undefined) return undefined;
    if (!/^-?\d+$/.test(typed)) return `invalid argument: '${typed}'`;
    return parseWhole(typed, low, high) ?? `invalid argument: '${typed}': out of range: ${low} <= value <= ${high}`;
  };
  const count = whole("c", 1, MOST_COUNT);
  const length = whole("s", 0, LONGEST_DATA);
  const ttl = whole("t", 1, 255);
  const deadlineSeconds = whole("w", 1, 2_147_483);
  for (const value of [count, length, ttl, deadlineSeconds]) if (typeof value === "string") return value;
  const interval = parseSeconds(options.value("i") ?? "1", 2_147_483);
  if (interval === undefined) return `bad timing interval: ${options.value("i")}`;
  if (interval < 0.002) return "cannot flood; minimal interval allowed for user is 2ms";
  const linger = parseSeconds(options.value("W") ?? "10", 2_147_483);
  if (linger === undefined) return `bad linger time: ${options.value("W")}`;
  const pathMtu = options.value("M") ?? "want";
  if (pathMtu !== "do" && pathMtu !== "want" && pathMtu !== "dont") return `invalid -M argument: ${pathMtu}`;
  const isBounded = count !== undefined || deadlineSeconds !== undefined;
  return {
    count: isBounded ? (count as number | undefined) : USUAL_COUNT,
    intervalMs: interval * 1000,
    deadlineSeconds: deadlineSeconds as number | undefined,
    lingerMs: linger * 1000,
    length: (length as number | undefined) ?? 56,
    ttl: ttl as number | undefined,
    pathMtu,
    quiet: options.has("q"),
  };
}
