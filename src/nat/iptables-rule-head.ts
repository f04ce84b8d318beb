import { readAddresses, readInterface } from "./iptables-addresses.ts";
import { readProtocolNumber } from "./iptables-connection-matches.ts";
import type { RuleHead } from "./iptables-modules.ts";
import {
  flag,
  type GivenOption,
  type GivenOptions,
  negatable,
  negation,
  type OptionSpec,
  pair,
  refuse,
  value,
} from "./iptables-options.ts";
import type { AddressMatch, InterfaceMatch, Rule } from "./rule.ts";

/** The options of the rule itself. The first name is the letter behind a single dash. */
export const RULE_OPTIONS: readonly OptionSpec[] = [
  negatable(value("s", "source", "src")),
  negatable(value("d", "destination", "dst")),
  negatable(value("p", "protocol", "proto")),
  negatable(value("i", "in-interface")),
  negatable(value("o", "out-interface")),
  negatable(flag("f", "fragments")),
  value("m", "match"),
  value("j", "jump"),
  value("g", "goto"),
  pair("c", "set-counters"),
  flag("4", "ipv4"),
  flag("6", "ipv6"),
];

/** Reads what stands in a rule's fixed part, but for the addresses. */
export function readHead(given: GivenOptions): RuleHead & Pick<Rule, "inInterface" | "outInterface" | "fragment"> {
  const inInterface = readInterfaceSide(given.get("i"));
  const outInterface = readInterfaceSide(given.get("o"));
  const [protocol, fragment] = [given.get("p"), given.get("f")];
  const number = protocol && readProtocolNumber(protocol.value);
  if (protocol?.not && number === 0) refuse(protocol.value, "no packet is of no protocol", "name one protocol");
  return {
    ...(inInterface && { inInterface }),
    ...(outInterface && { outInterface }),
    ...(protocol && number && { protocol: { protocol: number, ...negation(protocol) } }),
    ...(fragment && { fragment: negation(fragment) }),
  };
}

/** `+` alone stands for every interface, and is no condition unless it is negated. */
function readInterfaceSide(option: GivenOption | undefined): InterfaceMatch | undefined {
  if (option === undefined) return undefined;
  const match = { ...readInterface(option.value), ...negation(option) };
  return match.name === "+" && !match.not ? undefined : match;
}

/** The addresses of one side; a single `undefined` where the side is free. */
export function readSide(option: GivenOption | undefined): (AddressMatch | undefined)[] {
  if (option === undefined) return [undefined];
  const addresses = readAddresses(option.value);
  if (option.not && addresses.length > 1)
    refuse(option.value, "a list of addresses cannot be negated", "write one rule for each, or a set");
  return addresses.map((address) =>
    address.mask === 0 && !option.not ? undefined : { ...address, ...negation(option) },
  );
}
