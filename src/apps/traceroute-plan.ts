import { type Ipv4Address, parseIpv4 } from "../netstack/index.ts";
import { type Duration, seconds } from "../sim/index.ts";
import { type Options, parseSeconds, parseWhole } from "./options.ts";
import type { ProgramHost } from "./process.ts";

const FIRST_PORT = 33434;
/** Bytes of an IP header without options. */
export const IP_HEADER = 20;
/** Behind the IP header: UDP's or ICMP's eight bytes, then data. */
export const PROBE_HEADER = 8;

/** What a traceroute command line asks for. */
export interface TracePlan {
  readonly isNumeric: boolean;
  readonly usesIcmp: boolean;
  readonly dontFragment: boolean;
  readonly queries: number;
  readonly firstTtl: number;
  readonly lastTtl: number;
  readonly wait: Duration;
  readonly port: number;
  readonly simultaneous: number;
  readonly source: Ipv4Address | undefined;
  readonly length: number;
}

/** The plan, or what traceroute says about an option. */
export function readTracePlan(host: ProgramHost, options: Options, size: string | undefined): TracePlan | string {
  const number = (name: string, usual: number): number => {
    const typed = options.value(name);
    return typed === undefined ? usual : (parseWhole(typed, 0, 1_000_000) ?? Number.NaN);
  };
  const plan = {
    queries: number("q", 3),
    firstTtl: number("f", 1),
    lastTtl: number("m", 30),
    port: number("p", options.has("I") ? 1 : FIRST_PORT),
    simultaneous: number("N", 16),
    length: size === undefined ? 60 : (parseWhole(size, 0, 65_000) ?? Number.NaN),
  };
  const unreadable = Object.values(plan).some((value) => Number.isNaN(value));
  if (unreadable) return "Cannot handle a number that is not one";
  if (plan.lastTtl > 255) return "max hops cannot be more than 255";
  if (plan.firstTtl < 1 || plan.firstTtl > plan.lastTtl) return "first hop out of range";
  if (plan.queries < 1 || plan.queries > 10) return "no more than 10 probes per hop";
  if (plan.port > 65535) return "port out of range";
  const wait = parseSeconds((options.value("w") ?? "5").replace(/,.*$/, ""), 86_400);
  if (wait === undefined) return `bad wait specifications \`${options.value("w")}' used`;
  const typedSource = options.value("s");
  const source = typedSource === undefined ? undefined : parseIpv4(typedSource);
  if (typedSource !== undefined && (source === undefined || !host.stack.addressing.isLocal(source))) {
    return `bind: Cannot assign requested address`;
  }
  return {
    ...plan,
    // The packet has at least its headers.
    length: Math.max(plan.length, IP_HEADER + PROBE_HEADER),
    simultaneous: Math.max(1, plan.simultaneous),
    wait: seconds(wait),
    isNumeric: options.has("n"),
    usesIcmp: options.has("I"),
    dontFragment: options.has("F"),
    source,
  };
}
