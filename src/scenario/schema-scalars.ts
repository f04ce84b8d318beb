import * as z from "zod";
import {
  type Cidr,
  type InterfaceAddress,
  type Ipv4Address,
  isGroupMac,
  type MacAddress,
  parseCidr,
  parseInterfaceAddress,
  parseIpv4,
  parseMac,
} from "../netstack/index.ts";
import type { Duration } from "../sim/index.ts";
import { parseDuration, parsePercent, parseRate } from "./quantity.ts";

/*
 * Single values. A schema's message is what was expected, in words that continue "expected …"; schema-issues.ts adds the place and what
 * was found instead.
 */

/** Text that `parse` reads; `expected` says what it should look like. */
export function readText<T>(expected: string, parse: (text: string) => T | undefined): z.ZodType<T, string> {
  return z
    .string({ error: () => expected })
    .describe(expected)
    .transform((text, context) => {
      const value = parse(text);
      if (value !== undefined) return value;
      context.issues.push({ code: "custom", message: expected, input: text });
      return z.NEVER;
    });
}

export const textSchema: z.ZodType<string, string> = z.string({ error: () => "text" }).min(1, { error: () => "text" });

export const flagSchema: z.ZodType<boolean, boolean> = z.boolean({ error: () => "true or false" });

export const durationSchema: z.ZodType<Duration, string> = readText(
  "a duration like 250us, 5ms, 1.5s or 2m, at most 24h",
  parseDuration,
);

export const rateSchema: z.ZodType<number, string> = readText("a rate like 56kbit, 10mbit or 1gbit", parseRate);

export const percentSchema: z.ZodType<number, string> = readText("a percentage like 0.5% or 20%", parsePercent);

export const addressSchema: z.ZodType<Ipv4Address, string> = readText("an IPv4 address like 10.0.0.5", parseIpv4);

export const interfaceAddressSchema: z.ZodType<InterfaceAddress, string> = readText(
  "an address with its prefix length like 10.0.0.5/24",
  parseInterfaceAddress,
);

export const rangeSchema: z.ZodType<Cidr, string> = readText(
  "an address range like 10.0.0.0/8, with no bits set behind the prefix",
  parseExactRange,
);

/** Where a route leads, in the words of `ip route`. */
export const destinationSchema: z.ZodType<Cidr, string> = readText(
  "an address range like 10.0.0.0/8, with no bits set behind the prefix, or default",
  (text) => parseExactRange(text === "default" ? "0.0.0.0/0" : text),
);

export const macSchema: z.ZodType<MacAddress, string> = readText(
  "a unicast MAC address like 02:00:00:00:00:01",
  (text) => {
    const mac = parseMac(text);
    return mac === undefined || isGroupMac(mac) ? undefined : mac;
  },
);

/** A name for a box or a network: it becomes a host name, and the first half of a capture point's name. */
export const nameSchema: z.ZodType<string, string> = z
  .string({ error: () => NAME_EXPECTED })
  .regex(/^[a-zA-Z0-9]([a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?$/, { error: () => NAME_EXPECTED });

/** A name in the DNS (RFC 1035 §2.3.1, RFC 1123 §2.1). */
export const domainNameSchema: z.ZodType<string, string> = readText("a DNS name like lb.example.com", (text) =>
  text.length <= 253 && /^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/.test(text)
    ? text
    : undefined,
);

const NAME_EXPECTED = "a name of at most 63 letters, digits, '-', '_' and '.'";

const INTERFACE_NAME_EXPECTED = "an interface name of at most 15 characters, like eth0";

/** IFNAMSIZ less its end; Linux refuses `/` and blanks (net/core/dev.c dev_valid_name). */
export const interfaceNameSchema: z.ZodType<string, string> = z
  .string({ error: () => INTERFACE_NAME_EXPECTED })
  .regex(/^(?!\.{1,2}$|lo$)[^\s/:\\*?]{1,15}$/, { error: () => INTERFACE_NAME_EXPECTED });

/** A whole number between two limits. */
export function integerSchema(what: string, from: number, to: number): z.ZodType<number, number> {
  const expected = `${what} from ${from} to ${to}`;
  const error = (): string => expected;
  return z.int({ error }).min(from, { error }).max(to, { error });
}

export const portSchema: z.ZodType<number, number> = integerSchema("a port", 1, 65535);

/** 68 octets is what every IPv4 network carries (RFC 791 §3.2). */
export const mtuSchema: z.ZodType<number, number> = integerSchema("an MTU", 68, 65535);

/** One of some words. */
export function wordSchema<W extends string>(words: readonly W[]): z.ZodType<W, W> {
  return z.enum(words, { error: () => `one of ${words.join(", ")}` }) as unknown as z.ZodType<W, W>;
}

/** A mapping whose keys the author chooses. */
export function namedSchema<T, I>(
  key: z.ZodType<string, string>,
  value: z.ZodType<T, I>,
  what: string,
): z.ZodType<Record<string, T>, Record<string, I>> {
  return z.record(key, value, { error: () => what });
}

/** A list. */
export function listSchema<T, I>(item: z.ZodType<T, I>, what: string): z.ZodType<T[], I[]> {
  return z.array(item, { error: () => what });
}

/** Either one thing or a list of them. */
export function oneOrMore<T, I>(one: z.ZodType<T, I>, what: string): z.ZodType<T | T[], I | I[]> {
  return z.union([one, z.array(one)], { error: () => what });
}

function parseExactRange(text: string): Cidr | undefined {
  const range = text.includes("/") ? parseCidr(text) : undefined;
  const own = parseInterfaceAddress(text);
  return range?.network === own?.address ? range : undefined;
}
